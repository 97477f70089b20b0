"""Remote steps as words of a graph: what may be written, what it means, and what is never shown."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from ci_core.errors import InvalidStepError, MissingSecretError
from ci_core.serving import Context, Event, Graph, GraphSpec, steps
from ci_core.serving.problems import RequestError

URL = "http://features:8080"


def context(**environment: str) -> Context:
    return Context(
        graph="g", release=None, logger=logging.getLogger("test"), step="users", environment=dict(environment)
    )


def test_only_what_differs_from_the_defaults_is_an_argument() -> None:
    step = steps.Remote(URL, path="/v1/users/{id}", method="GET", headers={"x-team": "ml"}, timeout=10.0)

    assert dict(step.arguments) == {
        "url": URL,
        "path": "/v1/users/{id}",
        "method": "GET",
        "headers": {"x-team": "ml"},
    }


@pytest.mark.parametrize("step", ["Remote", "BatchRemote"])
def test_repetitions_beside_those_of_the_step_itself_are_refused_where_the_graph_is_written(step: str) -> None:
    fact = f"step `users` is a `{step}`, which repeats its calls itself; `retries` beside that would multiply with it"
    steps_of: dict[str, Any] = {"name": "users", "step": step, "with": {"url": URL, "retries": 1}, "retries": 3}

    with pytest.raises(InvalidStepError, match=fact) as in_python:
        Graph("g").to(getattr(steps, step)(URL), "users", retries=3)
    with pytest.raises(InvalidStepError, match=fact) as in_yaml:
        Graph.from_spec(GraphSpec.from_dict({"name": "g", "steps": [steps_of]})).check()
    hint = f"give the number to `{step}` alone: `steps.{step}(url, retries=3)`, in YAML `with: {{retries: 3}}`"
    assert (in_python.value.hint, in_yaml.value.hint) == (hint, hint)


def test_a_step_made_again_from_its_arguments_is_the_same() -> None:
    words: dict[str, Any] = {
        "url": "unix:/run/f.sock",
        "path": "/{a}",
        "method": "PUT",
        "query": {"id": "user.id"},
        "body": {"x": "a.b"},
        "headers": {"authorization": {"env": "TOKEN"}},
        "forward_headers": ["x-user"],
        "answer": "text",
        "timeout": 1.5,
        "retries": 0,
        "retry_wait": 1.0,
        "repeatable": True,
        "pass_statuses": [404],
        "max_in_flight": 3,
        "max_waiting": 0,
        "breaker_failures": 1,
        "breaker_wait": 2.5,
        "max_answer_bytes": 100,
    }

    step = steps.BatchRemote(**words)

    assert dict(step.arguments) == words
    again: dict[str, Any] = dict(step.arguments)
    assert dict(steps.BatchRemote(**again).arguments) == words


def test_python_and_yaml_are_two_spellings_of_one_graph() -> None:
    graph = Graph("g")
    graph.to(steps.Remote(URL, path="/v1/{id}", method="GET", query={"q": "id"}), result_path="features").respond()

    read = GraphSpec.from_dict(
        {
            "name": "g",
            "steps": [
                {
                    "name": "Remote",
                    "step": "Remote",
                    "with": {"url": URL, "path": "/v1/{id}", "method": "GET", "query": {"q": "id"}},
                    "result-path": "features",
                    "respond": True,
                }
            ],
        }
    )

    assert graph.spec == read
    assert GraphSpec.from_dict(read.to_dict()) == read


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"url": "ftp://x"}, "has an `url` that begins neither with http://"),
        ({"url": "http://ada:pw@x"}, "has an `url` that holds a user or a password"),
        ({"url": 3}, "has a `url` that is no text"),
        ({"path": "v1"}, "has a wrong `path`: it does not begin with `/`"),
        ({"method": "TRACE"}, "has the method `TRACE`"),
        ({"query": {"a": 3}}, "has a wrong `query`: of `a`, it is neither"),
        ({"query": ["a"]}, "has `query` that are no mapping"),
        ({"body": 3}, "has a wrong `body`"),
        ({"headers": {"authorization": "Bearer x"}}, "has the secret of the header `authorization` in the graph"),
        ({"forward_headers": "x-user"}, "has `forward_headers` that are no list"),
        ({"answer": "xml"}, "has the answer `xml`; answers are json, text, bytes"),
        ({"pass_statuses": [500]}, "has `pass_statuses` other than 400 to 499"),
        ({"timeout": 0}, "has the `timeout` 0; expected a number, at least 0.001"),
        ({"timeout": float("nan")}, "has the `timeout` nan"),
        ({"timeout": float("inf")}, "has the `timeout` inf"),
        ({"timeout": "3"}, "has the `timeout` '3'"),
        ({"retries": -1}, "has the `retries` -1"),
        ({"retries": 1.5}, "has the `retries` 1.5"),
        ({"max_in_flight": 0}, "has the `max_in_flight` 0; expected a number, at least 1"),
        ({"breaker_failures": True}, "has the `breaker_failures` True"),
    ],
)
def test_a_word_that_makes_no_sense_is_told_where_the_step_is_written(words: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidStepError) as caught:
        steps.Remote(**{"url": URL, **words})

    assert reason in caught.value.fact
    assert caught.value.step == "Remote"


def test_a_mistake_in_a_graph_file_names_the_step() -> None:
    spec = GraphSpec.from_dict(
        {"name": "g", "steps": [{"name": "users", "step": "Remote", "with": {"url": "ftp://x"}, "respond": True}]}
    )

    with pytest.raises(InvalidStepError) as caught:
        Graph.from_spec(spec).compile()

    assert caught.value.step == "users"


def test_an_unknown_word_is_told_with_those_that_exist() -> None:
    spec = GraphSpec.from_dict(
        {"name": "g", "steps": [{"name": "users", "step": "Remote", "with": {"url": URL, "verb": "GET"}}]}
    )

    with pytest.raises(InvalidStepError, match="is of the class `Remote`, and takes no argument `verb`") as caught:
        Graph.from_spec(spec).compile()

    assert "method" in (caught.value.hint or "")


def test_a_missing_secret_is_told_when_the_graph_is_compiled_with_step_and_variable() -> None:
    graph = Graph("g")
    graph.to(steps.Remote(URL, headers={"authorization": {"env": "FEATURES_TOKEN"}}), "users").respond()

    with pytest.raises(MissingSecretError) as caught:
        graph.compile()

    assert (caught.value.step, caught.value.variable) == ("users", "FEATURES_TOKEN")


def test_an_empty_secret_is_a_missing_one() -> None:
    with pytest.raises(MissingSecretError):
        steps.Remote(URL, headers={"x-key": {"env": "TOKEN"}}, context=context(TOKEN=""))


def test_a_secret_is_shown_by_nothing_that_has_it() -> None:
    given = context(TOKEN="s3cr3t")

    step = steps.Remote(URL, headers={"authorization": {"env": "TOKEN", "prefix": "Bearer "}}, context=given)

    assert "s3cr3t" not in repr(step)
    assert "s3cr3t" not in repr(given)
    assert "s3cr3t" not in repr(step.arguments)
    assert "s3cr3t" not in repr(step.state)
    assert step.arguments["headers"] == {"authorization": {"env": "TOKEN", "prefix": "Bearer "}}


def test_a_secret_that_no_header_may_have_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidStepError) as caught:
        steps.Remote(URL, headers={"x-key": {"env": "TOKEN"}}, context=context(TOKEN="s3cr3t\r\nx: y"))

    assert "s3cr3t" not in str(caught.value)
    assert caught.value.step == "users"


def test_a_body_that_is_neither_rows_nor_an_object_is_refused_by_a_batch() -> None:
    step = steps.BatchRemote(URL)

    with pytest.raises(RequestError, match="expected a list with one item for each call, or one object, found str"):
        asyncio.run(step.do_event(Event("a")))


@pytest.mark.parametrize("place", [{"path": "/{country}"}, {"query": {"c": "country"}}, {"body": {"c": "country"}}])
def test_rows_of_which_a_field_is_wanted_are_refused_with_the_step_that_takes_them(place: dict[str, Any]) -> None:
    step = steps.Remote(URL, **place)

    with pytest.raises(RequestError) as caught:
        asyncio.run(step.do_event(Event([{"country": "no"}])))
    assert caught.value.message == (
        "the body is a list, and `country` is a field of an object; a step `BatchRemote` makes a call for each"
    )


def test_an_empty_batch_asks_nobody() -> None:
    assert asyncio.run(steps.BatchRemote(URL).do_event(Event([]))) == []


def test_a_body_that_is_no_json_is_refused_before_anybody_is_asked() -> None:
    step = steps.Remote(URL)

    with pytest.raises(RequestError, match="the body cannot be sent as JSON"):
        asyncio.run(step.do_event(Event({"a": object()})))
    assert step.state.attempts == 0
