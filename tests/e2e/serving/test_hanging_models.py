"""A model that hangs, in a real serving process with one worker: what becomes of its requests, and of all others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.testing.processes import wait_until
from ci_core.testing.served_release import ServedRelease, serving, write_release

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

CODE = """
import os
import threading

from ci_core.serving import Model


class Sum(Model):
    input_columns = ("a", "b")

    def predict(self, rows):
        if any(row["a"] == "hang" for row in rows):
            open(os.environ["INSIDE"], "a").close()
            threading.Event().wait()
        return [row["a"] + row["b"] for row in rows]
"""
HANG = {"a": "hang", "b": 1}
LIMIT_S = 2.0
"""Enough for every request that does not hang."""
HEADER = {"x-request-timeout-ms": str(int(LIMIT_S * 1000))}
OTHER = "/v2/models/other/infer_dict"


def release(folder: Path, batch: str, *, router: dict[str, Any], graph: dict[str, Any]) -> Path:
    route = {"model": "code:Sum", "batch": batch}
    routes = [{"name": "sum", **route}, {"name": "other", **route}]
    step = {"name": "router", "router": "single", "after": ["request"], "routes": routes, "respond": True, **router}
    return write_release(folder, {"name": "sums", "steps": [step], **graph}, {"code.py": CODE})


def hang_beside(server: ServedRelease, inside: Path, **headers: str) -> tuple[tuple[int, Any], set[Any]]:
    """Return what a request that hangs is told, and what another model says while it hangs for ever."""
    with ThreadPoolExecutor(1) as pool:
        hung = pool.submit(server.ask, HANG, "/", **headers)
        wait_until(inside.exists)
        others = {server.ask({"model": "other", "a": 1, "b": 1}) for _ in range(5)}
    inside.unlink()
    return hung.result(), others


@pytest.mark.parametrize("batch", ["on", "off"])
@pytest.mark.parametrize("calls_before", [0, 200])
@pytest.mark.parametrize(
    ("graph", "router", "flags", "slug"),
    [
        pytest.param({"timeout": LIMIT_S}, {}, (), "deadline-exceeded", id="graph"),
        pytest.param({}, {}, ("--request-timeout", str(LIMIT_S)), "deadline-exceeded", id="server"),
        pytest.param({}, {"timeout": LIMIT_S}, (), "step-timeout", id="router"),
    ],
)
def test_with_a_time_limit_its_request_ends_at_the_limit_and_other_models_go_on(
    *,
    graph: dict[str, Any],
    router: dict[str, Any],
    flags: tuple[str, ...],
    slug: str,
    calls_before: int,
    batch: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INSIDE", str(tmp_path / "inside"))
    folder = release(tmp_path / "release", batch, router=router, graph=graph)
    with serving(folder, *flags) as server:
        for _ in range(calls_before):
            assert server.ask({"a": 1, "b": 1}) == (200, 2)
        (status, answer), others = hang_beside(server, tmp_path / "inside")
        code = server.stop()

    assert (status, answer["error"]["slug"]) == (504, slug)
    assert others == {(200, 2)}
    assert code == 0


def test_a_request_that_brings_its_own_deadline_to_a_batched_model_ends_at_it_and_other_models_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSIDE", str(tmp_path / "inside"))
    with serving(release(tmp_path / "release", "on", router={}, graph={})) as server:
        for _ in range(100):
            assert server.ask({"a": 1, "b": 1}) == (200, 2)
        (status, answer), others = hang_beside(server, tmp_path / "inside", **HEADER)

    assert (status, answer["error"]["slug"]) == (504, "deadline-exceeded")
    assert others == {(200, 2)}


def test_a_model_answers_again_though_calls_of_it_hang_until_there_are_eight_and_it_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSIDE", str(tmp_path / "inside"))
    counted: list[float | None] = []
    with serving(release(tmp_path / "release", "auto", router={}, graph={"timeout": LIMIT_S})) as server:
        for _ in range(100):
            assert server.ask({"a": 1, "b": 1}) == (200, 2)
        for _ in range(8):
            assert server.ask(HANG)[0] == 504
            wait_until(lambda: server.ask({"a": 1, "b": 1})[0] in {200, 503})
            counted.append(server.metric("graphship_model_stuck_calls", model="sum"))
        refused, others = server.ask({"a": 1, "b": 1}), server.ask({"model": "other", "a": 1, "b": 1})
        ready = server.ask(path="/readyz")
        code = server.stop()

    assert counted == [1, 2, 3, 4, 5, 6, 7, 8]
    assert (refused[0], refused[1]["error"]["message"]) == (503, "8 calls of the model hang")
    assert others == (200, 2)
    assert (ready[0], ready[1]["models"]) == (503, {"sum": "too many of its calls hang"})
    assert server.said.count("call of a model hangs and is left behind model=sum") == 8
    assert code == 0  # though eight threads never end


def test_a_window_for_batches_ends_when_all_requests_that_the_server_has_begun_wait_for_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSIDE", str(tmp_path / "inside"))
    route = {"name": "sum", "model": "code:Sum", "batch": "on", "batch-window": 3600}
    step = {"name": "router", "router": "single", "after": ["request"], "routes": [route], "respond": True}
    folder = write_release(tmp_path / "release", {"name": "sums", "steps": [step]}, {"code.py": CODE})

    with serving(folder) as server:
        answers = [server.ask({"a": number, "b": 1}) for number in range(3)]

    assert answers == [(200, 1), (200, 2), (200, 3)]
