"""When models are loaded, and what those are told who come before."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.errors import BrokenModelError, GraphCodeError
from ci_core.serving import Event, Graph, Model, Route, Router
from ci_core.serving.crashes import CrashError
from ci_core.serving.models.served import ServedModel
from ci_core.serving.problems import DeadlineError, NotReadyError
from ci_core.serving.spec import RouteSpec
from tests.unit.serving.routed import Constant, ask, graph_of

if TYPE_CHECKING:
    from collections.abc import Callable

LONG_S = 30.0
"""How long a test waits for a thread before it fails."""


class Loaded(Constant):
    """Counts its loads, fails the first ones, and loads when it may."""

    def __init__(self, failures: int = 0, *, waits: bool = False) -> None:
        super().__init__(7)
        self.loads = 0
        self.failures = failures
        self.begun = threading.Event()
        self.may_load = threading.Event()
        if not waits:
            self.may_load.set()

    def load(self) -> None:
        self.loads += 1
        self.begun.set()
        assert self.may_load.wait(LONG_S)
        if self.loads <= self.failures:
            raise BrokenModelError(path="m.onnx", reason="half a file")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def served(model: Model, load: Any = "start", **more: Any) -> ServedModel:
    return ServedModel(RouteSpec(name="m", model="m.onnx", load=load), model, **more)


def test_a_model_is_loaded_before_the_fork_when_nothing_forbids_it() -> None:
    model = Loaded()
    one = served(model)

    one.prepare()
    one.start()
    one.start()

    assert (one.state, one.reason, model.loads) == ("ready", "", 1)
    assert one.call([{}]).answers == [7]


def test_a_model_with_threads_is_loaded_after_the_fork() -> None:
    model = Loaded()
    model.loads_after_fork = True
    one = served(model)

    one.prepare()
    assert (one.state, one.reason) == ("waiting", "not loaded yet")
    with pytest.raises(NotReadyError, match="the model `m` is still loading"):
        one.call([{}])
    one.start()

    assert one.state == "ready"


def test_a_model_that_cannot_be_loaded_at_the_start_ends_it() -> None:
    one = served(Loaded(failures=1))

    with pytest.raises(BrokenModelError, match="half a file"):
        one.prepare()
    assert one.state == "waiting"


def test_a_model_in_the_background_refuses_requests_until_it_is_there() -> None:
    model = Loaded(waits=True)
    one = served(model, "background", serving=True)

    one.prepare()
    one.start()
    assert model.begun.wait(LONG_S)
    with pytest.raises(NotReadyError, match="the model `m` is still loading") as caught:
        one.call([{}])
    assert (one.state, one.reason, one.delays_readiness) == ("loading", "still loading", True)
    model.may_load.set()
    assert one._loader is not None
    one._loader.join(LONG_S)

    assert (caught.value.status, caught.value.retry_after_s) == (503, 1.0)
    assert one.state == "ready"
    assert one.call([{}]).answers == [7]
    one.close()


def until(claim: Callable[[], bool]) -> None:
    """Wait for another thread."""
    patience = threading.Event()
    give_up_at = time.monotonic() + LONG_S
    while not claim():
        assert time.monotonic() < give_up_at
        patience.wait(0.001)


def test_why_a_load_in_the_background_failed_is_told_to_the_log_and_not_to_clients(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model, clock = Loaded(failures=99), Clock()
    one = served(model, "background", serving=True, clock=clock, retry_s=LONG_S)
    one.start()
    until(lambda: one.state == "failed")
    clock.now += 4

    with pytest.raises(NotReadyError, match=r"^the model `m` could not be loaded$") as caught:
        one.call([{}])
    one.close()

    assert (caught.value.status, caught.value.retry_after_s) == (503, 26.0)
    assert one.reason == "could not be loaded"
    assert "half a file" in caplog.text
    assert one.delays_readiness


def test_a_load_in_the_background_that_fails_is_tried_again_without_any_request() -> None:
    model = Loaded(failures=2)
    one = served(model, "background", serving=True, retry_s=0.0)

    one.start()
    until(lambda: one.state == "ready")

    assert model.loads == 3
    assert one.call([{}]).answers == [7]
    one.close()


def test_closing_ends_a_loader_that_waits_for_its_next_attempt() -> None:
    model = Loaded(failures=99)
    one = served(model, "background", serving=True, retry_s=LONG_S)
    one.start()
    assert model.begun.wait(LONG_S)

    one.close()

    assert one._loader is not None
    assert not one._loader.is_alive()
    assert model.loads == 1


def test_outside_of_a_server_nothing_loads_in_the_background() -> None:
    assert graph_of(Router.single({"m": Route(Loaded, load="background")})).test({}) == 7


def test_a_model_on_first_use_is_loaded_once_by_the_first_request() -> None:
    model = Loaded()
    one = served(model, "first-use", serving=True)

    one.prepare()
    one.start()
    assert (one.state, one.reason) == ("waiting", "loads with the first request")
    assert not one.delays_readiness
    assert [one.call([{}]).answers for _ in range(3)] == [[7], [7], [7]]

    assert model.loads == 1


def test_requests_that_come_while_the_first_one_loads_wait_for_it_until_their_deadline() -> None:
    model, clock = Loaded(waits=True), Clock()
    one = served(model, "first-use", clock=clock)
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(one.call([{}]).answers)) for _ in range(2)]
    threads[0].start()
    assert model.begun.wait(LONG_S)
    threads[1].start()

    with pytest.raises(DeadlineError, match="the deadline passed while the model `m` was loading"):
        one.call([{}], deadline=clock.now - 1)
    model.may_load.set()
    for thread in threads:
        thread.join(LONG_S)

    assert answers == [[7], [7]]
    assert model.loads == 1


def test_a_load_on_first_use_that_failed_is_not_tried_again_before_ten_seconds() -> None:
    model, clock = Loaded(failures=1), Clock()
    one = served(model, "first-use", clock=clock)

    for wait_s in (0.0, 9.5):
        clock.now = 1000.0 + wait_s
        with pytest.raises(NotReadyError, match="could not be loaded") as caught:
            one.call([{}])
        assert caught.value.retry_after_s == max(1.0, 10.0 - wait_s)
        assert (one.state, model.loads) == ("failed", 1)
    clock.now = 1010.0

    assert one.call([{}]).answers == [7]
    assert (one.state, model.loads) == ("ready", 2)


def test_in_a_server_a_model_on_first_use_does_not_stop_the_loop_while_it_loads() -> None:
    model = Loaded(waits=True)
    one = served(model, "first-use", serving=True)
    one.start()

    async def ask_both() -> list[Any]:
        both = [asyncio.ensure_future(one.call_async([{}])) for _ in range(2)]
        assert await asyncio.to_thread(model.begun.wait, LONG_S)
        model.may_load.set()  # by the loop, which is free
        return [(await task).answers for task in both]

    assert one.is_async
    assert asyncio.run(ask_both()) == [[7], [7]]
    assert model.loads == 1


def test_those_who_wait_for_a_load_on_first_use_take_no_thread_of_the_loops_executor() -> None:
    model = Loaded(waits=True)
    one = served(model, "first-use", serving=True)
    one.start()

    async def scene() -> list[Any]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        waiting = [asyncio.ensure_future(one.call_async([{}])) for _ in range(64)]
        late = asyncio.ensure_future(one.call_async([{}], deadline=time.monotonic() + 0.01))
        assert await asyncio.to_thread(model.begun.wait, LONG_S)  # the only thread is free
        waiting[0].cancel()
        with pytest.raises(DeadlineError):
            await late
        model.may_load.set()
        return [(await task).answers for task in waiting[1:]]

    assert asyncio.run(scene()) == [[7]] * 63
    assert model.loads == 1


@pytest.mark.parametrize("raised", [SystemExit(1), OSError("no disk")])
def test_all_who_wait_for_a_load_on_first_use_are_told_that_it_failed(raised: BaseException) -> None:
    class Raises(Loaded):
        def load(self) -> None:
            super().load()
            raise raised

    model = Raises(waits=True)
    one = served(model, "first-use", serving=True)
    one.start()

    async def scene() -> list[Any]:
        waiting = [asyncio.ensure_future(one.call_async([{}])) for _ in range(3)]
        assert await asyncio.to_thread(model.begun.wait, LONG_S)
        model.may_load.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    assert [str(error) for error in asyncio.run(scene())] == ["the model `m` could not be loaded"] * 3
    assert (one.state, model.loads) == ("failed", 1)


@pytest.mark.parametrize(
    ("batch", "gains", "batching", "expected"),
    [
        ("auto", True, True, True),
        ("auto", False, True, False),
        ("on", False, True, True),
        ("off", True, True, False),
        ("on", True, False, False),
    ],
)
def test_a_model_is_batched_when_plan_route_and_model_agree(
    batch: Any, gains: bool, batching: bool, expected: bool
) -> None:
    model = Constant(1)
    model.gains_from_batches = gains
    one = ServedModel(RouteSpec(name="m", model="m.onnx", batch=batch), model, batching=batching)

    assert (one.is_batched, one.is_async) == (expected, expected)


def test_a_batched_plan_answers_many_requests_as_it_answers_each() -> None:
    class Sum(Model):
        gains_from_batches = True

        def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
            return [row["a"] + row["b"] for row in rows]

    graph = graph_of(Router.single({"m": Sum}))
    plan = graph.compile(batching=True)
    bodies = [[{"a": n, "b": 1}, {"a": n, "b": 2}] if n % 3 else {"a": n, "b": 0} for n in range(50)]

    async def together() -> list[Any]:
        return list(await asyncio.gather(*(plan(body, Event(body)) for body in bodies)))

    answers = asyncio.run(together())
    plan.close()

    assert plan.is_async
    assert answers == [graph.test(body) for body in bodies]


def test_a_batched_model_is_never_called_twice_at_once() -> None:
    class Watched(Constant):
        gains_from_batches = True
        operations = ("explain",)
        running = most = 0

        def call(self, rows: list[Any]) -> Any:
            return self.watched(lambda: super(Watched, self).call(rows))

        def operate(self, operation: str, rows: list[Any]) -> list[Any]:
            answers: list[Any] = self.watched(lambda: [operation] * len(rows))
            return answers

        def watched(self, work: Callable[[], Any]) -> Any:
            self.running += 1
            self.most = max(self.most, self.running)
            threading.Event().wait(0.005)
            self.running -= 1
            return work()

    model = Watched(7)
    one = served(model, batching=True)
    one.start()

    async def scene() -> list[Any]:
        asked: list[Any] = []
        for _ in range(4):
            asked += [one.call_async([{}]), one.operate_async("explain", [{}])]
        return await asyncio.gather(*asked)

    answers = asyncio.run(scene())
    one.close()

    assert [one.answers for one in answers[::2]] == [[7]] * 4
    assert answers[1::2] == [["explain"]] * 4
    assert model.most == 1


def test_an_operation_of_a_batched_model_that_fails_fails_its_request() -> None:
    class Fails(Constant):
        gains_from_batches = True

        def operate(self, operation: str, rows: list[Any]) -> list[Any]:
            raise SystemExit(operation)

    one = served(Fails(7), batching=True)
    one.start()

    async def scene() -> list[Any]:
        late = one.operate_async("explain", [{}], deadline=0.0)
        return [*await asyncio.gather(one.operate_async("explain", [{}]), late, return_exceptions=True)]

    failed, late = asyncio.run(scene())
    one.close()

    assert type(failed) is CrashError
    assert type(late) is DeadlineError


def test_a_plan_can_be_started_again_after_it_was_closed() -> None:
    plan = graph_of(Router.single({"m": Route(Constant, arguments={"answer": 1}, batch="on")})).compile(batching=True)

    assert ask(plan, {}) == 1
    plan.close()
    plan.start()

    assert ask(plan, {}) == 1
    plan.close()


def test_readiness_says_which_model_is_missing_and_why() -> None:
    late = {"late": Route(Loaded, load="background"), "never": Route(Loaded, load="first-use")}
    plan = graph_of(Router.vote({**late, "now": Loaded})).compile(start=False)

    assert plan.unready() == {"late": "not loaded yet"}
    assert plan.models["choose"].reason == "`late`: not loaded yet; `never`: loads with the first request"
    assert plan.models["choose"].state == "waiting"


def test_what_a_users_load_raises_names_the_model() -> None:
    class Raises(Model):
        loads_after_fork = True

        def load(self) -> None:
            raise OSError("no disk")

    plan = graph_of(Router.single({"m": Raises})).compile(start=False)

    with pytest.raises(GraphCodeError, match="the model `m`"):
        plan.start()


@pytest.mark.parametrize(
    ("path", "isolate", "serving", "expected"),
    [
        ("code:Sum", True, True, True),
        ("code:Sum", False, True, False),
        ("code:Sum", True, False, False),  # in a test or a notebook
        ("m.onnx", True, True, False),  # a file computes, and so ends
    ],
)
def test_a_users_model_is_called_in_a_thread_of_its_own_when_a_server_has_a_time_limit(
    path: str, isolate: bool, serving: bool, expected: bool
) -> None:
    class Where(Constant):
        def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
            return [threading.current_thread().name for _ in rows]

    one = ServedModel(RouteSpec(name="m", model=path), Where(1), isolate=isolate, serving=serving)
    one.start()

    async def scene() -> Any:
        return (await one.call_async([{}])).answers if one.is_async else one.call([{}]).answers

    answers = asyncio.run(scene())
    one.close()

    assert (one.is_isolated, one.is_async, one.is_batched) == (expected, expected, False)
    assert answers == ["graphship-model" if expected else threading.current_thread().name]


@pytest.mark.parametrize("options", [{"timeout": 5.0}, {"blocking": True}])
def test_the_models_of_an_async_router_with_a_limit_of_its_own_are_called_in_threads_of_their_own(
    options: dict[str, Any],
) -> None:
    graph = Graph("g")
    graph.to(
        Router.vote(
            {
                "a": Route(Constant, arguments={"answer": 1}, batch="on"),
                "b": Route(Constant, arguments={"answer": 1}, batch="off"),
            }
        ),
        "vote",
        **options,
    )
    plan = graph.compile(batching=True, start=False)

    isolated = {key: getattr(model, "is_isolated", None) for key, model in plan.models.items()}

    assert isolated == {"a": True, "b": True, "vote": None}


class Held(Constant):
    """Answers when the event loop has come to it while it is called."""

    def __init__(self) -> None:
        super().__init__(7)
        self.is_inside, self.may_end = threading.Event(), threading.Event()

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        self.is_inside.set()
        assert self.may_end.wait(LONG_S), "the loop stood still"
        return super().predict(rows)


async def give_way(body: Any) -> Any:
    await asyncio.sleep(0)
    return body


def nested(shape: str, **options: Any) -> Graph:
    """Return a graph around a router, with the options, with an async step before or behind the router in it, or none.

    Deep: the router is in one more graph, which has no options.
    """
    inner = Graph("inner", timeout=options.pop("own_timeout", None))
    core: Any = Router.single({"m": Route(Held, batch="off")})
    if "deep" in shape:
        deeper = Graph("deeper", timeout=60)
        deeper.to(core, "router")
        core = deeper
    if "before" in shape:
        inner.to(give_way, "before").to(core, "core")
    elif "behind" in shape:
        inner.to(core, "core").to(give_way, "behind")
    else:
        inner.to(core, "core")
    graph = Graph("g")
    graph.to(inner, "outer", **options)
    return graph


@pytest.mark.parametrize(
    ("shape", "options", "time_limit"),
    [
        ("alone", {"own_timeout": 60}, False),
        ("before", {"own_timeout": 60}, False),
        ("alone deep", {}, False),
        ("alone", {}, True),
        ("alone", {"timeout": 60}, False),
        ("alone", {"timeout": 60}, True),
        ("before", {"timeout": 60}, False),
        ("behind", {"timeout": 60}, True),
        ("behind", {"timeout": 60, "own_timeout": 60}, False),
        ("before", {"timeout": 60}, True),
        ("before deep", {"timeout": 60}, False),
        ("behind deep", {"timeout": 60}, True),
    ],
)
def test_in_a_nested_graph_with_any_limit_a_model_that_hangs_does_not_stop_the_loop(
    shape: str, options: dict[str, Any], *, time_limit: bool
) -> None:
    plan = nested(shape, **options).compile(start=False, time_limit=time_limit)
    plan.start()
    held: Any = plan.models["m"]

    async def scene() -> Any:
        asked = asyncio.ensure_future(plan({}))
        while not held.model.is_inside.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0)
        held.model.may_end.set()
        return await asked

    answer = asyncio.run(scene())
    plan.close()

    assert answer == 7


class Where(Constant):
    """Answers with the thread it is called in."""

    def __init__(self) -> None:
        super().__init__(None)

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [threading.current_thread().name for _ in rows]


@pytest.mark.parametrize("shape", ["router", "graph", "graph in a graph"])
def test_a_router_or_nested_graph_without_async_steps_and_with_a_limit_runs_in_a_thread_as_a_whole(shape: str) -> None:
    step: Any = Router.single({"m": Route(Where, batch="off")})
    for _ in range(["router", "graph", "graph in a graph"].index(shape)):
        around = Graph("around", timeout=60)
        around.to(step, "core").to(lambda body: [body, threading.current_thread().name], "behind")
        step = around
    graph = Graph("g")
    graph.to(step, "outer", timeout=60)
    plan = graph.compile(start=False, time_limit=True)
    plan.start()

    answer = asyncio.run(_awaited(plan({})))
    plan.close()

    thread = "graphship-step"
    expected = {"router": thread, "graph": [thread, thread], "graph in a graph": [[thread, thread], thread]}
    assert answer == expected[shape]


async def _awaited(answer: Any) -> Any:
    return await answer


@pytest.mark.parametrize("first", ["isolated", "not isolated"])
def test_a_model_of_two_routers_is_isolated_for_both_when_one_of_them_has_a_limit(first: str) -> None:
    def router() -> Any:
        return Router.single({"m": Route(Where, batch="off")})

    inner = Graph("inner", timeout=60)
    inner.to(router(), "isolated")
    graph = Graph("g")
    steps = [("outer", inner), ("router", router())]
    for name, step in steps if first == "isolated" else reversed(steps):
        graph.add_step(step, name, after="request")
    graph.add_step(list, "both", after=["outer", "router"]).respond()
    plan = graph.compile(start=False)
    plan.start()

    answer = asyncio.run(_awaited(plan({})))
    plan.close()

    assert answer == ["graphship-model"] * 2


def test_steps_and_routers_are_made_once_though_a_graph_around_them_turns_out_to_be_async() -> None:
    made: list[str] = []

    class Step:
        def __init__(self) -> None:
            made.append("step")

        def do(self, body: Any) -> Any:
            return body

    class Choosing:
        def __init__(self) -> None:
            made.append("router")

        def choose(self, _body: Any, _event: Event, _models: Any) -> str:
            return "m"

    inner = Graph("inner")
    routes = {"m": Route(Constant, arguments={"answer": 7}, batch="off")}
    inner.to(Step, "step").to(Router.custom(Choosing, routes), "router").to(give_way, "behind")
    graph = Graph("g")
    graph.to(inner, "outer", timeout=60)
    plan = graph.compile(start=False)
    plan.start()

    answer = asyncio.run(_awaited(plan({})))
    plan.close()

    assert (answer, made) == (7, ["step", "router"])
