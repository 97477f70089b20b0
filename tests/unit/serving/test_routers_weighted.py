from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.errors import InvalidStepError
from ci_core.serving import Event, RequestError, Router
from ci_core.serving.routers.weighted import Draw, key_in
from tests.unit.serving.routed import Seen, ask, graph_of, telling

NAMES = ("a", "b", "c", "d")
WEIGHTS = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 1000), min_size=1).filter(
    lambda one: any(one.values())
)


@given(WEIGHTS, st.sampled_from(NAMES), st.integers(1, 1000), st.lists(st.text(), min_size=1, max_size=50))
def test_a_weight_that_grows_moves_keys_to_its_own_model_only(
    weights: dict[str, int], name: str, more: int, keys: list[str]
) -> None:
    before = Draw(weights)
    after = Draw({**weights, name: weights.get(name, 0) + more})

    moved = {key: after.name_of(key) for key in keys if after.name_of(key) != before.name_of(key)}

    assert set(moved.values()) <= {name}


@given(WEIGHTS, st.floats(0.001, 1000), st.permutations(NAMES), st.text())
def test_neither_the_scale_of_the_weights_nor_the_order_of_the_routes_moves_a_key(
    weights: dict[str, int], factor: float, order: list[str], key: str
) -> None:
    shuffled = {name: weights[name] * factor for name in order if name in weights}

    assert Draw(shuffled).name_of(key) == Draw(weights).name_of(key)


@given(WEIGHTS, st.text())
def test_a_model_of_weight_zero_gets_nothing(weights: dict[str, int], key: str) -> None:
    assert weights[Draw(weights).name_of(key)] > 0


def test_a_router_of_its_models_name_is_what_a_path_without_version_asks() -> None:
    weights = {"m:1": 1, "m:2": 0}
    named, other = (graph_of(Router.weighted(telling(*weights), weights), name) for name in ("m", "canary"))

    assert named.test({"n": 0}, "/v2/models/m/infer") == "m:1:0"
    assert named.test({"n": 0}, "/v2/models/m/versions/2/infer") == "m:2:0"
    assert other.test({"n": 0}, "/v2/models/m/infer") == "m:2:0"
    assert other.test({"n": 0}, "/v2/models/canary/infer") == "m:1:0"


def test_each_model_gets_its_share_of_many_keys() -> None:
    draw = Draw({"m1": 90, "m2": 10})

    share = sum(draw.name_of(f"user-{number}") == "m2" for number in range(20_000)) / 20_000

    # five standard deviations of a share of 0.1 among 20 000
    assert abs(share - 0.1) < 5 * math.sqrt(0.1 * 0.9 / 20_000)


def test_a_key_belongs_to_the_same_model_in_every_process_and_release() -> None:
    draw = Draw({"m1": 50, "m2": 50})

    # of equal weights the greater of the two 64-bit numbers wins; compared beside this code
    assert "".join(draw.name_of(f"user-{number}")[1] for number in range(24)) == "211112222111111121212121"


USERS = [{"n": number, "user": {"id": number % 7}} for number in range(40)]


@pytest.mark.parametrize("batch", ["off", "on"])
def test_rows_are_split_by_their_keys_and_their_answers_put_back_in_order(batch: str) -> None:
    routes = telling("a", "b", batch=batch)
    plan = graph_of(Router.weighted(routes, {"a": 1, "b": 1}, key="user.id")).compile(batching=True)

    answers = ask(plan, USERS)
    alone = [ask(plan, row) for row in USERS]
    plan.close()

    assert answers == alone
    assert [answer.partition(":")[2] for answer in answers] == [str(number) for number in range(40)]
    assert {answer[0] for answer in answers} == {"a", "b"}


@given(st.permutations(USERS))
def test_another_order_of_the_rows_gives_the_same_answers_in_that_order(rows: list[dict[str, Any]]) -> None:
    expected = dict(zip((row["n"] for row in USERS), ask(PLAN, USERS), strict=True))

    assert ask(PLAN, rows) == [expected[row["n"]] for row in rows]


PLAN = graph_of(Router.weighted(telling("a", "b"), {"a": 1, "b": 2}, key="user.id")).compile()


def test_the_same_event_id_gets_the_same_model_and_different_ones_are_spread() -> None:
    plan = graph_of(Router.weighted(telling("a", "b"), {"a": 1, "b": 1})).compile()

    first = [ask(plan, {"n": 0}, id=f"e-{number}") for number in range(60)]
    again = [ask(plan, {"n": 0}, id=f"e-{number}") for number in range(60)]

    assert first == again
    assert set(first) == {"a:0", "b:0"}


