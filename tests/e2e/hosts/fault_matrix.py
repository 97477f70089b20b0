"""Every write that we do on a host, met by every fault at each of its requests, and what stands there in the end.

A *point* is (operation, n-th request, kind of fault). It is tried so: the operation runs once undisturbed elsewhere, to
learn how many requests it makes; then it runs on something new with the fault at its n-th request, which may fail it
with one of our errors and with no other; then the next run of the job does the same undisturbed. Afterwards exactly one
object stands there, and says what it should.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ci_core.errors import GraphshipError
from ci_core.hosts.marker import Run, without_marker
from ci_core.hosts.mirror import close_deployment, open_deployment, upsert_status
from ci_core.hosts.spec import CommitStatus, Topic
from ci_core.hosts.upsert import upsert_change_request, upsert_comment, upsert_issue
from ci_core.types import EnvironmentName, ReleaseId
from tests.servers.fault_proxy import FAULT_KINDS, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ci_core.hosts.base import RepositoryHost
    from ci_core.types import CommitId
    from tests.servers.fault_proxy import FaultKind, FaultPlan, Recorded

_LONG_S, _SHORT_S = 60.0, 0.5
"""How long an answer is waited for; the short one where a server says nothing, which costs that long."""
RELEASE = ReleaseId("1" * 64)
_COMMENTS_A_REQUEST = 40
"""Fewer than a page, so that the number of requests does not grow while points are tried."""


class Server(Protocol):
    """What both stand-ins have."""

    @property
    def faults(self) -> FaultPlan: ...
    @property
    def requests(self) -> list[Recorded]: ...
    def push(self, branch: str, files: Mapping[str, str]) -> CommitId: ...


@dataclass(slots=True, kw_only=True)
class World:
    """A host with a change request, on which each point gets a corner of its own."""

    server: Server
    connect: Callable[[float], RepositoryHost]
    """Opens a client, which waits so many seconds for an answer."""
    said: list[str] = field(default_factory=list)
    """All that was logged or raised."""
    _corners: int = 0
    _topic: Topic | None = None
    head: CommitId | None = None

    def corner(self) -> str:
        """Return a name that nothing has had yet, and see to a change request with room for a comment."""
        if self._corners % _COMMENTS_A_REQUEST == 0:
            branch = f"change-{self._corners}"
            self.head = self.server.push(branch, {f"{branch}.txt": "new\n"})
            request = self.open_host().change_requests.create(
                title=branch, body="", source_branch=branch, target_branch="main"
            )
            self._topic = request.topic
        self._corners += 1
        return f"corner-{self._corners}"

    def open_host(self, timeout_s: float = _LONG_S) -> RepositoryHost:
        """Return a client of its own, as each job has."""
        return self.connect(timeout_s)

    @property
    def topic(self) -> Topic:
        """The change request that points work on now."""
        assert self._topic is not None
        return self._topic

    @property
    def commit(self) -> CommitId:
        """Its head."""
        assert self.head is not None
        return self.head


class Operation(Protocol):
    """One thing that a run does on a host."""

    @property
    def name(self) -> str:
        """What it is called in the figures."""
        ...

    def prepare(self, world: World, host: RepositoryHost, corner: str) -> None:
        """Make what earlier runs have made."""
        ...

    def run(self, world: World, host: RepositoryHost, corner: str) -> None:
        """Do it, as one run of a job does."""
        ...

    def check(self, world: World, host: RepositoryHost, corner: str) -> None:
        """Assert what stands there after a whole run."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a change request: its head is looked at, its light is set, its comment is written."""

    name: str
    before: str | None
    after: str

    def prepare(self, world: World, host: RepositoryHost, corner: str) -> None:
        """Write the report of an earlier run."""
        if self.before is not None:
            self._say(world, host, corner, self.before, 1)

    def run(self, world: World, host: RepositoryHost, corner: str) -> None:
        """Write the report."""
        self._say(world, host, corner, self.after, 2)

    def check(self, world: World, host: RepositoryHost, corner: str) -> None:
        """One comment of this corner, and one light."""
        bodies = [without_marker(comment.body) for comment in host.comments.list(world.topic)]
        assert [body.strip() for body in bodies if body.startswith(f"{corner}:")] == [f"{corner}: {self.after}"]
        lights = [light for light in host.statuses.list(world.commit) if light.context == corner]
        assert [(light.state, light.description) for light in lights] == [("success", self.after)]

    def _say(self, world: World, host: RepositoryHost, corner: str, text: str, run: int) -> None:
        host.change_requests.get(world.topic.number)
        upsert_status(
            host, CommitStatus(commit=world.commit, context=corner, state="success", description=text, url=None)
        )
        upsert_comment(
            host, topic=world.topic, scope=(corner,), body=f"{corner}: {text}", head=world.commit, run=Run(id=run)
        )


