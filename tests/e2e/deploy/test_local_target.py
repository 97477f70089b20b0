"""The local target under load and after crashes: real processes, real sockets, a stand-in as the server."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import pytest

from ci_core.deploy.local.options import LocalOptions
from ci_core.deploy.local.target import LocalTarget
from ci_core.errors import (
    CaptureFolderError,
    DeploymentFailedError,
    EnvironmentPortTakenError,
    PlanOutdatedError,
    StateFileError,
)
from ci_core.testing.local_releases import LocalReleases
from ci_core.types import EnvironmentName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ci_core.deploy.spec import DeploymentOutcome, ReleaseRecord

pytestmark = pytest.mark.e2e

STAGING = EnvironmentName("staging")
STAND_IN = Path(__file__).parents[2] / "stand_in_server.py"


@dataclass
class Local:
    """A target, its releases, and short ways to use both."""

    folder: Path
    options: LocalOptions = field(default_factory=lambda: LocalOptions(ready_timeout_s=5, drain_timeout_s=5))
    env: dict[str, str] = field(default_factory=lambda: {"PATH": os.environ["PATH"]})
    accepts_known_bad: bool = False

    @property
    def target(self) -> LocalTarget:
        return LocalTarget(
            self.folder / "state",
            self.options,
            env=self.env,
            clock=lambda: datetime.now(UTC),
            server_command=(sys.executable, str(STAND_IN)),
            accepts_known_bad=self.accepts_known_bad,
        )

    @property
    def releases(self) -> LocalReleases:
        return LocalReleases(self.folder)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "state" / "staging" / "state.json").read_text())
        return found

    def deploy(self, record: ReleaseRecord, bundle: Path) -> DeploymentOutcome:
        target = self.target
        live = target.observe(STAGING)
        live_release = target.stored(STAGING, live.release) if live.release else None
        return target.apply(target.plan(STAGING, record.release, live, live_release), record, bundle)

    def ask(self) -> dict[str, Any]:
        return self.releases.ask_in_full(self.target.observe(STAGING))


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    local = Local(tmp_path)
    yield local
    local.target.destroy(STAGING)
    assert _processes_of(tmp_path) == []


def test_no_request_fails_during_five_switches(local: Local) -> None:
    live = local.deploy(*local.releases.good("r0", delay_s=0.005)).live
    traffic = Traffic(urlsplit(live.url or "").netloc, threads=4)

    with traffic:
        for number in range(1, 6):
            local.deploy(*local.releases.good(f"r{number}", delay_s=0.005))
        traffic.wait_for("r5")

    assert traffic.failures == []
    assert traffic.labels == {f"r{number}" for number in range(6)}
    assert traffic.count > 200
    assert len(local.state["servers"]) == 1


def test_a_killed_server_process_comes_back(local: Local) -> None:
    local.deploy(*local.releases.good("a"))
    first = local.ask()["pid"]

    os.kill(first, signal.SIGKILL)

    _until(lambda: local.target.observe(STAGING).is_healthy and local.ask()["pid"] != first)
    assert local.ask()["label"] == "a"


def test_a_killed_supervisor_is_replaced_by_the_next_look(local: Local) -> None:
    live = local.deploy(*local.releases.good("a")).live
    orphan = local.ask()["pid"]
    supervisor = local.state["supervisor"]["pid"]

    os.kill(supervisor, signal.SIGKILL)
    again = local.target.observe(STAGING)

    assert again == live
    assert local.state["supervisor"]["pid"] != supervisor
    assert local.ask()["pid"] != orphan
    assert orphan not in _processes_of(local.folder)


def test_a_deployment_after_a_killed_supervisor_works(local: Local) -> None:
    local.deploy(*local.releases.good("a"))
    os.kill(local.state["supervisor"]["pid"], signal.SIGKILL)

    outcome = local.deploy(*local.releases.good("b"))

    assert outcome.live.url == local.target.observe(STAGING).url
    assert local.ask()["label"] == "b"


def test_a_supervisor_that_is_asked_to_end_comes_back_too(local: Local) -> None:
    live = local.deploy(*local.releases.good("a")).live

    os.kill(local.state["supervisor"]["pid"], signal.SIGTERM)
    _until(lambda: _processes_of(local.folder) == [])

    assert local.target.observe(STAGING) == live


def test_the_old_release_answers_while_a_candidate_never_gets_ready(local: Local) -> None:
    local.options = LocalOptions(ready_timeout_s=1)
    live = local.deploy(*local.releases.good("a")).live
    with Traffic(urlsplit(live.url or "").netloc, threads=2) as traffic, pytest.raises(DeploymentFailedError):
        local.deploy(*local.releases.never_ready())

    assert traffic.failures == []
    assert traffic.labels == {"a"}
    assert len(local.state["servers"]) == 1


def test_a_known_bad_release_can_be_forced_and_is_good_again_when_it_works(local: Local) -> None:
    local.deploy(*local.releases.good("a"))
    second = local.releases.good("b")
    local.deploy(*second)
    local.target.rollback(STAGING)
    assert local.target.observe(STAGING).known_bad == (second[0].release.id,)

    local.accepts_known_bad = True
    outcome = local.deploy(*second)

    assert outcome.outcome == "deployed"
    assert outcome.live.known_bad == ()


@pytest.mark.parametrize("phase", ["candidate ready", "switched"])
def test_a_deployment_that_is_killed_leaves_a_state_that_the_next_one_finishes(local: Local, phase: str) -> None:
    local.deploy(*local.releases.good("a"))
    record, bundle = local.releases.good("b")
    on_progress = f"os.kill(os.getpid(), signal.SIGKILL) if line.startswith({phase!r}) else None"
    killed = deploying(local, record, bundle, on_progress)
    assert killed.wait(20) == -signal.SIGKILL

    _until(lambda: len(local.state["servers"]) == 1)
    assert local.ask()["label"] == ("a" if phase == "candidate ready" else "b")
    assert local.target.observe(STAGING).known_bad == ()
    local.deploy(record, bundle)
    assert local.ask()["label"] == "b"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_deployment_that_is_interrupted_while_it_waits_takes_its_candidate_along(
    local: Local, how: signal.Signals
) -> None:
    local.deploy(*local.releases.good("a"))
    process = deploying(local, *local.releases.never_ready(), "None")
    _until(lambda: len(local.state["servers"]) == 2)

    os.killpg(process.pid, how)

    assert process.wait(20) != 0
    _until(lambda: len(local.state["servers"]) == 1, within_s=5)
    assert local.ask()["label"] == "a"
    assert local.target.observe(STAGING).known_bad == ()


def test_an_interrupted_first_deployment_leaves_no_process(local: Local) -> None:
    process = deploying(local, *local.releases.never_ready(), "None")
    state = local.folder / "state" / "staging" / "state.json"
    _until(lambda: state.exists() and len(local.state["servers"]) == 1)

    os.killpg(process.pid, signal.SIGINT)

    assert process.wait(20) != 0
    assert _processes_of(local.folder) == []


def test_two_deployments_at_once_happen_one_after_the_other(local: Local) -> None:
    local.deploy(*local.releases.good("a"))
    target, live = local.target, local.target.observe(STAGING)
    errors: list[Exception] = []

    def deploy(label: str) -> None:
        record, bundle = local.releases.good(label)
        try:
            target.apply(target.plan(STAGING, record.release, live, None), record, bundle)
        except PlanOutdatedError as error:
            errors.append(error)

    threads = [threading.Thread(target=deploy, args=(label,)) for label in ("b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(errors) == 1
    assert local.ask()["label"] in {"b", "c"}
    assert len(local.state["servers"]) == 1


def test_a_port_that_another_program_uses_is_named(local: Local) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        local.options = LocalOptions(port=port)

        with pytest.raises(EnvironmentPortTakenError, match=f"port {port} ") as caught:
            local.deploy(*local.releases.good("a"))

        assert caught.value.reason == "address already in use"
    assert local.target.observe(STAGING).history == ()
    assert _processes_of(local.folder) == []


def test_the_port_can_move_with_a_deployment(local: Local) -> None:
    before = local.deploy(*local.releases.good("a")).live
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    local.options = LocalOptions(port=port)

    after = local.deploy(*local.releases.good("b")).live

    assert after.url == f"http://127.0.0.1:{port}"
    assert local.ask()["label"] == "b"
    with pytest.raises(ConnectionRefusedError):
        local.releases.ask(before)


def test_a_capture_folder_that_cannot_be_written_stops_the_deployment(local: Local) -> None:
    local.deploy(*local.releases.good("a"))
    folder = local.folder / "state" / "staging" / ".graphship" / "captures"
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_text("a file is in the way")

    with pytest.raises(CaptureFolderError, match="captures cannot be written"):
        local.deploy(*local.releases.good("b"))

    assert local.ask()["label"] == "a"


def test_a_long_path_does_not_matter_to_the_control_socket(tmp_path: Path) -> None:
    local = Local(tmp_path / ("deep-" * 20) / ("ünïcode and blanks " * 5))
    local.folder.mkdir(parents=True)
    try:
        local.deploy(*local.releases.good("a"))

        assert local.ask()["label"] == "a"
        assert not local.state["control"].startswith(str(tmp_path))
        assert Path(local.state["control"]).stat().st_mode & 0o777 == 0o600
    finally:
        local.target.destroy(STAGING)


def test_servers_do_not_inherit_what_belongs_to_the_ci_job(local: Local) -> None:
    local.env = {**local.env, "GITHUB_TOKEN": "secret", "RUNNER_TRACKING_ID": "1", "COLOUR": "green"}

    local.deploy(*local.releases.good("a"))

    assert local.ask()["env"] == ["COLOUR"]


def test_a_state_file_that_is_not_ours_is_not_overwritten(tmp_path: Path) -> None:
    local = Local(tmp_path)
    state = tmp_path / "state" / "staging" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")

    with pytest.raises(StateFileError):
        local.target.observe(STAGING)

    assert state.read_text() == "{}"


def test_old_releases_are_removed_and_the_previous_one_is_kept(local: Local) -> None:
    records = [local.releases.good(f"r{number}") for number in range(7)]
    for record, bundle in records:
        local.deploy(record, bundle)

    kept = {folder.name for folder in (local.folder / "state" / "staging" / "releases").iterdir()}

    assert kept == {record.release.id for record, _ in records[-5:]}


def test_a_hosted_runner_is_told_that_the_server_ends_with_the_job(local: Local) -> None:
    local.env = {**local.env, "CI": "true"}
    record, _ = local.releases.good("a")

    plan = local.target.plan(STAGING, record.release, local.target.observe(STAGING), None)

    assert "on a hosted runner this server ends with the job" in plan.notes


def deploying(local: Local, record: ReleaseRecord, bundle: Path, on_progress: str) -> subprocess.Popen[str]:
    """Start a deployment in a process, and process group, of its own; `on_progress` sees each `line`."""
    script = f"""
