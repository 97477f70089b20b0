"""Joins and choices: what a step with several inputs gets, and which steps run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pytest

from ci_core.serving import Event, Graph, GraphSpec, RequestError
from ci_core.serving.engine.joins import JoinError
from ci_core.serving.metrics import Metrics
from ci_core.serving.server import Application

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving.spec import Join

    AsStep = Callable[[Callable[..., Any]], Callable[..., Any]]


def joined(as_step: AsStep, parts: list[Any], join: Join, join_key: str | None = None) -> Graph:
    """Return a graph whose branches answer `parts`, joined."""
    graph = Graph("g")
    branches = [graph.to(as_step(lambda _body, part=part: part), f"b{index}") for index, part in enumerate(parts)]
    graph.add_step(as_step(lambda body: body), "j", after=branches, join=join, join_key=join_key).respond()
    return graph


def test_a_join_by_merging_gives_one_object_in_which_the_last_branch_wins(as_step: AsStep) -> None:
    graph = joined(as_step, [{"a": 1, "b": 1}, {"b": 2}, {"c": 3}], "merge")

    assert graph.test({}) == {"a": 1, "b": 2, "c": 3}


def test_what_a_step_made_and_cannot_be_merged_is_a_fault_of_the_graph_that_names_both_steps(as_step: AsStep) -> None:
    graph = joined(as_step, [{"a": 1}, [1]], "merge")

    with pytest.raises(JoinError, match="the join `j` merges objects, and the step `b1` gave a list") as caught:
        graph.test({})
    assert caught.value.__notes__ == ["in step `j` of graph `g`"]


def test_after_a_choice_the_step_whose_result_arrived_is_named(as_step: AsStep) -> None:
    graph = Graph("g")
    fork = graph.choose(lambda _body: ["b", "c"], several=True, name="which")
    ends = [fork.to(as_step(lambda body: body), name) for name in ("a", "b")]
    graph.add_step(as_step(dict), "j", after=[*ends, fork.to(as_step(len), "c")], join="merge").respond()

    with pytest.raises(JoinError, match="the step `c` gave a int"):
        graph.test({"x": 1})


def test_after_a_way_back_the_handler_is_named(as_step: AsStep) -> None:
    graph = Graph("g")
    left = graph.to(as_step(lambda body: body["no"]), "left")
    left.error_handler(as_step(lambda _body: 7), "rescue", back_to="j")
    graph.add_step(as_step(dict), "j", after=[left, graph.to(as_step(dict), "right")], join="merge").respond()

    with pytest.raises(JoinError, match="the step `rescue` gave a int"):
        graph.test({})


@pytest.mark.parametrize("passed_on", ["as it came", "by a step", "by a choice"])
@pytest.mark.parametrize("join", ["merge", "key"])
def test_the_clients_own_body_that_cannot_be_merged_is_the_clients_fault(
    join: Join, passed_on: str, as_step: AsStep
) -> None:
    graph = Graph("g")
    left: Any = "request"
    if passed_on == "by a step":
        left = graph.to(as_step(lambda body: body), "left")
    elif passed_on == "by a choice":
        left = graph.choose(lambda _body: "left", name="which").to(as_step(lambda body: body), "left")
    right = graph.add_step(as_step(lambda _body: {"id": 1}), "right", after="request")
    join_key = "id" if join == "key" else None
    graph.add_step(as_step(lambda body: body), "j", after=[left, right], join=join, join_key=join_key).respond()
    plan = graph.compile()

    async def ask() -> Any:
        return await plan([7]) if plan.is_async else plan([7])

    message = "merges objects, and got a list" if join == "merge" else "merges rows, and got a int among them"
    with pytest.raises(RequestError, match=message):
        asyncio.run(ask())


def test_the_client_is_told_of_no_fault_of_its_own_where_steps_cannot_be_joined(
    caplog: pytest.LogCaptureFixture,
) -> None:
    graph = joined(lambda step: step, [{"a": 1}, [1]], "merge")
    application = Application(graph.spec, graph.compile(), metrics=Metrics())

    status, _headers, body = application.handle("POST", "/", {}, b"{}")

    assert (status, orjson.loads(body)["error"]["message"]) == (500, "the step `j` failed")
    assert "the join `j` merges objects, and the step `b1` gave a list" in caplog.text


def test_the_handler_of_a_join_gets_the_list_of_what_arrived(as_step: AsStep) -> None:
    graph = Graph("g")
    left, right = graph.to(as_step(lambda _body: {"a": 1}), "left"), graph.to(as_step(lambda _body: 7), "right")
    join = graph.add_step(as_step(lambda body: body), "j", after=[left, right], join="merge")
    join.error_handler(as_step(lambda body: ["cannot merge", body]), "tell")

    assert graph.test({}) == ["cannot merge", [{"a": 1}, 7]]


def test_a_join_by_key_merges_rows_of_equal_key_in_the_order_in_which_keys_appear_first(as_step: AsStep) -> None:
    ages = [{"user": {"id": 2}, "age": 20}, {"user": {"id": 1}, "age": 10}]
    cities = [{"user": {"id": 1}, "city": "Oslo"}, {"user": {"id": 3}, "city": "Rome"}]
    graph = joined(as_step, [ages, cities], "key", "user.id")

    assert graph.test({}) == [
        {"user": {"id": 2}, "age": 20},
        {"user": {"id": 1}, "age": 10, "city": "Oslo"},
        {"user": {"id": 3}, "city": "Rome"},
    ]
    assert ages[1] == {"user": {"id": 1}, "age": 10}


def test_a_join_by_key_takes_an_object_for_one_row_and_true_for_no_number() -> None:
    graph = joined(lambda step: step, [{"id": True, "a": 1}, [{"id": 1, "b": 2}]], "key", "id")

    assert graph.test({}) == [{"id": True, "a": 1}, {"id": 1, "b": 2}]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"age": 3}], "a row without it"),
        ([{"id": [1]}], "a row in which it is a list"),
    ],
)
def test_a_row_that_cannot_be_joined_by_key_is_the_fault_of_the_client_or_of_the_step_that_it_came_from(
    rows: list[Any], message: str, as_step: AsStep
) -> None:
    of_steps = joined(as_step, [[{"id": 1}], rows], "key", "id")
    of_the_client = Graph("g")
    right = of_the_client.add_step(as_step(lambda _body: {"id": 1}), "right", after="request")
    of_the_client.add_step(as_step(list), "j", after=["request", right], join="key", join_key="id").respond()

    with pytest.raises(JoinError) as fault:
        of_steps.test({})
    with pytest.raises(RequestError) as refusal:
        of_the_client.test(rows)
    assert str(fault.value) == f"the join `j` merges rows by `id`, and the step `b1` gave {message}"
    assert refusal.value.message == f"the join `j` merges rows by `id`, and got {message}"


def payments(as_step: AsStep, **options: Any) -> Graph:
    """Return a graph that goes by the kind of a payment, and says which steps ran."""
    graph = Graph("g")
    graph.choose("pay.kind", {"card": "a", 7: "b", True: "b"}, name="which", **options)
    card = graph.add_step(as_step(lambda body: ["a", body["pay"]["kind"]]), "a", after="which")
    cash = graph.add_step(as_step(lambda body: ["b", body["pay"]["kind"]]), "b", after="which")
    graph.add_step(as_step(lambda body: ["end", body]), "end", after=[card, cash]).respond()
    return graph


@pytest.mark.parametrize(
    ("value", "answer"), [("card", ["end", ["a", "card"]]), (7, ["end", ["b", 7]]), (True, ["end", ["b", True]])]
)
def test_a_choice_passes_its_body_to_the_branch_of_the_fields_value_and_the_join_gets_what_arrived(
    value: Any, answer: Any, as_step: AsStep
) -> None:
    assert payments(as_step).test({"pay": {"kind": value}}) == answer


def test_a_choice_that_may_take_several_branches_runs_each_once_and_the_join_gets_them_in_its_own_order(
    as_step: AsStep,
) -> None:
    graph = payments(as_step, several=True)

    answer = graph.test({"pay": {"kind": [7, "card", True]}})

    assert answer == ["end", [["a", [7, "card", True]], ["b", [7, "card", True]]]]


@pytest.mark.parametrize("kinds", [["card"], ["card", "card"], [7, True]])
def test_a_list_whose_rows_all_choose_the_same_branch_goes_there(kinds: list[Any], as_step: AsStep) -> None:
    graph = Graph("g")
    start = graph.choose("kind", {"card": "card", 7: "other", True: "other"})
    start.to(as_step(lambda rows: ["card", rows]), "card")
    start.to(as_step(lambda rows: ["other", rows]), "other")
    rows = [{"kind": kind} for kind in kinds]

    assert graph.test(rows) == ["card" if kinds[0] == "card" else "other", rows]


def test_a_list_goes_several_ways_when_each_of_its_rows_goes_all_of_them(as_step: AsStep) -> None:
    rows = [{"pay": {"kind": ["card", 7]}}, {"pay": {"kind": [7, "card"]}}]
    graph = Graph("g")
    start = graph.choose("pay.kind", {"card": "a", 7: "b"}, several=True)
    ends = [start.to(as_step(len), name) for name in ("a", "b")]
    graph.add_step(as_step(lambda body: body), "end", after=ends)

    assert graph.test(rows) == [2, 2]


KNOWN = "`card`, `7`, `true`"
CARD = {"pay": {"kind": "card"}}
ASUNDER = (
    "row 2 goes another way than row 0 by its `pay.kind`, and a request goes one way; "
    "send them in requests of their own"
)


@pytest.mark.parametrize(
    ("body", "several", "message"),
    [
        ({"pay": {}}, False, f"the body has no `pay.kind`, which chooses one of {KNOWN}"),
        ("card", False, "the body is a str, and the choice `which` goes by its field `pay.kind`"),
        ([], False, f"the body is a list without rows, and the field `pay.kind` chooses one of {KNOWN}"),
        ([7], False, "row 0: it is a int, and the choice `which` goes by its field `pay.kind`"),
        ([[CARD]], False, "row 0: it is a list, and the choice `which` goes by its field `pay.kind`"),
        ([CARD, {"pay": 1}], False, f"row 1: it has no `pay.kind`, which chooses one of {KNOWN}"),
        ([CARD, {"pay": {"kind": "coin"}}], False, f"row 1: the field `pay.kind` is `coin`; expected one of {KNOWN}"),
        ([CARD, CARD, {"pay": {"kind": 7}}], False, ASUNDER),
        ([CARD, CARD, {"pay": {"kind": ["card", 7]}}], True, ASUNDER),
        ({"pay": {"kind": None}}, False, f"the field `pay.kind` is null; expected one of {KNOWN}"),
        ({"pay": {"kind": "coin"}}, False, f"the field `pay.kind` is `coin`; expected one of {KNOWN}"),
        ({"pay": {"kind": False}}, False, f"the field `pay.kind` is `false`; expected one of {KNOWN}"),
        ({"pay": {"kind": {"x": 1}}}, False, f"the field `pay.kind` is a dict; expected one of {KNOWN}"),
        ({"pay": {"kind": ["card"]}}, False, f"the field `pay.kind` is a list; expected one of {KNOWN}"),
        ({"pay": {"kind": []}}, True, f"the field `pay.kind` is an empty list; expected at least one of {KNOWN}"),
        ({"pay": {"kind": ["card", "coin"]}}, True, f"the field `pay.kind` is `coin`; expected one of {KNOWN}"),
    ],
)
def test_a_value_that_chooses_nothing_is_refused_in_a_sentence_of_its_own(
    body: Any, several: bool, message: str
) -> None:
    graph = payments(lambda step: step, several=several)

    with pytest.raises(RequestError) as caught:
        graph.test(body)
    assert caught.value.message == message
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        {"pay": {"kind": "coin"}},
        {"pay": {"kind": None}},
        {"pay": {"kind": {"x": 1}}},
        {"pay": {"kind": ["card"]}},
        {"pay": {"kind": []}},
        {"pay": {}},
        {"pay": None},
        {"pay": 7},
        {},
    ],
)
def test_what_chooses_no_branch_takes_the_one_called_otherwise(body: Any, as_step: AsStep) -> None:
    graph = with_otherwise(as_step)

    assert graph.test(body) == ["other", body]
    assert graph.test({"pay": {"kind": "card"}}) == ["card", {"pay": {"kind": "card"}}]


@pytest.mark.parametrize("several", [False, True])
def test_otherwise_takes_no_body_that_is_neither_an_object_nor_rows(as_step: AsStep, *, several: bool) -> None:
    graph = with_otherwise(as_step, several=several)

    with pytest.raises(RequestError, match="the body is a str, and the choice `which` goes by its field"):
        graph.test("card")
    with pytest.raises(RequestError, match="row 1: it is a int, and the choice `which` goes by its field"):
        graph.test([{}, 7])


@pytest.mark.parametrize("rows", [[], [{}], [{"pay": {"kind": "coin"}}, {"pay": {}}]])
def test_otherwise_takes_rows_that_all_choose_nothing(rows: list[Any], as_step: AsStep) -> None:
    assert with_otherwise(as_step).test(rows) == ["other", rows]


@pytest.mark.parametrize("kinds", [[], None, ["coin"], [None, {}]])
def test_otherwise_is_taken_once_where_several_branches_may_be_chosen(kinds: Any, as_step: AsStep) -> None:
    graph = with_otherwise(as_step, several=True)

    assert graph.test({"pay": {"kind": kinds}}) == [["other", {"pay": {"kind": kinds}}]]


def test_what_a_function_does_not_choose_takes_the_branch_called_otherwise(as_step: AsStep) -> None:
    graph = Graph("g")
    start = graph.choose(as_step(lambda body: body["kind"]), {"card": "card"}, otherwise="other", name="which")
    start.to(lambda _body: "card", "card")
    start.to(lambda _body: "other", "other")

    assert [graph.test({"kind": kind}) for kind in ("card", "coin", None)] == ["card", "other", "other"]


def test_otherwise_in_yaml_takes_a_body_without_the_field() -> None:
    spec = GraphSpec.from_dict(
        {
            "name": "g",
            "steps": [
                {"choice": "kind", "name": "which", "branches": {"card": "by-card"}, "otherwise": "other"},
                {"step": "builtins:len", "name": "by-card", "after": "which"},
                {"step": "builtins:str", "name": "other", "after": "which"},
            ],
        }
    )
    graph = Graph.from_spec(spec)

    assert [graph.test(body) for body in ({"kind": "card"}, {"kind": None}, {})] == [1, "{'kind': None}", "{}"]


def with_otherwise(as_step: AsStep, *, several: bool = False) -> Graph:
    """Return a graph that says which branch a body took: `card`, or `other` by `otherwise`."""
    graph = Graph("g")
    graph.choose("pay.kind", {"card": "card"}, otherwise="other", several=several, name="which")
    ends = [
        graph.add_step(as_step(lambda body, name=name: [name, body]), name, after="which") for name in ("card", "other")
    ]
    graph.add_step(as_step(lambda body: body), "end", after=ends).respond()
    return graph


def test_without_branches_the_value_is_the_name_of_the_step(as_step: AsStep) -> None:
    graph = Graph("g")
    start = graph.choose("to", name="which")
    start.to(as_step(lambda _body: 1), "one").respond()
    start.to(as_step(lambda _body: 2), "two").respond()

    assert [graph.test({"to": name}) for name in ("two", "one")] == [2, 1]


def test_a_function_of_the_body_may_choose(as_step: AsStep) -> None:
    graph = Graph("g")
    start = graph.choose(as_step(lambda body: body > 9), {True: "big", False: "small"}, name="which")
    start.to(as_step(lambda body: f"big {body}"), "big")
    start.to(as_step(lambda body: f"small {body}"), "small")

    assert [graph.test(10), graph.test(9)] == ["big 10", "small 9"]


@pytest.mark.parametrize(
    ("value", "branch"),
    [(np.bool_(1), "yes"), (np.bool_(0), "no"), (np.int64(7), "seven"), (np.float64(0.5), "half")],
)
@pytest.mark.parametrize("several", [False, True])
def test_a_value_of_numpy_chooses_as_that_of_python_does(
    value: Any, branch: str, as_step: AsStep, *, several: bool
) -> None:
    graph = Graph("g")
    branches = {True: "yes", False: "no", 7: "seven", 0.5: "half"}
    graph.choose(as_step(lambda _body: [value] if several else value), branches, several=several, name="which")
    ends = [graph.add_step(as_step(lambda _body, name=name: name), name, after="which") for name in branches.values()]
    graph.add_step(as_step(lambda body: body), "end", after=ends, join="any").respond()

    assert graph.test({}) == branch


def test_what_a_function_chooses_must_be_a_branch() -> None:
    graph = Graph("g")
    graph.choose(lambda body: body, {1: "one"}, name="which").to(str, "one")

    with pytest.raises(RequestError, match="what the choice `which` found is `2`; expected one of `1`"):
        graph.test(2)


def test_a_step_none_of_whose_inputs_arrived_is_skipped_with_all_that_follows_it(as_step: AsStep) -> None:
    ran: list[str] = []

    def note(name: str) -> Callable[[Any], Any]:
        def step(body: Any) -> Any:
            ran.append(name)
            return body

        return as_step(step)

    graph = Graph("g")
    start = graph.choose("to", name="which")
    left = start.to(note("left"), "left").to(note("left2"), "left2").to(note("left3"), "left3")
    right = start.to(note("right"), "right")
    graph.add_step(note("end"), "end", after=[left, right])

    graph.test({"to": "right"})

    assert ran == ["right", "end"]


def test_an_event_changed_before_a_fork_is_seen_after_it_and_a_change_in_one_branch_is_not_seen_in_the_other() -> None:
    def set_key(key: str) -> Callable[[Event], Event]:
        def step(event: Event) -> Event:
            event.key = f"{event.key or ''}{key}"
            return event

        return step

    graph = Graph("g")
    start = graph.to(set_key("s"), "start", full_event=True)
    ends = []
    for name in ("left", "right"):
        branch = start.to(set_key(name[0]), name, full_event=True)
        ends.append(branch.to(lambda event: event.key, f"{name}-key", full_event=True))
    graph.add_step(list, "join", after=ends).respond()

    assert graph.test({}) == ["sl", "sr"]


@pytest.mark.parametrize("join", ["all", "merge"])
def test_a_way_back_takes_the_place_in_a_join_of_the_input_it_stands_for(join: Join) -> None:
    def fail(_body: Any) -> Any:
        raise ValueError("left")

    graph = Graph("g")
    start = graph.to(lambda body: body, "start")
    left = start.to(fail, "left").error_handler(lambda _body: {"who": "handler", "left": 1}, "h", back_to="join")
    right = start.to(lambda _body: {"who": "right"}, "right")
    graph.add_step(lambda body: body, "join", after=[left, right], join=join)

    merged = {"who": "right", "left": 1}
    assert graph.test({}) == (merged if join == "merge" else [{"who": "handler", "left": 1}, {"who": "right"}])
