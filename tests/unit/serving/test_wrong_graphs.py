"""What authors of graphs write wrongly in Python: one clear error each, at the line that is wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ci_core.errors import GraphshipError
from ci_core.serving import Graph, GraphSpec, Model, Route, Router, steps

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS: Any = steps
ROUTER: Any = Router
ROUTE: Any = Route
GRAPH: Any = Graph


class Risk(Model):
    """A model, which only a router asks."""

    def predict(self, rows: Any) -> Any:
        return [1.0 for _ in rows]


class Fitted:
    """As scikit-learn's: an object with `predict`."""

    def predict(self, table: Any) -> Any:
        return table


class Nothing:
    """Has no method."""


class Runs:
    """Has a method, of another name."""

    def run(self, body: Any) -> Any:
        return body


class Needs:
    """A step that is constructed with an argument."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def do(self, body: Any) -> Any:
        return body


class Forgets:
    """Its method takes no body."""

    def do(self) -> int:
        return 1


def clean(body: Any) -> Any:
    return body


def pair(body: Any, other: Any) -> Any:
    return body, other


def many(body: Any) -> Any:
    yield body


def graph() -> Any:
    return Graph("g")


_TO_ROUTER = '`graph.to(Router.single({"m1": Risk}))`'
_BUILT_IN = "built-in steps: `BatchRemote`, `Drop`, `ExtractDate`, `Impute`, `MapValues`, `OneHotEncode`, "
_NAMED = "a function is given by its name, `graph.to(clean)`, not by its result, `graph.to(clean(body))`"
_STEP = "a step is a function, or a class with a method `do(self, body)` or `do_event(self, event)`"
_A_ROUTE = 'such as `{"m1": "models/m1.onnx"}`'
_BRANCHES = 'such as `{"card": "by-card", "cash": "in-cash"}`; left out, the value is the name of the step'

WRITTEN: dict[str, tuple[Callable[[], object], str, str | None]] = {
    "a model": (
        lambda: graph().to(Risk),
        "step `Risk` is the model `Risk`, which a router asks",
        _TO_ROUTER,
    ),
    "an object of a model": (
        lambda: graph().to(Risk()),
        "step `Risk` is an object of `Risk`, which cannot be called",
        f"{_TO_ROUTER}: the class, which is constructed when the graph is compiled",
    ),
    "a fitted model": (
        lambda: graph().to(Fitted(), "score"),
        "step `score` is an object of `Fitted`, which cannot be called",
        (
            "save it to a file, by `skops.io.dump` or as ONNX, "
            'and write `graph.to(Router.single({"m1": "models/m1.skops"}))`'
        ),
    ),
    "a class without a method": (
        lambda: graph().to(Nothing),
        "step `Nothing` is the class `Nothing`, which has no method that a step is called by",
        "give it `do(self, body)`; for an object of each body write `lambda body: Nothing(body)`",
    ),
    "a class with another method": (
        lambda: graph().to(Runs),
        "step `Runs` is the class `Runs`, which has no method that a step is called by",
        (
            "give it `do(self, body)`, or name its method: `handler='run'`; "
            "for an object of each body write `lambda body: Runs(body)`"
        ),
    ),
    "an object without a method": (
        lambda: graph().to(Nothing()),
        "step `Nothing` is an object of `Nothing`, which cannot be called",
        _STEP,
    ),
    "a module": (lambda: graph().to(sys), "step `module` is an object of `module`, which cannot be called", _STEP),
    "nothing": (lambda: graph().to(None), "step `NoneType` is None, which cannot be called", _NAMED),
    "what a function returned": (lambda: graph().to(clean(3)), "step `int` is 3, which cannot be called", _NAMED),
    "a list of steps": (
        lambda: graph().to([clean, clean]),
        "step `list` is an object of `list`, which cannot be called",
        "add one step after the other: `graph.to(first).to(second)`",
    ),
    "a step that is there": (
        lambda: (one := graph()).to(one.to(clean)),
        "step `Node` is an object of `Node`, which cannot be called",
        "a step that is in the graph is named as an input: `graph.add_step(step, after=[one, other])`",
    ),
    "a route": (
        lambda: graph().to(Route("m.onnx")),
        "step `Route` is an object of `Route`, which cannot be called",
        '`graph.to(Router.single({"m1": Route("models/m1.onnx")}))`',
    ),
    "the class of routers": (
        lambda: graph().to(Router),
        "step `Router` is `Router` itself",
        '`graph.to(Router.single({"m1": "models/m1.onnx"}))`',
    ),
    "a router not called": (
        lambda: graph().to(Router.vote),
        "step `vote` is `Router.vote` itself",
        'call it: `Router.vote({"m1": "models/m1.onnx"})`',
    ),
    "a function of nothing": (
        lambda: graph().to(lambda: 1),
        "step `lambda` takes no argument, and is called with one argument, the body",
        "give it one parameter, the body",
    ),
    "a function of two": (
        lambda: graph().to(pair),
        "step `pair` takes `body`, `other`, and is called with one argument, the body",
        "give `other` a default, or make it a class: what stays the same is for its constructor",
    ),
    "a generator": (
        lambda: graph().to(many),
        "step `many` is a generator, and a step has one result",
        "return a list instead of `yield`",
    ),
    "a word that is nothing": (
        lambda: graph().to("whatever"),
        "step `whatever` is `whatever`, which is neither `module:name` nor a built-in step",
        f"{_BUILT_IN}`Remote`, `SetEvent`, `Validate`",
    ),
    "a built-in in lower case": (
        lambda: graph().to("impute", age=3),
        "step `impute` is `impute`, which is neither `module:name` nor a built-in step",
        "did you mean `Impute`?",
    ),
    "a dot for a colon": (
        lambda: graph().to("math.sqrt"),
        "step `math.sqrt` is `math.sqrt`, which is neither `module:name` nor a built-in step",
        "did you mean `math:sqrt`?",
    ),
    "a router of MLRun": (
        lambda: graph().to("*serving.VotingEnsemble", "vote"),
        "step `vote` is `*serving.VotingEnsemble`, which is neither `module:name` nor a built-in step",
        "`Router.vote({…})` of labels, `Router.mean({…})` of numbers; in YAML `router: vote`",
    ),
    "a path for a module": (
        lambda: graph().to("serving/features.py:enrich", "enrich"),
        "step `enrich` is `serving/features.py:enrich`, which has a module that is written as a path",
        "did you mean `serving.features:enrich`?",
    ),
    "a module and no name": (
        lambda: graph().to("math:"),
        "step `math:` is `math:`, which is not of the form `module:name`",
        "such as `serving.features:enrich`",
    ),
    "a model file": (
        lambda: graph().to("models/m1.onnx"),
        "step `models/m1.onnx` is `models/m1.onnx`, which is neither `module:name` nor a built-in step",
        'a router asks models: `Router.single({"m1": "models/m1.onnx"})`; in YAML `router: single` with `routes`',
    ),
    "no module of that name": (
        lambda: _compiled("no_such_module:f"),
        "step `f` is `no_such_module:f`, and there is no module `no_such_module`",
        "install the package, or add the file to the project",
    ),
    "no function of that name": (
        lambda: _compiled("colorsys:rgb_to_hvs"),
        "step `rgb_to_hvs` is `colorsys:rgb_to_hvs`, and `*` defines no `rgb_to_hvs`",
        "did you mean `rgb_to_hsv`?",
    ),
    "a misspelt option of a function": (
        lambda: graph().to(clean, retry=3),
        "step `clean` is a function, and takes no argument `retry`",
        "did you mean `retries`?",
    ),
    "an argument of a function": (
        lambda: graph().to(clean, threshold=3),
        "step `clean` is a function, and takes no argument `threshold`",
        "make it a class with `__init__(self, threshold)` and `do(self, body)`",
    ),
    "a misspelt option of a class": (
        lambda: graph().to(Needs, limit=1, tiemout=3),
        "step `Needs` is of the class `Needs`, and takes no argument `tiemout`",
        "did you mean `timeout`?",
    ),
    "a misspelt argument of a class": (
        lambda: graph().to(Needs, limits=1),
        "step `Needs` is of the class `Needs`, and takes no argument `limits`",
        "did you mean `limit`?",
    ),
    "a misspelt option of a router": (
        lambda: graph().to(Router.single({"m": Risk}), retry=3),
        "step `router` is a router, and takes no argument `retry`",
        "did you mean `retries`?",
    ),
    "a misspelt option of a graph": (
        lambda: graph().to(Graph("inner"), "inner", time_out=3),
        "step `inner` is a graph, and takes no argument `time_out`",
        "did you mean `timeout`?",
    ),
    "an argument of an object": (
        lambda: graph().to(Needs(1), limit=2),
        "step `Needs` is an object, and takes no argument `limit`",
        "it takes none",
    ),
    "a missing argument of a class": (
        lambda: _compiled(Needs),
        "step `Needs` cannot be constructed: missing a required argument: 'limit'",
        "`Needs` takes `limit`",
    ),
    "a method without a body": (
        lambda: _compiled(Forgets),
        "step `Forgets` takes no argument, and is called with one argument, the body",
        "give it one parameter, the body",
    ),
    "a misspelt handler": (
        lambda: _compiled(Runs, handler="rum"),
        "step `Runs` has the handler `rum`, and its class has no such method",
        "did you mean `run`?",
    ),
    "a handler of a function": (
        lambda: _compiled(clean, handler="do"),
        "step `clean` has the handler `do`, and is a function",
        "a handler is a method of a class; a function is called itself",
    ),
    "a name that is no text": (
        lambda: graph().to(clean, 5),
        "step `clean` has the name 5: expected a text",
        'such as `name="score"`; arguments of a class are given by their names',
    ),
    "a time as a text": (
        lambda: graph().to(clean, timeout="2s"),
        'step `clean` has the `timeout` "2s": expected a number of seconds above 0',
        None,
    ),
    "a count that is none": (
        lambda: graph().to(clean, retries=1.5),
        "step `clean` has the `retries` 1.5: expected a whole number from 0",
        None,
    ),
    "a switch as a text": (
        lambda: graph().to(clean, blocking="yes"),
        'step `clean` has the `blocking` "yes": expected true or false',
        None,
    ),
    "a path that is no text": (
        lambda: graph().to(clean, result_path=True),
        "step `clean` has the `result_path` true: expected text",
        None,
    ),
    "arguments that are no names": (
        lambda: graph().to(Needs, arguments=[1]),
        "`add_step` has the `arguments` a list: expected names and values",
        'such as `arguments={"path": "data/t.npz"}`',
    ),
    "no step": (lambda: graph().to(), "`to` lacks the argument `step`", "it takes `step`, `name`, `options`"),
    "a place in a chain": (
        lambda: graph().to(clean).to(clean, "b", after="clean"),
        "`to` takes no `after`: where the step stands is said by what it is called on",
        "`graph.add_step(step, after=…)` takes it",
    ),
    "an unknown step before": (
        lambda: _checked(lambda one: one.add_step(clean, after="claen")),
        "step `clean` comes after `claen`, which the graph `g` does not define",
        "did you mean `clean`?",
    ),
    "an unknown step behind": (
        lambda: graph().add_step(clean, before="late"),
        "step `clean` comes before `late`, which the graph `g` does not define",
        "name a step that is defined, or add one named `late`",
    ),
    "a place that is no step": (
        lambda: graph().add_step(clean, after=5),
        "`add_step` has `after` 5: expected a step, or a list of steps",
        'by name, `after="clean"`, or what `to` returned',
    ),
    "a place in another graph": (
        lambda: graph().add_step(clean, "b", after=graph().to(clean)),
        "`add_step` has `after` with the step `clean` of another graph",
        "a whole graph can be a step: `to(graph)`",
    ),
    "a misspelt way back": (
        lambda: graph().to(clean).error_handler(clean, "h", backto="b"),
        "step `h` is a function, and takes no argument `backto`",
        "did you mean `back_to`?",
    ),
    "a way back of the graph": (
        lambda: graph().error_handler(clean, back_to="b"),
        "`graph.error_handler` takes no `back_to`",
        "only the handler of one step knows where the flow goes on: `graph.to(step).error_handler(…)`",
    ),
    "a misspelt option of a choice": (
        lambda: graph().choose("kind", otherwis="a"),
        "`choose` takes no argument `otherwis`",
        "did you mean `otherwise`?",
    ),
    "a choice by nothing": (
        lambda: graph().choose(None),
        "step `choice` chooses by null: expected a field of the body, or a function of it",
        'such as `graph.choose("kind")`',
    ),
    "branches that are a list": (
        lambda: graph().choose("kind", ["a", "b"]),
        "step `choice` has the branches a list: expected values and names of steps",
        _BRANCHES,
    ),
    "a branch that is a step": (
        lambda: (one := graph()).choose("kind", {"a": one.to(clean)}),
        "step `choice` has the branch \"a\": expected the name of a step, found Node('clean' of Graph('g', 1 steps))",
        _BRANCHES,
    ),
    "a misspelt option of a queue": (
        lambda: graph().queue("s", max_delivery=3),
        "`queue` takes no argument `max_delivery`",
        "did you mean `max_deliveries`?",
    ),
    "a queue without a name": (
        lambda: graph().queue(5),
        "step `queue` is the queue 5: expected the name of a stream",
        'such as `graph.queue("scored")`',
    ),
    "a graph without a name": (
        GRAPH,
        "`Graph` lacks the argument `name`",
        "it takes `name`, `files`, `timeout`, `inputs`",
    ),
    "a misspelt option of the graph": (
        lambda: GRAPH("g", timeot=2),
        "`Graph` takes no argument `timeot`",
        "did you mean `timeout`?",
    ),
    "a time of the graph as a text": (
        lambda: GRAPH("g", timeout="2s"),
        '`Graph` has the `timeout` "2s": expected a number of seconds above 0',
        "such as `timeout=2.5`",
    ),
    "one file as a text": (
        lambda: GRAPH("g", files="data.csv"),
        '`Graph` has the `files` "data.csv": expected a list of paths',
        'such as `files=["data.csv"]`',
    ),
    "a misspelt type of a column": (
        lambda: GRAPH("g", inputs={"age": "intt?"}),
        'the input `age` is of the type "intt?", which is none',
        "did you mean `integer?`?",
    ),
    "a type of Python": (
        lambda: GRAPH("g", inputs={"age": float}),
        "the input `age` is of the type <class 'float'>, which is none",
        "did you mean `number`?",
    ),
    "inputs that are a list": (
        lambda: GRAPH("g", inputs=["age"]),
        "`Graph` has the `inputs` a list: expected names and types of columns",
        'such as `inputs={"age": "number?"}`',
    ),
    "a mapping for a spec": (
        lambda: GRAPH.from_spec({"name": "g"}),
        "`Graph.from_spec` takes a GraphSpec, found an object",
        "`Graph.from_spec(GraphSpec.from_dict(data))` takes a mapping",
    ),
    "a misspelt option of compile": (
        lambda: graph().compile(rot="."),
        "`compile` takes no argument `rot`",
        "did you mean `root`?",
    ),
    "headers that are a list": (
        lambda: _tested(headers=["x-event-id"]),
        "`test` has the `headers` a list: expected names and texts",
        'such as `headers={"x-event-id": "7"}`',
    ),
    "no steps": (
        lambda: graph().test(),
        "the graph `g` has no steps",
        'add one: `graph.to("serving.features:enrich")`',
    ),
    "two answers": (
        lambda: _checked(lambda one: one.to(clean, "a").respond().to(clean, "b").respond()),
        "the graph `g` would answer twice: `a`, `b` all respond",
        "leave `respond` on the one step whose result is the answer",
    ),
    "a list of models": (
        lambda: ROUTER.single(["models/a.onnx"]),
        "`Router.single` takes names and models, found a list",
        'give each a name: `{"a": "models/a.onnx"}`',
    ),
    "no models": (
        lambda: ROUTER.single(None),
        "`Router.single` takes names and models, found null",
        _A_ROUTE,
    ),
    "an empty ensemble": (lambda: ROUTER.vote({}), "`Router.vote` takes names and models, found none", _A_ROUTE),
    "a number for a name": (
        lambda: ROUTER.single({1: Risk}),
        "`Router.single` has the name 1 for a model: expected a text",
        _A_ROUTE,
    ),
    "an object for a model": (
        lambda: ROUTER.single({"m": Risk()}),
        "`Route` has an object of `Risk` for a model",
        "give its class, `Risk`; arguments by `Route(Risk, arguments={…})`",
    ),
    "a fitted model for a route": (
        lambda: ROUTER.single({"m": Fitted()}),
        "`Route` has an object of `Fitted` for a model",
        (
            "save it to a file, by `skops.io.dump` or as ONNX, "
            'and write `graph.to(Router.single({"m1": "models/m1.skops"}))`'
        ),
    ),
    "a Path for a model": (
        lambda: ROUTER.single({"m": Path("models/a.onnx")}),
        f"`Route` has an object of `{type(Path()).__name__}` for a model",
        'give its path as a text: `"models/a.onnx"`',
    ),
    "a function for a model": (
        lambda: ROUTER.single({"m": clean}),
        "`Route` has a function for a model",
        "a function is a step, `graph.to(function)`; a model is a file, or a class derived from `Model`",
    ),
    "weights and no models": (
        lambda: ROUTER.weighted(weights=[0.9, 0.1]),
        "`Router.weighted` lacks the argument `routes`",
        "it takes `routes`, `weights`, `key`",
    ),
    "misspelt weights": (
        lambda: ROUTER.weighted({"m": Risk}, weigths={"m": 1}),
        "`Router.weighted` takes no argument `weigths`",
        "did you mean `weights`?",
    ),
    "weights that are a list": (
        lambda: _compiled(ROUTER.weighted({"a": Risk, "b": Risk}, [0.9, 0.1])),
        "step `router` has the setting `weights`: expected a weight for each route, found a list",
        'such as `{"a": 1, "b": 1}`',
    ),
    "weights that are texts": (
        lambda: _compiled(ROUTER.weighted({"a": Risk, "b": Risk}, {"a": "0.9", "b": "0.1"})),
        'step `router` has the weight "0.9" for its route `a`: expected a number from 0',
        "write it without quotes",
    ),
    "a misspelt setting of a route": (
        lambda: ROUTE("m.onnx", colums=["a"]),
        "`Route` takes no argument `colums`",
        "did you mean `columns`?",
    ),
    "one column as a text": (
        lambda: ROUTE("m.onnx", columns="age"),
        '`Route` has the `columns` "age": expected a list of texts',
        'such as `columns=["age"]`',
    ),
    "a switch of a route": (
        lambda: ROUTE("m.onnx", batch=True),
        "`Route` has the `batch` true: expected one of `auto`, `on`, `off`",
        'write `batch="on"`',
    ),
    "a misspelt word of a route": (
        lambda: ROUTE("m.onnx", load="first_use"),
        '`Route` has the `load` "first_use": expected one of `start`, `background`, `first-use`',
        "did you mean `first-use`?",
    ),
    "a count of a route": (
        lambda: ROUTE("m.onnx", max_batch_rows="many"),
        '`Route` has the `max_batch_rows` "many": expected a whole number from 1',
        None,
    ),
    "a router of one's own that is an object": (
        lambda: ROUTER.custom(Nothing(), {"m": Risk}),
        "`Router.custom` takes the class of a router, found an object of `Nothing`",
        "arguments of its constructor are keywords of `Router.custom`",
    ),
    "a router of one's own with a dot": (
        lambda: ROUTER.custom("serving.Mine", {"m": Risk}),
        "`Router.custom` has the class `serving.Mine`, which is not of the form `module:Class`",
        "did you mean `serving:Mine`?",
    ),
    "a misspelt argument of a built-in": (
        lambda: STEPS.Remote("http://x", timout=3),
        "`Remote` takes no argument `timout`",
        "did you mean `timeout`?",
    ),
    "a missing argument of a built-in": (
        STEPS.Drop,
        "`Drop` lacks the argument `columns`",
        "it takes `columns`",
    ),
    "one column to drop": (
        lambda: STEPS.Drop("age"),
        'step `Drop` has the columns "age": expected a list',
        'write `["age"]`',
    ),
    "values of no column": (
        lambda: STEPS.MapValues({"M": 0, "F": 1}),
        "step `MapValues` has `values` that are not under the names of columns",
        'such as `values={"sex": {"M": 0, "F": 1}}`',
    ),
    "levels of no column": (
        lambda: STEPS.OneHotEncode(["Oslo", "Rome"]),
        "step `OneHotEncode` has `levels` that are not under the names of columns",
        'such as `levels={"city": ["Oslo", "Rome"]}`',
    ),
    "rules of no column": (
        lambda: STEPS.Validate(["age"]),
        "step `Validate` has `columns` that are not under the names of columns",
        'such as `columns={"age": {"type": "number"}}`',
    ),
}


def _compiled(step: Any, **options: Any) -> None:
    one = graph()
    one.to(step, **options)
    one.compile()


def _tested(**options: Any) -> None:
    one = graph()
    one.to(clean)
    one.test({}, **options)


def _checked(build: Callable[[Any], object]) -> None:
    one = graph()
    build(one)
    _ = one.spec


@pytest.mark.parametrize("case", WRITTEN)
def test_what_is_written_wrongly_is_told_in_one_sentence_with_what_to_write(case: str) -> None:
    write, fact, hint = WRITTEN[case]

    with pytest.raises(GraphshipError) as caught:
        write()

    before, star, after = fact.partition("*")
    told = caught.value.fact
    assert told == fact if not star else told.startswith(before) and told.endswith(after)
    assert caught.value.hint == hint


@pytest.mark.parametrize("step", [str, float, len, print, "Ada".join, dict, Needs(1), Needs(1).do])
def test_what_can_be_called_with_a_body_is_a_step(step: Any) -> None:
    one = graph()

    one.to(step, "step")

    assert one.compile().steps == ("step",)


def test_a_function_may_ask_for_the_context_beside_the_body() -> None:
    one = graph()
    one.to(lambda body, context: (body, context.step), "who")

    assert one.test(1) == (1, "who")


def test_a_spec_with_a_value_of_a_wrong_type_makes_no_graph() -> None:
    spec = GraphSpec.from_dict({"name": "g", "steps": [{"name": "a", "step": "m:f"}]})
    object.__setattr__(spec.steps[0], "retries", "3")

    with pytest.raises(GraphshipError, match='step `a` has the `retries` "3": expected a whole number from 0'):
        Graph.from_spec(spec)