import json, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from ci_core.deploy.local.target import LocalTarget
from ci_core.deploy.spec import ReleaseRecord
record = ReleaseRecord.from_dict(json.loads(sys.argv[1]))
target = LocalTarget(Path({str(local.folder / "state")!r}), env=dict(os.environ), clock=lambda: datetime.now(UTC),
                     server_command=({sys.executable!r}, {str(STAND_IN)!r}))
live = target.observe("staging")
plan = target.plan("staging", record.release, live, None)
target.apply(plan, record, Path({str(bundle)!r}), progress=lambda line: {on_progress})
"""
    return subprocess.Popen(
        [sys.executable, "-c", script, json.dumps(record.to_dict())],
        text=True,
        env=local.env,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )


class Traffic:
    """Threads that send requests on kept connections, one after the other, and note every one that fails."""

    def __init__(self, address: str, *, threads: int) -> None:
        self.failures: list[str] = []
        self.labels: set[str] = set()
        self.count = 0
        self._address = address
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(threads)]

    def wait_for(self, label: str) -> None:
        _until(lambda: label in self.labels)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=10)
        while not self._is_over.is_set():
            try:
                connection.request("POST", "/", body=b'{"x": 1}')
                response = connection.getresponse()
                body = response.read()
                if response.status == 200:
                    self.labels.add(json.loads(body)["label"])
                    self.count += 1
                else:
                    self.failures.append(f"{response.status} {body!r}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
        connection.close()


def _until(is_so: Callable[[], bool], within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def _processes_of(folder: Path) -> list[int]:
    """Ids of running processes whose command line names something below `folder`."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = place.joinpath("cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in command and int(place.name) != os.getpid():
            found.append(int(place.name))
    return found