@dataclass(frozen=True, slots=True)
class Monitoring:
    """The monitoring issue of an environment."""

    name: str
    before: tuple[str, bool] | None
    after: tuple[str, bool]

    def prepare(self, world: World, host: RepositoryHost, corner: str) -> None:
        """Say what earlier runs found."""
        if self.before is not None:
            self._say(world, host, corner, self.before, 1)

    def run(self, world: World, host: RepositoryHost, corner: str) -> None:
        """Say what this run found."""
        self._say(world, host, corner, self.after, 2)

    def check(self, world: World, host: RepositoryHost, corner: str) -> None:
        """One issue of this corner that counts, open or closed as it should be."""
        found = list(host.issues.find(label=corner))
        text, is_open = self.after
        standing = [issue for issue in found if not issue.body.startswith("A copy of")]
        assert [(without_marker(issue.body).strip(), issue.state) for issue in standing] == [
            (text, "open" if is_open else "closed")
        ]
        assert all(issue.state == "closed" for issue in found if issue not in standing)

    def _say(self, world: World, host: RepositoryHost, corner: str, said: tuple[str, bool], run: int) -> None:
        text, is_open = said
        upsert_issue(
            host,
            scope=(corner,),
            title=f"{corner}: {text}",
            body=text,
            labels=(corner,),
            is_open=is_open,
            head=world.commit,
            run=Run(id=run),
        )


@dataclass(frozen=True, slots=True)
class Retrain:
    """The retrain change request; its branch has been pushed."""

    name: str
    before: str | None
    after: str

    def prepare(self, world: World, host: RepositoryHost, corner: str) -> None:
        """Push the branch, and open the request if an earlier run did."""
        world.server.push(f"retrain/{corner}", {f"{corner}.txt": "v2\n"})
        if self.before is not None:
            self._say(world, host, corner, self.before, 1)

    def run(self, world: World, host: RepositoryHost, corner: str) -> None:
        """Open or renew the request."""
        self._say(world, host, corner, self.after, 2)

    def check(self, world: World, host: RepositoryHost, corner: str) -> None:
        """One request from the branch, with its label."""
        (request,) = host.change_requests.find(source_branch=f"retrain/{corner}")
        assert (request.state, without_marker(request.body).strip()) == ("open", self.after)
        assert request.labels == ("retrain",)

    def _say(self, world: World, host: RepositoryHost, corner: str, text: str, run: int) -> None:
        upsert_change_request(
            host,
            scope=("retrain", corner),
            branch=f"retrain/{corner}",
            target_branch="main",
            title=f"Retrain {corner}",
            body=text,
            labels=("retrain",),
            head=world.commit,
            run=Run(id=run),
        )


@dataclass(frozen=True, slots=True)
class Deployment:
    """The record of a deployment, from its beginning to its end."""

    name: str = "deployment"

    def prepare(self, world: World, host: RepositoryHost, corner: str) -> None:
        """Nothing was there."""

    def run(self, world: World, host: RepositoryHost, corner: str) -> None:
        """Open the record, deploy, close it."""
        environment = EnvironmentName(corner)
        record = open_deployment(host, environment=environment, commit=world.commit, release=RELEASE, is_live=True)
        if record is not None:
            close_deployment(host, record, state="success", description="serves", url="http://127.0.0.1:8080")

    def check(self, world: World, host: RepositoryHost, corner: str) -> None:
        """One record, that says that the release serves."""
        records = list(host.deployments.list(EnvironmentName(corner)))
        assert [(record.release, record.state) for record in records] == [(RELEASE, "success")]