def test_the_events_key_decides_when_a_step_has_set_it() -> None:
    plan = graph_of(Router.weighted(telling("a", "b"), {"a": 1, "b": 1})).compile()

    def with_key(key: str, number: int) -> Any:
        event = Event({"n": 0}, id=f"e-{number}")
        event.key = key
        return plan({"n": 0}, event)

    assert len({with_key("user-1", number) for number in range(60)}) == 1
    assert with_key(7, 0) == with_key("7", 0)  # type: ignore[arg-type]  # a step may set what it likes
    assert {with_key(f"user-{number}", 0) for number in range(60)} == {"a:0", "b:0"}


def test_a_row_without_the_key_goes_by_its_event() -> None:
    plan = graph_of(Router.weighted(telling("a", "b"), {"a": 1, "b": 1}, key="user.id")).compile()

    for body in ({"n": 0}, {"n": 0, "user": None}, {"n": 0, "user": {"id": None}}, {"n": 0, "user": 5}):
        answers = [ask(plan, body, id=f"e-{number}") for number in range(60)]
        assert set(answers) == {"a:0", "b:0"}
        assert answers == [ask(plan, body, id=f"e-{number}") for number in range(60)]


@pytest.mark.parametrize(
    ("value", "text"), [(7, "7"), (7.0, "7"), ("7", "7"), (7.5, "7.5"), (True, "true"), (None, None)]
)
def test_a_key_is_the_same_however_its_number_is_written(value: Any, text: str | None) -> None:
    assert key_in({"id": value}, ["id"]) == text


def test_captured_rows_keep_their_own_ids_when_a_list_is_split() -> None:
    seen = Seen()
    plan = graph_of(Router.weighted(telling("a", "b"), {"a": 1, "b": 1}, key="user.id")).compile(observe=seen)
    event = Event(USERS)
    event.rows = tuple((f"row-{row['n']}", event.time) for row in USERS)

    plan(USERS, event)

    for (_, call), part in zip(seen.calls, seen.events, strict=True):
        assert part.rows is not None
        assert [name for name, _ in part.rows] == [f"row-{number}" for number in call.columns["n"]]
    assert sorted(seen.models) == ["a", "b"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a": 1}, "step `choose` has no weight for its route `b`"),
        ({"a": 1, "b": 1, "c": 1}, "step `choose` has a weight for `c`, which is none of its routes"),
        ({"a": 1, "b": -1}, "step `choose` has the weight -1 for its route `b`: expected a number from 0"),
        ({"a": 1, "b": "10"}, 'step `choose` has the weight "10" for its route `b`: expected a number from 0'),
        ({"a": 1, "b": True}, "step `choose` has the weight true for its route `b`: expected a number from 0"),
        ({"a": 0, "b": 0.0}, "step `choose` has no weight above 0"),
        (None, "step `choose` has the setting `weights`: expected a weight for each route, found nothing"),
        ([1, 1], "step `choose` has the setting `weights`: expected a weight for each route, found a list"),
    ],
)
def test_weights_that_make_no_sense_are_refused_when_the_graph_is_compiled(weights: Any, message: str) -> None:
    draft = Router.weighted(telling("a", "b"), {})
    settings = {} if weights is None else {"weights": weights}

    with pytest.raises(InvalidStepError) as caught:
        graph_of(type(draft)(kind="weighted", routes=draft.routes, settings=settings)).compile()

    assert str(caught.value) == message


def test_a_key_nested_too_deep_to_be_written_is_the_clients_mistake() -> None:
    deep: list[Any] = []
    for _ in range(200_000):  # beyond what any Python writes; a request has 1024 levels at most
        deep = [deep]

    with pytest.raises(RequestError, match=r"the key `user\.id` is nested too deep"):
        key_in({"user": {"id": deep}}, ["user", "id"])


@pytest.mark.parametrize("weight", [math.nan, math.inf])
def test_a_weight_from_yaml_that_is_no_finite_number_is_refused(weight: float) -> None:
    from ci_core.serving.routers.settings import Settings

    with pytest.raises(InvalidStepError, match="expected a number from 0"):
        Settings("choose", {"weights": {"a": 1, "b": weight}}, ("weights",)).weights(("a", "b"), may_be_zero=True)
