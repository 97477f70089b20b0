"""The story of ``graphship demo``: eight steps, from an empty folder to a retrained model that serves.

Called by ``cli/demo.py``. It plays three parts: the person who writes code, opens and merges change requests; the CI
system that runs ``graphship ci``; and the clients that ask for predictions. What graphship does it only watches: every
fact that is told is read from the host, the server or the runs' outputs.
"""

from __future__ import annotations

import itertools
import json
import shlex
import shutil
import time
import urllib.request
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ci_core.demo.ci_run import CiRunner
from ci_core.demo.dataset import Period, request_bodies
from ci_core.demo.traffic import Hammer, send
from ci_core.demo.workspace import ENVIRONMENT, TRAINING, Workspace, deliver_labels, make_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ci_core.demo.ci_run import CiRun, Event
    from ci_core.demo.narrator import Narrator
    from ci_core.hosts.spec import ChangeRequest

WINTER = Period(first=date(2013, 2, 15), last=date(2013, 2, 28))
"""Flights that are asked about while the second release is deployed; the rest of a day that was begun follows."""
SUMMER = Period(first=date(2013, 6, 15), last=date(2013, 6, 28))
AFTER_RETRAINING = Period(first=date(2013, 6, 29), last=date(2013, 6, 30))

_BRANCH = "more-trees"
_CAPTURE_PATIENCE_S = 6.0
_PAUSE_S = 0.004
"""Rest of each hammering client: two of them ask some 300 times a second and leave the deployment its processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is left when the story is over."""

    url: str
    """Where the last release answers."""
    pages: tuple[tuple[str, Path], ...]
    """Title and file of each page to look at."""


