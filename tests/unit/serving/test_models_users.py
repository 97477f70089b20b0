"""Models that users write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ci_core.errors import GraphCodeError, InvalidStepError
from ci_core.serving import Context, Graph, Model, RequestError, Route, Router
from ci_core.serving.base import ModelCall
from ci_core.serving.models.answers import ModelAnswerError
from ci_core.serving.problems import UnknownPathError
from tests.unit.serving.routed import Seen, Telling, ask, graph_of

Rows = list[dict[str, Any]]


class Whole(Model):
    """Uses everything the base class offers."""

    input_columns = ("a", "b")

    def __init__(self, context: Context, offset: float = 0.0) -> None:
        self.offset, self.graph = offset, context.graph
        self.factor = 0.0

    def load(self) -> None:
        self.factor = 10.0

    def validate(self, rows: Rows) -> None:
        if any(row.get("a") == "x" for row in rows):
            raise RequestError("column `a`: expected a number")

    def preprocess(self, rows: Rows) -> Rows:
        return [{"b": 0, **row} for row in rows]

    def predict(self, rows: Rows) -> list[Any]:
        return [self.offset + self.factor * (row["a"] + row["b"]) for row in rows]

    def postprocess(self, answers: list[Any]) -> list[Any]:
        return [{"value": answer, "graph": self.graph} for answer in answers]

    def output(self, answer: Any) -> float | None:
        return float(answer) / 2


def test_a_users_model_is_made_loaded_and_called_in_order() -> None:
    seen = Seen()
    plan = graph_of(Router.single({"m": Route(Whole, arguments={"offset": 1})})).compile(observe=seen)

    assert ask(plan, [{"a": 1, "b": 2, "more": 0}, {"a": 3}]) == [
        {"value": 31.0, "graph": "g"},
        {"value": 31.0, "graph": "g"},
    ]
    ((_, call),) = seen.calls
    assert call.columns == {"a": [1, 3], "b": [2, 0]}
    assert call.outputs == [15.5, 15.5]


class Unread(Seen):
    """Says that it reads no more than the answers."""

    reads_columns = False


def test_what_nobody_said_he_would_read_of_a_call_is_the_same_when_it_is_read() -> None:
    told = []
    for seen in (Seen(), Unread()):
        plan = graph_of(Router.single({"m": Whole})).compile(observe=seen)
        ask(plan, [{"a": 1, "b": 2, "more": 0}, {"a": 3}])
        ((_, call),) = seen.calls
        told.append((call.answers, call.columns, call.outputs))

    answers = [{"value": 30.0, "graph": "g"}, {"value": 30.0, "graph": "g"}]
    assert told == [(answers, {"a": [1, 3], "b": [2, 0]}, [15.0, 15.0])] * 2


class Vandal(Model):
    """Changes its rows."""

    def predict(self, rows: Rows) -> list[Any]:
        for row in rows:
            row["a"] = row["a"] / 10
        return [row["a"] for row in rows]


def test_an_observer_reads_the_columns_as_the_model_received_them_whatever_it_did_to_them() -> None:
    seen = Seen()
    plan = graph_of(Router.single({"m": Vandal})).compile(observe=seen)

    assert ask(plan, [{"a": 1}]) == [0.1]
    assert seen.calls[0][1].columns == {"a": [1]}


class Sorting(Model):
    """Changes what is in its rows."""

    def predict(self, rows: Rows) -> list[Any]:
        for row in rows:
            row["v"].sort()
        return [row["v"][0] for row in rows]


def test_an_observer_reads_nested_values_as_the_model_received_them() -> None:
    seen = Seen()
    plan = graph_of(Router.single({"m": Sorting})).compile(observe=seen)

    assert ask(plan, {"v": [3, 1, 2]}) == 1
    assert seen.calls[0][1].columns == {"v": [[3, 1, 2]]}


@dataclass(frozen=True)
class Times(Model):
    """Cannot be given attributes, and names its columns with their kinds."""

    factor: int
    columns = {"a": "number"}  # noqa: RUF012 - as users write it

    def predict(self, rows: Rows) -> list[Any]:
        return [self.factor * row["a"] for row in rows]


@pytest.mark.parametrize("seen", [Seen(), Unread()], ids=["read", "unread"])
def test_a_model_may_be_a_frozen_dataclass(seen: Seen) -> None:
    plan = graph_of(Router.single({"m": Route(Times, arguments={"factor": 3})})).compile(observe=seen)

    assert ask(plan, [{"a": 1}, {"a": 2}]) == [3, 6]
    with pytest.raises(RequestError, match="row 0 lacks the column `a`"):
        ask(plan, [{"b": 1}])


class Ones(Model):
    """Says 1 to every row, and reads what comes."""

    def predict(self, rows: Rows) -> list[Any]:
        return [1 for _ in rows]


class Filled(dict[str, Any]):
    """Finds whatever is asked for."""

    def __missing__(self, name: str) -> int:
        self[name] = 0
        return 0


@pytest.mark.parametrize("kind", [dict, Filled])
@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([{"a": 1, "b": 2}, {"b": 4, "a": 3}], {"a": [1, 3], "b": [2, 4]}),
        ([{"a": 1, "b": 2}, {"a": 3, "c": 4}], {"a": [1, 3], "b": [2, None], "c": [None, 4]}),
        ([{"a": 1}, {"a": 2, "b": 3}], {"a": [1, 2], "b": [None, 3]}),
    ],
    ids=["same", "as many, others", "more"],
)
def test_an_observer_reads_none_where_a_row_lacks_a_column_that_others_have(
    kind: type[dict[str, Any]], rows: Rows, columns: dict[str, list[Any]]
) -> None:
    given = [kind(row) for row in rows]

    assert Ones().call(given).columns == columns
    assert given == rows


class Reading(Model):
    """Has an `output` that refuses one answer."""

    def predict(self, rows: Rows) -> list[Any]:
        return [row["a"] for row in rows]

    def output(self, answer: Any) -> float | None:
        if answer == 7:
            raise ValueError("no seven")
        return float(answer)


@pytest.mark.parametrize("seen", [Seen(), Unread()], ids=["read", "unread"])
def test_an_output_that_fails_fails_whether_it_is_read_or_not(seen: Seen) -> None:
    plan = graph_of(Router.single({"m": Reading})).compile(observe=seen)

    assert ask(plan, [{"a": 1}]) == [1]
    with pytest.raises(ValueError, match="no seven"):
        ask(plan, [{"a": 7}])


def test_a_row_that_makes_up_its_values_lacks_its_columns_all_the_same() -> None:
    with pytest.raises(RequestError, match="row 1 lacks the column `b`"):
        Both().call([Filled(a=1, b=2), Filled(a=1)])


class Both(Model):
    """Reads two columns."""

    input_columns = ("a", "b")

    def predict(self, rows: Rows) -> list[Any]:
        return [row["a"] + row["b"] for row in rows]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([{"a": 1}, {"b": 1}], "row 1 lacks the column `a`"),
        ({"a": "x"}, "column `a`: expected a number"),
    ],
)
def test_rows_that_lack_a_column_or_are_not_valid_are_the_clients_fault(body: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        graph_of(Router.single({"m": Whole})).test(body)


class Answers(Model):
    def __init__(self, answers: Any) -> None:
        self.answers = answers

    def predict(self, rows: Rows) -> Any:
        return self.answers


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([1], "`Answers.predict` returned 1 answers for 2 rows"),
        ([], "`Answers.predict` returned 0 answers for 2 rows"),
        ([1, 2, 3], "`Answers.predict` returned 3 answers for 2 rows"),
        (None, "`Answers.predict` returned nothing, not a list of one answer a row"),
        ("ab", "`Answers.predict` returned a str, not a list of one answer a row"),
        ({"a": 1, "b": 2}, "`Answers.predict` returned a dict, not a list of one answer a row"),
        (1.5, "`Answers.predict` returned a float, not a list of one answer a row"),
        (np.array([1.0]), "`Answers.predict` returned 1 answers for 2 rows"),
    ],
)
def test_a_model_that_does_not_answer_each_row_is_our_fault_and_says_how(answers: Any, message: str) -> None:
    with pytest.raises(ModelAnswerError) as caught:
        Answers(answers).call([{"x": 1}, {"x": 2}])

    assert str(caught.value) == message


@pytest.mark.parametrize(
    "answers",
    [[1, 2], (1, 2), np.array([1, 2]), iter([1, 2]), [np.int64(1), np.float64(2)], (number for number in (1, 2))],
)
def test_answers_may_be_any_sequence_and_become_json_values(answers: Any) -> None:
    call = Answers(answers).call([{"x": 1}, {"x": 2}])

    assert call.answers == [1, 2]
    assert all(type(answer) in {int, float} for answer in call.answers)
    assert call.outputs == [1.0, 2.0]


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ({"prediction": "late", "probability": 0.7}, 0.7),
        ({"prediction": 3}, 3.0),
        ({"prediction": "late"}, None),
        (True, 1.0),
        ("late", None),
        (None, None),
        ([1, 2], None),
    ],
)
def test_what_monitoring_keeps_of_an_answer_is_its_probability_else_its_prediction(answer: Any, output: Any) -> None:
    assert Answers([answer]).call([{}]).outputs == [output]


def test_preprocess_may_make_something_else_than_rows() -> None:
    class Matrix(Model):
        def preprocess(self, rows: Rows) -> Any:
            return np.array([[row["a"], row["b"]] for row in rows])

        def predict(self, rows: Any) -> Any:
            return rows.sum(axis=1)

    call = Matrix().call([{"a": 1, "b": 2}, {"a": 3, "b": 4}])

    assert call.answers == [3, 7]
    assert call.columns == {"a": [1, 3], "b": [2, 4]}


class Doubles(Model):
    def preprocess(self, rows: Rows) -> Rows:
        return [row for row in rows for _ in range(2)]

    def predict(self, rows: Rows) -> list[Any]:
        return [row["a"] for row in rows[::2]]


class TakesOut(Model):
    def preprocess(self, rows: Rows) -> Rows:
        rows[:] = [row for row in rows if row["a"]]
        return rows

    def predict(self, rows: Rows) -> list[Any]:
        return [row["a"] for row in rows]


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (Doubles, "`Doubles.preprocess` left 4 rows of 2; it must leave as many"),
        (TakesOut, "`TakesOut.preprocess` left 1 rows of 2; it must leave as many"),
    ],
)
@pytest.mark.parametrize("is_observed", [True, False])
def test_a_preprocess_that_leaves_another_number_of_rows_is_refused(
    model: type[Model], text: str, is_observed: bool
) -> None:
    made = model()
    made.is_observed = is_observed

    with pytest.raises(ModelAnswerError) as caught:
        made.call([{"a": 1}, {"a": 0}])

    assert str(caught.value) == text


def test_a_model_without_predict_says_so() -> None:
    class Empty(Model):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty defines no `predict\(self, rows\)`"):
        Empty().call([{}])


class Misspelt(Model):
    def predit(self, rows: Rows) -> list[Any]:
        return [1 for _ in rows]


class OnlyLoads(Model):
    def load(self) -> None:
        """Read nothing."""


class SetInLoad(Model):
    def load(self) -> None:
        self.predict = lambda rows: [7 for _ in rows]  # type: ignore[method-assign]  # what some do


class SetWhenMade(Model):
    def __init__(self) -> None:
        self.predict = lambda rows: [7 for _ in rows]  # type: ignore[method-assign]  # what some do


class OwnCall(Model):
    def call(self, rows: Rows) -> ModelCall:
        return ModelCall(answers=[7 for _ in rows], columns={}, outputs=())


def test_a_graph_with_a_model_that_does_not_predict_is_refused_with_the_name_that_was_meant() -> None:
    graph = Graph("g")
    graph.to(Router.single({"m": Misspelt}), "r")

    with pytest.raises(InvalidStepError) as caught:
        graph.compile()

    assert str(caught.value) == "step `r` has the route `m`, and the model `Misspelt` has no `predict`"
    assert caught.value.hint == "did you mean `predict` by `predit`?"


def test_a_graph_with_a_model_that_has_no_predict_when_it_is_loaded_is_refused() -> None:
    graph = Graph("g")
    graph.to(Router.single({"m": OnlyLoads}))

    with pytest.raises(InvalidStepError, match="the model `OnlyLoads` has no `predict`"):
        graph.compile()


@pytest.mark.parametrize("model", [SetInLoad, SetWhenMade, OwnCall])
@pytest.mark.parametrize("load", ["start", "first-use"])
def test_a_model_may_get_its_predict_when_it_is_made_or_loaded(model: type[Model], load: Any) -> None:
    graph = Graph("g")
    graph.to(Router.single({"m": Route(model, load=load)}))

    assert graph.test({"x": 1}) == 7


def test_operations_are_explain_where_it_is_written_and_the_methods_that_begin_with_op() -> None:
    assert Telling("a").operations == ("explain", "double")
    assert Answers([1]).operations == ()
    assert Telling("a").operate("double", [{"n": 2}, {"n": 3}]) == [4, 6]
    with pytest.raises(UnknownPathError, match=r"the model has no operation `predict`; operations: `infer`$"):
        Answers([1]).operate("predict", [{}])


def test_an_operation_that_does_not_answer_each_row_is_our_fault() -> None:
    class Short(Telling):
        def op_double(self, rows: Rows) -> list[Any]:
            return []

    with pytest.raises(ModelAnswerError, match=r"`Short.op_double` returned 0 answers for 1 rows"):
        Short("a").operate("double", [{"n": 1}])


class Coroutine(Model):
    async def predict(self, rows: Rows) -> list[Any]:  # type: ignore[override]  # what is refused
        return [1]


class Raising(Model):
    def __init__(self) -> None:
        raise ValueError("no such file")


class RaisingLate(Model):
    def load(self) -> None:
        raise ValueError("no such file")


class NoModel:
    pass


@pytest.mark.parametrize(
    ("route", "error", "message"),
    [
        (Coroutine, InvalidStepError, "has the route `m`, whose `predict` is a coroutine function"),
        (NoModel, InvalidStepError, "has the route `m`, and `.*NoModel` is no model"),
        (
            Route(Whole, arguments={"ofset": 1}),
            InvalidStepError,
            "step `choose.m` is of the class `Whole`, and takes no argument `ofset`",
        ),
        ("tests.unit.serving.routed:ask", InvalidStepError, "has the route `m`, and `.*:ask` is no class"),
        (Raising, GraphCodeError, "the model `m`"),
        (RaisingLate, GraphCodeError, "the model `m`"),
    ],
)
def test_a_class_that_cannot_be_a_model_is_refused_when_the_graph_is_compiled(
    route: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        graph_of(Router.single({"m": route})).compile()


class Doubled(Ones):
    """Has its own `postprocess`, in the object and not in its class."""

    def load(self) -> None:
        self.postprocess = lambda answers: [2 * answer for answer in answers]  # type: ignore[method-assign, operator]


@pytest.mark.parametrize("is_observed", [True, False])
def test_what_a_model_puts_around_predict_in_load_is_called(is_observed: bool) -> None:
    model = Doubled()
    model.is_observed = is_observed
    model.load()

    assert model.call([{"a": 1}, {"a": 2}]).answers == [2, 2]


def test_a_model_opens_the_file_that_its_route_names_and_the_graph_takes_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FromFile(Model):
        def __init__(self, path: str) -> None:
            self.path, self.factor = path, 0.0

        def load(self) -> None:
            self.factor = float(Path(self.path).read_text())

        def predict(self, rows: Rows) -> list[Any]:
            return [self.factor * row["a"] for row in rows]

    monkeypatch.chdir(tmp_path)
    Path("factor.txt").write_text("2.5")
    graph = Graph("g", files=["factor.txt"])
    graph.to(Router.single({"m": Route(FromFile, arguments={"path": "factor.txt"})}))

    assert graph.test({"a": 2}) == 5.0
    assert graph.files == ("factor.txt",)
