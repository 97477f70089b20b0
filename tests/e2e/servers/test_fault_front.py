"""The front that stands before both hosts' stand-ins: each fault looks like itself and has done what it says."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, get_args

import pytest
import requests

from tests.servers.fault_proxy import FAULT_KINDS, Fault, FaultKind, Flavour, Front, faulty_server
from tests.servers.http_server import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e


class _Counter:
    """A server that counts what it did."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self, request: Request) -> Response:
        self.done += 1
        return json_response({"done": self.done, "path": request.path})


@pytest.fixture
def counter() -> _Counter:
    return _Counter()


@pytest.fixture(params=get_args(Flavour))
def front(counter: _Counter, request: pytest.FixtureRequest) -> Iterator[Front]:
    with faulty_server(counter, flavour=request.param) as running:
        yield running


def _outcome(front: Front, *, timeout_s: float = 5) -> str:
    """Return what a client sees: a status, what is wrong with the body, or how the connection ended."""
    try:
        answer = requests.post(f"{front.url}/x", json={"a": 1}, timeout=timeout_s)
    except requests.ConnectionError:
        return "cut"
    except requests.Timeout:
        return "timeout"
    try:
        answer.json()
    except ValueError:
        return f"{answer.status_code} {'empty' if not answer.content else 'no json'}"
    return str(answer.status_code)


_SEEN: dict[FaultKind, tuple[str, str, int]] = {
    "502-before": ("502 no json", "502 no json", 0),
    "502-after": ("502 no json", "502 no json", 1),
    "503": ("503 no json", "503 no json", 0),
    "500": ("500", "500", 0),
    "reset-before": ("cut", "cut", 0),
    "reset-after": ("cut", "cut", 1),
    "timeout": ("timeout", "timeout", 1),
    "429-retry-after": ("429", "429 no json", 0),
    "429-silent": ("429", "429 no json", 0),
    "403-secondary": ("403", "429 no json", 0),
    "403-primary-far": ("403", "429 no json", 0),
    "401": ("401", "401", 0),
    "403-permission": ("403", "403", 0),
    "404": ("404", "404", 0),
    "410": ("410", "410", 0),
    "422": ("422", "422", 0),
    "451": ("451", "451", 0),
    "html-200": ("200 no json", "200 no json", 0),
    "truncated-json": ("200 no json", "200 no json", 1),
    "empty-body": ("200 empty", "200 empty", 1),
    "slow": ("200", "200", 1),
}
"""Kind → what clients of GitHub and of GitLab see, and how often the work was done."""


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_each_fault_looks_like_itself_and_the_next_request_is_sound(
    counter: _Counter, kind: FaultKind, front: Front, request: pytest.FixtureRequest
) -> None:
    front.plan.at(1, Fault(kind))
    _outcome(front)

    seen = _outcome(front, timeout_s=0.3 if kind == "timeout" else 5)

    is_gitlab = request.node.callspec.params["front"] == "gitlab"
    assert (seen, counter.done - 1) == (_SEEN[kind][is_gitlab], _SEEN[kind][2])
    assert Fault(kind).is_done == bool(_SEEN[kind][2])
    assert _outcome(front) == "200"
    assert front.plan.met == [(1, Fault(kind))]


def test_a_limit_says_how_long_to_wait_only_where_its_kind_does(front: Front) -> None:
    waits = {}
    for kind in ("429-retry-after", "429-silent"):
        front.plan.reset()
        front.plan.at(0, Fault(kind))
        waits[kind] = requests.get(front.url, timeout=5).headers.get("Retry-After")

    assert waits == {"429-retry-after": "1", "429-silent": None}


def test_everything_that_passes_is_remembered(front: Front) -> None:
    front.plan.at(1, Fault("reset-after"))

    requests.put(f"{front.url}/a?b=c", data=b"\x00\xff", headers={"X-Own": "1"}, timeout=5)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{front.url}/d", timeout=5)

    first, second = front.requests
    assert (first.method, first.path, first.body, first.status) == ("PUT", "/a?b=c", b"\x00\xff", 200)
    assert (first.headers["x-own"], json.loads(first.answer)) == ("1", {"done": 1, "path": "/a"})
    assert (second.path, second.status, second.fault) == ("/d", None, Fault("reset-after"))
    assert (first.is_write, second.is_write) == (True, False)


def test_a_storm_lasts_as_long_as_it_was_planned(front: Front) -> None:
    front.plan.at(1, Fault("503"), times=2)

    assert [_outcome(front) for _ in range(4)] == ["200", "503 no json", "503 no json", "200"]


def test_a_reset_of_the_plan_counts_from_the_next_request(front: Front) -> None:
    front.plan.always(Fault("500"))
    assert _outcome(front) == "500"

    front.plan.reset()
    front.plan.at(1, Fault("404"))

    assert [_outcome(front) for _ in range(3)] == ["200", "404", "200"]


def test_something_else_can_happen_just_before_a_request(front: Front, counter: _Counter) -> None:
    seen: list[int] = []
    front.plan.before(1, lambda: seen.append(counter.done))

    for _ in range(3):
        _outcome(front)

    assert seen == [1]


def test_a_hanging_answer_ends_with_the_server(counter: _Counter) -> None:
    outcomes: list[str] = []
    with faulty_server(counter, flavour="github") as front:
        front.plan.at(0, Fault("timeout"))
        arrived = threading.Event()
        front.plan.before(0, arrived.set)
        client = threading.Thread(target=lambda: outcomes.append(_outcome(front, timeout_s=60)))
        client.start()
        assert arrived.wait(20)
    client.join(20)

    assert outcomes == ["cut"]


def test_a_request_can_be_answered_with_anything_and_then_nothing_is_done(front: Front, counter: _Counter) -> None:
    front.plan.answer(0, Response(status=302, headers={"Location": f"{front.url}/elsewhere"}))

    answer = requests.get(f"{front.url}/x", timeout=5, allow_redirects=False)

    assert (answer.status_code, answer.headers["Location"], counter.done) == (302, f"{front.url}/elsewhere", 0)


def test_two_clients_can_be_made_to_meet_before_either_is_served(front: Front, counter: _Counter) -> None:
    barrier = threading.Barrier(2, timeout=20)
    seen: list[int] = []

    def meet() -> None:
        seen.append(counter.done)
        barrier.wait()

    front.plan.on(lambda asked: asked.method == "POST", meet)
    clients = [threading.Thread(target=_outcome, args=(front,)) for _ in range(2)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(20)

    assert (seen, counter.done) == ([0, 0], 2)