class Story:
    """One telling.

    Args:
        root: the demo's folder.
        env: our environment.
        narrator: tells it.
        clock: seconds that only grow.
    """

    def __init__(self, root: Path, *, env: Mapping[str, str], narrator: Narrator, clock: Callable[[], float]) -> None:
        self._root, self._env, self._narrator, self._clock = root, env, narrator, clock
        self._pages: list[tuple[str, Path]] = []
        self._workspace: Workspace | None = None

    def tell(self) -> Ending:
        """Play all steps.

        Raises:
            DemoFolderTakenError: the folder holds something that no demo made.
            DemoRunFailedError: a run of ``graphship ci`` failed.
            ProgramFailedError: Git or the first training failed.
        """
        began = self._clock()
        steps: tuple[tuple[str, Callable[[], str]], ...] = (
            ("A project", self._make_project),
            ("The first release", self._deploy_first),
            ("A change request", self._open_change_request),
            ("Merge under load", self._merge_under_load),
            ("Summer comes", self._send_summer),
            ("The schedule finds drift", self._watch_summer),
            ("A retrain change request", self._look_at_retraining),
            ("The challenger goes live", self._merge_retraining),
        )
        for number, (title, play) in enumerate(steps, start=1):
            with self._narrator.step(number, len(steps), title) as result:
                result.append(play())
        self._narrator.table(self._pages, self._clock() - began)
        return Ending(url=self._url(), pages=tuple(self._pages))

    # --- the steps; each returns what came of it, in a few words ---

    def _make_project(self) -> str:
        self._narrator.say(
            "`flights` says, before departure, how likely a flight out of New York arrives more than 15 minutes late. "
            f"It is a Git repository with a DVC pipeline, trained on {TRAINING}, and a serving graph. A bare one "
            "with a folder beside it stands in for GitHub."
        )
        with self._narrator.busy("git, dvc, graphship run: prepare → train → evaluate") as on_line:
            self._workspace = make_workspace(self._root, self._env, on_line=on_line)
            self._runner = CiRunner(self._workspace, self._clock)
            self._host = self._workspace.host()
        metrics = self._metrics("main")
        self._narrator.fact(f"{self._at.project}: pushed to {self._at.repository.name}")
        return f"trained and pushed, AUC {metrics['auc']:.3f}"

    def _deploy_first(self) -> str:
        self._narrator.say(
            "The push runs `graphship ci`, which deploys the commit to `staging`: a server on this machine."
        )
        run = self._ci("push")
        body = request_bodies(WINTER)[0]
        answer = _ask(self._url(), body)
        self._narrator.fact(f"release {run.outputs['release-id'][:12]} answers on {self._url()}; ask it yourself:")
        self._narrator.command(
            f"curl -s {self._url()} -H 'content-type: application/json' -d {shlex.quote(body.decode())}"
        )
        self._narrator.fact(f"it says {answer}")
        return f"release {run.outputs['release-id'][:12]} live"

    def _open_change_request(self) -> str:
        self._narrator.say(
            "Somebody wants more trees: a branch, one line in params.yaml, a change request. `graphship ci` runs the "
            "stages that became stale and writes one comment: what the change does to the model, what a merge deploys."
        )
        request = self._propose_more_trees()
        self._ci("change-request", request)
        old, new = self._metrics("main"), self._metrics(request.source_branch)
        self._narrator.fact(
            f"AUC {old['auc']:.4f} → {new['auc']:.4f}, log loss {old['log_loss']:.4f} → {new['log_loss']:.4f}"
        )
        self._tell_checks(request)
        self._keep("Change request report", "report/report.html", "change-request.html")
        return f"AUC {old['auc']:.3f} → {new['auc']:.3f}, gates passed"

    def _merge_under_load(self) -> str:
        self._narrator.say(
            "The change request is merged while clients keep asking. `graphship ci` starts the new release beside the "
            "old one, waits until it is healthy, replays the recorded requests, switches, and stops the old one."
        )
        flights = request_bodies(WINTER)
        self._host.merge(self._request(_BRANCH).number)
        with Hammer(self._url(), flights, connections=2, pause_s=_PAUSE_S) as hammer:
            run = self._ci("push")
        report = hammer.report()
        failed = report.failed + send(self._url(), _rest_of_day(flights, report.sent)).failed
        self._narrator.fact(f"release {run.outputs['release-id'][:12]} is live")
        self._narrator.fact(
            f"requests meanwhile: {report.sent:,} sent, {report.failed} failed; median {report.median_ms:.1f} ms"
        )
        return f"{report.sent:,} requests meanwhile, {failed} failed"

    def _send_summer(self) -> str:
        self._narrator.say(
            f"Real traffic: every flight of {SUMMER}, one request each. What the model received and answered is "
            "captured. The model has seen winter only."
        )
        bodies = request_bodies(SUMMER)
        with self._narrator.busy(f"{len(bodies):,} flights over HTTP") as on_line:
            report = send(self._url(), bodies, on_progress=lambda sent: on_line(f"{sent:,} of {len(bodies):,}"))
            self._wait_for_captures()
        labels = deliver_labels(self._at, WINTER, SUMMER)
        self._narrator.fact(
            f"{report.sent:,} sent, {report.failed} failed, {report.per_second:,.0f} a second; "
            f"median {report.median_ms:.1f} ms, 99 % within {report.slow_ms:.1f} ms"
        )
        self._narrator.fact(f"some days later the outcomes arrive: {labels:,} labels, winter's among them")
        return f"{report.sent:,} requests, {report.failed} failed"

    def _watch_summer(self) -> str:
        self._narrator.say(
            "The scheduled `graphship ci` judges every complete day that was not judged yet, in order, against the "
            "training data. It keeps one monitoring issue, and on drift it trains a challenger."
        )
        run = self._ci("schedule")
        verdict, columns = run.outputs["verdict"], run.outputs.get("drifted-columns", "")
        self._narrator.fact(f"verdict `{verdict}`: {columns.replace(',', ', ')}")
        self._narrator.fact(self._first_reason())
        for issue in self._host.every_issue():
            self._narrator.fact(f"issue #{issue.number} ({issue.state}): {issue.title}")
        self._keep("Monitoring: drift", f"monitoring/{ENVIRONMENT}.html", "monitoring-drift.html")
        return f"{verdict}: {columns.replace(',', ', ')}"

    def _look_at_retraining(self) -> str:
        self._narrator.say(
            "The same run made a new data version with the drifted days, trained a challenger on all but the newest "
            "two, judged it against the champion on these two, and refitted it on everything. Running it again changes "
            "nothing."
        )
        request = self._retrain_request()
        self._narrator.fact(f"change request #{request.number} ({request.state}): {request.title}")
        self._ci("change-request", request)
        self._tell_checks(request)
        self._keep("Retrain report", "report/report.html", "retrain.html")
        before = self._topics()
        self._ci("schedule")
        is_same = before == self._topics()
        self._narrator.fact("a second scheduled run: " + ("nothing changed" if is_same else "SOMETHING CHANGED"))
        return f"#{request.number} with evidence; {'run again, nothing changed' if is_same else 'not repeatable'}"

    def _merge_retraining(self) -> str:
        self._narrator.say(
            f"Merged: the challenger is live. The flights of {AFTER_RETRAINING} are sent, and the schedule looks again."
        )
        self._host.merge(self._retrain_request().number)
        run = self._ci("push")
        self._keep("Deployment history", "deployments/index.html", "deployments.html")
        report = send(self._url(), request_bodies(AFTER_RETRAINING))
        self._wait_for_captures()
        deliver_labels(self._at, WINTER, SUMMER, AFTER_RETRAINING)
        verdict = self._ci("schedule").outputs["verdict"]
        self._narrator.fact(
            f"release {run.outputs['release-id'][:12]} is live; {report.sent:,} sent, {report.failed} failed"
        )
        self._narrator.fact(f"verdict `{verdict}`")
        for issue in self._host.every_issue():
            self._narrator.fact(f"issue #{issue.number} ({issue.state}): {issue.title}")
        self._keep("Monitoring: now", f"monitoring/{ENVIRONMENT}.html", "monitoring.html")
        issues = ", ".join(f"#{issue.number} {issue.state}" for issue in self._host.every_issue())
        return f"{verdict}; issue {issues}"

    # --- what the steps share ---

    @property
    def _at(self) -> Workspace:
        assert self._workspace is not None  # noqa: S101 - the first step made it
        return self._workspace

    def _ci(self, event: Event, request: ChangeRequest | None = None) -> CiRun:
        """Run ``graphship ci`` as the CI system would: on the default branch, or on a change request's."""
        branch = request.source_branch if request else "main"
        with self._narrator.busy(f"graphship ci ({event})") as on_line:
            number = request.number if request else None
            run = self._runner.run(event, branch=branch, change_request=number, on_line=on_line)
        self._narrator.fact(f"graphship ci ({event}): {run.seconds:.1f} s")
        return run

    def _url(self) -> str:
        return self._at.target().observe(ENVIRONMENT).url or ""

    def _wait_for_captures(self) -> None:
        """Wait until what was answered so far is on disk: the server writes every two seconds, apart from answering."""
        answered_at, patience_until = time.time(), time.monotonic() + _CAPTURE_PATIENCE_S
        captures = Path(self._at.target().observe(ENVIRONMENT).captures or self._at.state)
        while time.monotonic() < patience_until:
            if any(segment.stat().st_mtime > answered_at for segment in captures.glob("*/*.arrow")):
                return
            time.sleep(0.05)

    def _metrics(self, branch: str) -> dict[str, float]:
        """Return the metrics at the newest commit of a branch, as everybody who clones would see them."""
        self._at.run("git", "fetch", "--quiet", "origin")
        metrics: dict[str, float] = json.loads(self._at.run("git", "show", f"origin/{branch}:metrics.json"))
        return metrics

    def _propose_more_trees(self) -> ChangeRequest:
        at = self._at
        at.run("git", "checkout", "--quiet", "-b", _BRANCH)
        params = at.project / "params.yaml"
        params.write_text(params.read_text("utf-8").replace("trees: 20", "trees: 80"), "utf-8")
        at.commit("Four times as many trees")
        at.run("git", "push", "--quiet", "--set-upstream", "origin", _BRANCH)
        return self._host.open_change_request(
            _BRANCH, "Four times as many trees", "20 trees leave something on the table; does it pay?"
        )

    def _tell_checks(self, request: ChangeRequest) -> None:
        """Tell what a reader of the change request sees of us: its comment and the light on its newest commit."""
        now = self._host.change_requests.get(request.number)
        comments = sum(1 for _ in self._host.comments.list(request.topic))
        for status in self._host.statuses.list(now.head):
            self._narrator.fact(
                f"change request #{now.number}: {status.context} is {status.state} ({status.description})"
            )
        self._narrator.fact(
            f"{comments} comment{'s' if comments != 1 else ''} on it: `graphship host show {now.number}`"
        )

    def _request(self, branch: str) -> ChangeRequest:
        return next(iter(self._host.change_requests.find(state="open", source_branch=branch)))

    def _retrain_request(self) -> ChangeRequest:
        opened = self._host.change_requests.find(state="open")
        return next(request for request in opened if "retrain" in request.labels)

    def _topics(self) -> list[object]:
        """Return everything that people could see change on the host."""
        requests = list(self._host.change_requests.find())
        issues = list(self._host.every_issue())
        topics = [request.topic for request in requests] + [issue.topic for issue in issues]
        return [requests, issues, [list(self._host.comments.list(topic)) for topic in topics]]

    def _first_reason(self) -> str:
        """Return what the last scheduled run found, in the words of its page: the columns, and how far they moved."""
        report = self._at.ci_project / ".graphship" / "monitoring" / f"{ENVIRONMENT}.json"
        return str(json.loads(report.read_text("utf-8"))["reasons"][0])

    def _keep(self, title: str, page: str, name: str) -> None:
        """Copy a page out of the CI runner's clone, which the next run cleans; a later one of a name replaces it."""
        source = self._at.ci_project / ".graphship" / page
        self._at.pages.mkdir(exist_ok=True)
        target = self._at.pages / name
        shutil.copyfile(source, target)
        self._pages.append((title, target))


def _rest_of_day(flights: Sequence[bytes], sent: int) -> Iterator[bytes]:
    """Yield the flights after the first `sent` that leave on the same day, in UTC, as the last that was sent."""
    if sent:
        day = _day(flights[sent - 1])
        yield from itertools.takewhile(lambda flight: _day(flight) == day, flights[sent:])


def _day(flight: bytes) -> str:
    time_hour: str = json.loads(flight)["time_hour"]
    return time_hour[:10]


def _ask(url: str, body: bytes) -> str:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - as above
        answer: bytes = response.read()
    return answer.decode()