OPERATIONS: tuple[Operation, ...] = (
    Report("first report", None, "auc 0.71"),
    Report("unchanged report", "auc 0.71", "auc 0.71"),
    Report("changed report", "auc 0.71", "auc 0.74"),
    Monitoring("drift is found", None, ("temp moved", True)),
    Monitoring("drift goes on", ("temp moved", True), ("temp and dewp moved", True)),
    Monitoring("drift is over", ("temp moved", True), ("all is well", False)),
    Monitoring("drift is back", ("all is well", False), ("temp moved", True)),
    Retrain("retrain request", None, "14 windows"),
    Retrain("retrain refresh", "14 windows", "16 windows"),
    Deployment(),
)


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One place where one thing goes wrong."""

    operation: str
    request: int
    kind: FaultKind


@dataclass(slots=True, kw_only=True)
class Figures:
    """What the matrix came to."""

    host: str
    seed: int
    points: int = 0
    """Points whose fault was met and whose end was looked at."""
    unreached: int = 0
    failed_runs: int = 0
    """Disturbed runs that ended with one of our errors; the next run mended what was left."""
    kinds: set[str] = field(default_factory=set)

    def to_dict(self) -> dict[str, object]:
        """Return them as JSON data; a duplicate, a lost result or a leak would have ended the test."""
        return {
            "host": self.host,
            "seed": self.seed,
            "points": self.points,
            "unreached": self.unreached,
            "kinds": len(self.kinds),
            "failed-runs": self.failed_runs,
            "duplicates": 0,
            "lost-results": 0,
            "leaked-secrets": 0,
        }


def all_points(world: World) -> list[Point]:
    """Return every point, after running each operation once to count its requests."""
    points = []
    for operation in OPERATIONS:
        corner = world.corner()
        operation.prepare(world, world.open_host(), corner)
        world.server.faults.reset()
        operation.run(world, world.open_host(), corner)
        count = world.server.faults.count
        points += [Point(operation.name, n, kind) for n in range(count) for kind in FAULT_KINDS]
    return points


def sampled(points: Sequence[Point], *, seed: int, count: int) -> Iterator[Point]:
    """Yield a point of each operation and of each kind, and `count` more, chosen by `seed`; some may be both."""
    chooser = random.Random(seed)
    shuffled = chooser.sample(points, len(points))
    chosen: dict[Point, None] = {}
    for name in ("operation", "kind"):
        seen: set[str] = set()
        for point in shuffled:
            value = getattr(point, name)
            if value not in seen:
                seen.add(value)
                chosen[point] = None
    chosen.update(dict.fromkeys(shuffled[:count]))
    yield from chosen


def try_point(world: World, point: Point, figures: Figures, secrets: Sequence[str]) -> None:
    """Try one point and assert what stands there afterwards.

    Raises:
        AssertionError: something is there twice, or not, or says something else, or a secret got out.
    """
    (operation,) = [one for one in OPERATIONS if one.name == point.operation]
    corner, plan = world.corner(), world.server.faults
    operation.prepare(world, world.open_host(), corner)
    plan.reset()
    plan.at(point.request, Fault(point.kind))
    try:
        operation.run(world, world.open_host(_SHORT_S if point.kind == "timeout" else _LONG_S), corner)
    except GraphshipError as error:
        figures.failed_runs += 1
        world.said += [str(error), repr(error), *error.known, *error.where, error.hint or ""]
    was_met = bool(plan.met)
    plan.reset()

    operation.run(world, world.open_host(), corner)

    operation.check(world, world.open_host(), corner)
    no_secret_in(world, secrets)
    if was_met:
        figures.points += 1
        figures.kinds.add(point.kind)
    else:
        figures.unreached += 1


def no_secret_in(world: World, secrets: Sequence[str]) -> None:
    """Assert that a secret is in nothing that was said, and in no request but in the header that is made for it."""
    for secret in secrets:
        assert not [text for text in world.said if secret in text]
        for request in world.server.requests:
            assert secret not in request.path
            assert secret.encode() not in request.body
            named = [name for name, value in request.headers.items() if secret in value]
            assert set(named) <= {"authorization", "private-token", "job-token"}
    world.said.clear()
    world.server.requests.clear()
