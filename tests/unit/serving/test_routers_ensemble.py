"""Votes, means and parallel runs."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.errors import InvalidStepError
from ci_core.serving import Model, RequestError, Route, Router
from ci_core.serving.metrics import Metrics
from ci_core.serving.models.answers import ModelAnswerError
from ci_core.serving.problems import UnknownPathError
from ci_core.serving.routers.combining import majority, mean, number_of, soft_majority
from ci_core.serving.server import Application
from tests.unit.serving.routed import Constant, Failing, Field, Refusing, Seen, ask, constants, graph_of, telling

if TYPE_CHECKING:
    from ci_core.serving.routers import RouterDraft


@pytest.mark.parametrize("weights", [{"a": 0.2, "b": 0.2}, {"a": 2, "b": 2}, None])
def test_the_mean_of_one_and_three_is_two_whatever_equal_weights_they_have(weights: dict[str, float] | None) -> None:
    graph = graph_of(Router.mean(constants(a=1, b=3), weights))

    assert graph.test({"x": 1}) == {"prediction": 2.0}


class Unread(Seen):
    """Says that it reads no more than the answers."""

    reads_columns = False


class Rewriting(Model):
    """Puts something else into the list of its rows."""

    def predict(self, rows: list[Any]) -> list[Any]:
        for index, row in enumerate(rows):
            rows[index] = [row["x"]]
        return [x for (x,) in rows]


@pytest.mark.parametrize(("seen", "columns"), [(Seen(), {"x": [4]}), (Unread(), {})], ids=["read", "unread"])
def test_a_mean_of_a_model_that_rewrites_its_rows_is_the_same_whether_its_calls_are_read_or_not(
    seen: Seen, columns: dict[str, list[int]]
) -> None:
    plan = graph_of(Router.mean({"rewriting": Rewriting})).compile(observe=seen)

    assert ask(plan, {"x": 4}) == {"prediction": 4.0}
    name, call = seen.calls[-1]
    assert (name, call.columns, call.outputs) == ("choose", columns, [4.0])


def test_a_mean_goes_by_the_weights() -> None:
    graph = graph_of(Router.mean(constants(a=1, b=3), {"a": 3, "b": 1}))

    assert graph.test([{}, {}]) == [{"prediction": 1.5}, {"prediction": 1.5}]


NUMBERS = st.floats(-1e6, 1e6)
POSITIVE = st.floats(1e-3, 1e3)


@given(st.lists(st.tuples(NUMBERS, POSITIVE), min_size=1, max_size=8))
def test_a_mean_is_numpys_weighted_average(pairs: list[tuple[float, float]]) -> None:
    values, weights = zip(*pairs, strict=True)

    assert mean(values, weights) == pytest.approx(np.average(values, weights=weights), rel=1e-9, abs=1e-6)


@given(st.lists(st.tuples(NUMBERS, POSITIVE), min_size=1, max_size=8), POSITIVE)
def test_a_mean_does_not_change_when_all_weights_are_multiplied(
    pairs: list[tuple[float, float]], factor: float
) -> None:
    values, weights = zip(*pairs, strict=True)

    assert mean(values, [weight * factor for weight in weights]) == pytest.approx(
        mean(values, weights), rel=1e-9, abs=1e-6
    )


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 50)), min_size=1, max_size=9))
def test_the_label_with_most_weight_wins_and_of_equal_ones_that_of_the_first_voter(
    votes: list[tuple[str, int]],
) -> None:
    totals: Counter[str] = Counter()
    for label, weight in votes:
        totals[label] += weight
    most = max(totals.values())
    expected = next(label for label, _ in votes if totals[label] == most)

    assert majority([label for label, _ in votes], [weight for _, weight in votes]) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([True, 1, 1.0], 1),  # to JSON, true is no number; 1 and 1.0 are one
        ([True, 1, True], True),
        ([None, "a", None], None),
        ([{"a": 1, "b": [2]}, "x", {"b": [2], "a": 1}], {"a": 1, "b": [2]}),
        ([[1, 2], [2, 1], [2, 1]], [2, 1]),
        (["b", "a"], "b"),
    ],
)
def test_labels_may_be_any_json_value(labels: list[Any], expected: Any) -> None:
    winner = majority(labels, [1] * len(labels))

    assert winner == expected
    assert type(winner) is type(expected)


def test_votes_that_are_not_numbers_at_all_are_one_label() -> None:
    assert math.isnan(majority([math.nan, 1.0, math.nan], [1, 1, 1]))  # type: ignore[arg-type]


def test_weights_with_a_point_tie_as_they_do_on_paper() -> None:
    graph = graph_of(Router.vote(constants(a="x", b="y", c="y"), {"a": 0.3, "b": 0.1, "c": 0.2}))

    assert graph.test({}) == {"prediction": "x"}  # as floats, 0.1 + 0.2 is more than 0.3


def test_a_vote_goes_by_the_weights_and_takes_the_labels_of_answers_with_probabilities() -> None:
    answer = {"prediction": "late", "probability": 0.8}
    graph = graph_of(Router.vote(constants(a=answer, b="early", c="early"), {"a": 5, "b": 1, "c": 1}))

    assert graph.test({}) == {"prediction": "late"}


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 9)), min_size=1, max_size=6),
)
def test_a_vote_by_probability_answers_the_mean_and_the_label_it_stands_for(pairs: list[tuple[float, int]]) -> None:
    probabilities, weights = zip(*pairs, strict=True)
    labels = ["late" if one > 0.5 else "early" for one in probabilities]

    label, probability = soft_majority(labels, probabilities, weights)

    assert probability == pytest.approx(np.average(probabilities, weights=weights))
    assert label == ("late" if probability > 0.5 else "early")


def test_a_vote_by_probability_is_asked_for_in_the_settings() -> None:
    answers: Any = {
        "a": {"prediction": 1, "probability": 0.9},
        "b": {"prediction": 0, "probability": 0.4},
        "c": {"prediction": 0, "probability": 0.4},
    }
    soft, hard = Router.vote(constants(**answers), probabilities=True), Router.vote(constants(**answers))

    assert graph_of(hard).test({}) == {"prediction": 0}
    assert graph_of(soft).test({}) == {"prediction": 1, "probability": pytest.approx(1.7 / 3)}


def sure(label: Any, probability: float) -> dict[str, Any]:
    return {"prediction": label, "probability": probability}


class ThreeClasses(Constant):
    n_classes = 3


class Careful(Constant):
    decides_itself = True


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (ThreeClasses, "the model `a` has 3 classes; only binary classifiers vote by probability"),
        (Careful, "the model `a` does not decide at 0.5; its label would contradict the mean probability"),
    ],
)
def test_a_model_that_cannot_vote_by_probability_is_refused_as_soon_as_it_is_known(model: Any, reason: str) -> None:
    answer = {"answer": sure(1, 0.7)}
    routes: dict[str, Any] = {"a": Route(model, arguments=answer), "b": Route(Constant, arguments=answer)}

    with pytest.raises(InvalidStepError) as caught:
        graph_of(Router.vote(routes, probabilities=True)).compile()

    assert f"step `choose` votes by probability, and {reason}" in str(caught.value)
    assert graph_of(Router.vote(routes)).test({}) == {"prediction": 1}


class Says(Constant):
    output_columns: Any = {"prediction": "string"}  # noqa: RUF012 - as the loaders set it


class Sure(Constant):
    output_columns: Any = {"prediction": "number", "probability": "number"}  # noqa: RUF012


@pytest.mark.parametrize("model", [ThreeClasses, Says, Sure])
def test_a_mean_of_classifiers_is_refused_as_soon_as_they_are_known(model: Any) -> None:
    routes: dict[str, Any] = {"a": Route(Constant, arguments={"answer": 1}), "b": Route(model, arguments={"answer": 1})}

    with pytest.raises(InvalidStepError) as caught:
        graph_of(Router.mean(routes)).compile()

    assert caught.value.fact == (
        "step `choose` takes the mean, and the model `b` is a classifier; its labels have no mean"
    )
    assert caught.value.hint == (
        "ask classifiers by `Router.vote`; with `probabilities=True` it answers their mean probability"
    )


def test_a_mean_of_a_classifier_that_is_loaded_late_fails_its_first_request() -> None:
    route = Route(Late, arguments={"answer": 1}, load="first-use")
    plan = graph_of(Router.mean({"a": route})).compile()

    with pytest.raises(ModelAnswerError, match="the model `a` is a classifier; its labels have no mean"):
        ask(plan, {})


class Late(Constant):
    """Knows of its classes when it is loaded."""

    def load(self) -> None:
        self.n_classes = 3


def test_a_model_that_tells_its_classes_when_it_is_loaded_is_refused_then() -> None:
    answer = {"answer": sure(1, 0.7)}
    plan = graph_of(Router.vote({"a": Route(Late, arguments=answer, load="first-use")}, probabilities=True)).compile()

    with pytest.raises(ModelAnswerError, match="the model `a` has 3 classes"):
        ask(plan, {})


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"a": sure(0, 0.7), "b": sure(1, 0.6)}, "found 0 at 0.7, 1 at 0.6"),
        ({"a": sure(0, 0.7), "b": sure(0, 0.2)}, "found 0 at 0.7, 0 at 0.2"),
        ({"a": sure("low", 0.4), "b": sure("mid", 0.45)}, "found 'low' at 0.4, 'mid' at 0.45"),
        ({"a": sure(1, 1.5), "b": sure(1, 0.6)}, "the model `a` gives 1.5 for a probability"),
        ({"a": sure(1, -0.5), "b": sure(1, 0.6)}, "the model `a` gives -0.5 for a probability"),
    ],
)
def test_labels_that_do_not_go_with_their_probabilities_fail_the_vote(answers: Any, message: str) -> None:
    with pytest.raises(ModelAnswerError) as caught:
        graph_of(Router.vote(constants(**answers), probabilities=True)).test({})

    assert str(caught.value).endswith(message)


def test_a_probability_that_is_nan_is_none() -> None:
    with pytest.raises(ModelAnswerError, match="the model `a` gives nan for a probability"):
        number_of(sure(1, math.nan), "a", "probability")


def test_a_probability_of_one_half_goes_with_either_label() -> None:
    answers: Any = {"a": sure(0, 0.5), "b": sure(1, 0.5 + 1e-9), "c": sure(1, 0.9)}

    assert graph_of(Router.vote(constants(**answers), probabilities=True)).test({})["prediction"] == 1


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        (constants(a=1), "the model `a` gives no probability, so it cannot vote by it"),
        (constants(a={"prediction": 1}), "the model `a` gives no probability, so it cannot vote by it"),
    ],
)
def test_models_that_cannot_vote_by_probability_are_our_fault_and_not_the_clients(
    routes: dict[str, Route], message: str
) -> None:
    with pytest.raises(ModelAnswerError) as caught:
        graph_of(Router.vote(routes, probabilities=True)).test({})

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("late", "the prediction 'late' of the model `a` is no number, and has no mean"),
        ({"label": 1}, "the model `a` answered an object without `prediction`, so it cannot be combined"),
        (None, "the model `a` predicts null, which has no mean"),
    ],
)
def test_what_has_no_mean_is_our_fault_and_not_the_clients(answer: Any, message: str) -> None:
    with pytest.raises(ModelAnswerError) as caught:
        graph_of(Router.mean(constants(a=answer, b=1))).test({})

    assert str(caught.value) == message


def test_details_tell_what_each_model_predicts() -> None:
    graph = graph_of(Router.mean(constants(a={"prediction": 1, "extra": 2}, b=3), detail=True))

    assert graph.test({}) == {"prediction": 2.0, "models": {"a": 1, "b": 3}}


@pytest.mark.parametrize("batch", ["off", "on"])
@pytest.mark.parametrize("kind", ["vote", "mean", "parallel"])
def test_a_member_that_fails_fails_the_ensemble_unless_it_may_be_missing(kind: str, batch: Any) -> None:
    routes = {**constants(batch, a=1), "b": Route(Failing, batch=batch), **constants(batch, c=4)}
    make: Any = getattr(Router, kind)
    seen = Seen()
    strict = graph_of(make(routes)).compile(batching=True)
    lenient = graph_of(make(routes, missing="ignore")).compile(observe=seen, batching=True)

    with pytest.raises(RuntimeError, match="broken"):
        ask(strict, {"x": 1})
    answer = ask(lenient, {"x": 1})
    for plan in (strict, lenient):
        plan.close()

    expected: dict[str, Any] = {
        "vote": {"prediction": 1},
        "mean": {"prediction": 2.5},
        "parallel": {"a": 1, "c": 4},
    }
    assert answer == expected[kind]
    assert [model for model, _ in seen.failures] == ["b"]


def test_weights_are_those_of_the_models_that_answered() -> None:
    routes = {**constants(a=1), "b": Route(Failing), **constants(c=4)}
    graph = graph_of(Router.mean(routes, {"a": 2, "b": 96, "c": 1}, missing="ignore", detail=True))

    assert graph.test({}) == {"prediction": 2.0, "models": {"a": 1, "c": 4}}


def test_a_model_that_predicts_null_is_missing_from_the_mean_of_that_row() -> None:
    routes = {name: Route(Field, arguments={"name": name}) for name in ("a", "b")}
    graph = graph_of(Router.mean(routes, missing="ignore"))

    assert graph.test([{"a": 1, "b": 3}, {"a": None, "b": 3}]) == [{"prediction": 2.0}, {"prediction": 3.0}]
    with pytest.raises(ModelAnswerError, match="the model `a` predicts null"):
        graph.test({"a": None, "b": None})


@pytest.mark.parametrize("batch", ["off", "on"])
def test_when_no_member_answers_the_first_failure_is_told(batch: Any) -> None:
    routes = {"a": Route(Failing, batch=batch), "b": Route(Failing, batch=batch)}
    plan = graph_of(Router.vote(routes, missing="ignore")).compile(batching=True)

    with pytest.raises(RuntimeError, match="broken"):
        ask(plan, {})
    plan.close()


@pytest.mark.parametrize("batch", ["off", "on"])
def test_a_refusal_of_the_request_is_told_even_where_members_may_be_missing(batch: Any) -> None:
    routes = {**constants(batch, a=1), "b": Route(Refusing, batch=batch)}
    plan = graph_of(Router.mean(routes, missing="ignore")).compile(batching=True)

    with pytest.raises(RequestError, match="row 0, column `n`"):
        ask(plan, {"n": "x"})
    plan.close()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a": 1}, "step `choose` has no weight for its route `b`"),
        ({"a": 1, "b": 0}, "step `choose` has the weight 0 for its route `b`: expected a number above 0"),
        ({"a": 1, "b": -0.5}, "step `choose` has the weight -0.5 for its route `b`: expected a number above 0"),
        ({"a": 1, "bb": 1}, "step `choose` has a weight for `bb`, which is none of its routes"),
        (3, "step `choose` has the setting `weights`: expected a weight for each route, found 3"),
    ],
)
@pytest.mark.parametrize("make", [Router.vote, Router.mean])
def test_weights_of_an_ensemble_are_checked_when_the_graph_is_compiled(make: Any, weights: Any, message: str) -> None:
    with pytest.raises(InvalidStepError) as caught:
        graph_of(make(constants(a=1, b=2), weights)).compile()

    assert str(caught.value) == message


def test_an_ensemble_is_observed_as_a_model_beside_its_members() -> None:
    seen = Seen()
    routes = {name: Route(Field, arguments={"name": name}) for name in ("a", "b")}
    plan = graph_of(Router.mean(routes)).compile(observe=seen)

    ask(plan, [{"a": 1, "b": 3}, {"a": 2, "b": 8}])

    assert seen.roles == [("a", "member"), ("b", "member"), ("choose", "answer")]
    assert seen.calls[2][1].outputs == [2.0, 5.0]
    assert seen.calls[2][1].columns == {"a": [1, 2], "b": [3, 8]}


@pytest.mark.parametrize(
    ("router", "roles"),
    [
        (Router.single(constants(a=1, b=2)), [("a", "answer")]),
        (Router.parallel(constants(a=1, b=2)), [("a", "answer"), ("b", "member")]),
        (Router.shadow(constants(a=1, b=2), live="b"), [("b", "answer"), ("a", "shadow")]),
        (Router.weighted(constants(a=1, b=2), {"a": 1, "b": 0}), [("a", "answer")]),
    ],
)
def test_of_the_calls_for_one_event_one_is_the_answer(router: RouterDraft, roles: list[tuple[str, str]]) -> None:
    seen = Seen()
    plan = graph_of(router).compile(observe=seen)

    ask(plan, [{"a": 1}])

    assert seen.roles == roles


def test_an_ensemble_scores_a_table_as_it_answers_rows() -> None:
    routes = {name: Route(Field, arguments={"name": name}) for name in ("a", "b")}
    model = graph_of(Router.mean(routes, {"a": 3, "b": 1})).compile().models["choose"]

    assert model.score({"a": [1.0, 2.0], "b": [5.0, 2.0]}).tolist() == [2.0, 2.0]
    assert model.score({"a": [], "b": []}).shape == (0,)
    assert np.isnan(graph_of(Router.vote(constants(a="x"))).compile().models["choose"].score({"a": [1]})).all()


@given(st.permutations([{"a": number, "b": number % 3} for number in range(6)]))
def test_another_order_of_the_rows_gives_the_same_answers_in_that_order(rows: list[dict[str, Any]]) -> None:
    assert ask(MEANS, rows) == [{"prediction": (row["a"] + row["b"]) / 2} for row in rows]


MEANS = graph_of(Router.mean({name: Route(Field, arguments={"name": name}) for name in ("a", "b")})).compile()


def test_an_ensemble_has_no_operation_but_infer() -> None:
    with pytest.raises(UnknownPathError, match=r"the ensemble `choose` has no operation `explain`; ask .*: `a`, `b`"):
        graph_of(Router.vote(telling("a", "b"))).test({"n": 1}, "/v2/models/choose/explain")


class WithColumns(Model):
    def __init__(self, *columns: str) -> None:
        self.input_columns = columns

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [1 for _ in rows]


class ReadsAB(WithColumns):
    def __init__(self) -> None:
        super().__init__("a", "b")


class ReadsBC(WithColumns):
    def __init__(self) -> None:
        super().__init__("b", "c")


def test_an_ensemble_reads_the_columns_of_all_its_models() -> None:
    plan = graph_of(Router.mean({"m1": ReadsAB, "m2": ReadsBC})).compile()

    assert plan.models["choose"].input_columns == ("a", "b", "c")
    with pytest.raises(RequestError, match="row 1 lacks the column `c`"):
        ask(plan, [{"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1}])


def test_a_parallel_run_answers_each_row_with_what_every_model_said() -> None:
    graph = graph_of(Router.parallel(telling("a", "b")))

    assert graph.test({"n": 1}) == {"a": "a:1", "b": "b:1"}
    assert graph.test([{"n": 1}, {"n": 2}]) == [{"a": "a:1", "b": "b:1"}, {"a": "a:2", "b": "b:2"}]


def test_a_parallel_run_can_join_the_fields_and_the_later_route_wins() -> None:
    answers = constants(a={"x": 1, "y": 1}, b={"y": 2, "z": 2}, c=3)

    assert graph_of(Router.parallel(answers, merge="fields")).test({}) == {"x": 1, "y": 2, "z": 2, "c": 3}


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        ("route", {"id": 7, "x": 0, "a": {"x": 1, "y": 1}, "b": {"y": 2}}),
        ("fields", {"id": 7, "x": 1, "y": 2}),
    ],
)
def test_a_parallel_run_can_extend_the_row_and_the_models_fields_win(merge: Any, expected: dict[str, Any]) -> None:
    answers = constants(a={"x": 1, "y": 1}, b={"y": 2})
    graph = graph_of(Router.parallel(answers, merge=merge, extend=True))
    row = {"id": 7, "x": 0}

    assert graph.test(row) == expected
    assert graph.test([row, {}])[0] == expected
    assert row == {"id": 7, "x": 0}


def test_an_operation_is_answered_without_the_row() -> None:
    graph = graph_of(Router.parallel(telling("a", "b"), extend=True))

    expected = {"a": "a because of 1", "b": "b because of 1"}
    assert graph.test({"n": 1}, "/v2/models/choose/explain") == expected


def test_nobody_knows_the_fields_of_an_extended_row() -> None:
    routes = {"a": Route(Says, arguments={"answer": {"prediction": "x"}})}

    told = [
        graph_of(Router.parallel(routes, merge="fields", extend=extend)).compile().models["choose"].output_columns
        for extend in (False, True)
    ]

    assert told == [{"prediction": "string"}, {}]


class Emptying(Model):
    """Takes its rows apart while it predicts."""

    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [row.pop("x") for row in rows]


class Choosing:
    def choose(self, body: Any, event: Any, models: Any) -> list[str]:
        return list(models)


EMPTYING: dict[str, Any] = {"a": Emptying, "b": Emptying, "c": Route(Field, arguments={"name": "x"})}


@pytest.mark.parametrize(
    ("router", "expected"),
    [
        (Router.mean(EMPTYING, detail=True), {"prediction": 4.0, "models": {"a": 4, "b": 4, "c": 4}}),
        (Router.vote(EMPTYING, detail=True), {"prediction": 4, "models": {"a": 4, "b": 4, "c": 4}}),
        (Router.parallel(EMPTYING), {"a": 4, "b": 4, "c": 4}),
        (Router.parallel(EMPTYING, extend=True), {"x": 4, "a": 4, "b": 4, "c": 4}),
        (Router.custom(Choosing, EMPTYING), {"a": 4, "b": 4, "c": 4}),
    ],
)
def test_a_model_that_takes_its_rows_apart_leaves_those_of_the_others_whole(
    router: RouterDraft, expected: dict[str, Any]
) -> None:
    body = {"x": 4}

    assert graph_of(router).test(body) == expected
    assert body == {"x": 4}


def test_an_ensemble_of_models_that_take_their_rows_apart_scores_a_table() -> None:
    plan = graph_of(Router.mean({"a": Emptying, "b": Emptying})).compile()

    assert plan.models["choose"].score({"x": [4.0]}).tolist() == [4.0]


def errors_of(application: Application) -> dict[tuple[str, str], float]:
    """Return (model, fault) → count of what failed."""
    found = {}
    for line in application.metrics.text().splitlines():
        match = re.fullmatch(r"graphship_model_errors_total\{(.*)\} (\d+)", line)
        if match is not None and match[2] != "0":
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match[1]))
            found[labels["model"], labels["fault"]] = float(match[2])
    return found


@pytest.mark.parametrize("batch", ["off", "on"])
@pytest.mark.parametrize(
    ("member", "missing", "expected"),
    [
        (Failing, "refuse", {("b", "model"): 1.0, ("choose", "model"): 1.0}),
        (Failing, "ignore", {("b", "model"): 1.0}),
        (Refusing, "refuse", {("b", "request"): 1.0, ("choose", "request"): 1.0}),
        (Refusing, "ignore", {("b", "request"): 1.0, ("choose", "request"): 1.0}),
    ],
)
def test_a_failure_is_counted_for_the_member_and_for_the_ensemble_that_it_fails(
    member: type[Model], missing: Any, expected: dict[Any, float], batch: Any
) -> None:
    graph = graph_of(Router.mean({**constants(batch, a=1), "b": Route(member, batch=batch)}, missing=missing))
    metrics = Metrics()
    plan = graph.compile(observe=metrics.models, batching=True)
    application = Application(graph.spec, plan, metrics=metrics)

    if plan.is_async:
        asyncio.run(application.handle_async("POST", "/", {}, b"{}"))
    else:
        application.handle("POST", "/", {}, b"{}")
    plan.close()

    assert errors_of(application) == expected


def test_an_ensemble_that_cannot_combine_what_its_members_say_is_counted_alone() -> None:
    graph = graph_of(Router.mean(constants(a="text")))
    metrics = Metrics()
    application = Application(graph.spec, graph.compile(observe=metrics.models), metrics=metrics)

    assert application.handle("POST", "/", {}, b"{}")[0] == 500
    assert errors_of(application) == {("choose", "model"): 1.0}


class Puzzled(Model):
    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        return [1 for _ in rows]

    def explain(self, rows: Any) -> list[Any]:
        raise RuntimeError("no idea")


def test_an_operation_that_fails_is_counted_for_its_model() -> None:
    graph = graph_of(Router.single({"m": Puzzled}))
    metrics = Metrics()
    application = Application(graph.spec, graph.compile(observe=metrics.models), metrics=metrics)

    assert application.handle("POST", "/v2/models/m/explain", {}, b"[{}]")[0] == 500
    assert errors_of(application) == {("m", "model"): 1.0}
