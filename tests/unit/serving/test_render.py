from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.serving import Graph, Router, dot, mermaid, steps
from ci_core.testing.golden import assert_golden
from tests.unit.serving import pictured

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci_core.serving import GraphSpec

GOLDEN = Path(__file__).parents[2] / "golden" / "serving" / "pictures"
all_shapes = pytest.mark.parametrize("shape", pictured.SHAPES, ids=lambda shape: shape.__name__)


def sample() -> Graph:
    graph = Graph("churn")
    graph.to(steps.Impute(age=33)).to("serving.features:enrich").error_handler("serving.features:rescue").to(
        Router.single({"m1": "models/m1.onnx"})
    ).respond()
    return graph


def test_mermaid_shows_steps_models_the_error_path_and_the_answer() -> None:
    assert mermaid(sample().spec) == (
        "flowchart LR\n"
        "  request([request])\n"
        '  n0["Impute<br/>age=33"]\n'
        '  n1["enrich<br/>serving.features:enrich"]\n'
        '  n2["rescue<br/>serving.features:rescue"]\n'
        '  n3{{"router<br/>single router<br/>m1: models/m1.onnx"}}\n'
        "  answer([answer])\n"
        "  request --> n0\n"
        "  n0 --> n1\n"
        "  n1 --> n3\n"
        "  n1 -. error .-> n2\n"
        "  n3 --> answer\n"
    )


def test_no_name_can_end_a_box_or_start_markup() -> None:
    graph = Graph("g")
    graph.to("m:f", 'x"] --> y[<img src=x>`end\nclick')

    box = mermaid(graph.spec).splitlines()[2]

    assert box == ('  n0["x#34;#93; --#62; y#91;#60;img src=x#62;#96;end click<br/>m:f"]')


def test_dot_quotes_names_and_dashes_the_error_path() -> None:
    graph = Graph('a "b"')
    graph.to("m:f", 'say "x\\"').error_handler("m:g", "rescue")

    text = dot(graph.spec)

    assert text.startswith('digraph "a \\"b\\"" {')
    assert 'label="say \\"x\\\\\\"\\nm:f"' in text
    assert '[label="error", style=dashed]' in text


def test_a_step_called_answer_is_a_box_of_its_own() -> None:
    graph = Graph("g")
    graph.to(steps.Impute(a=1), name="answer").respond()

    text = mermaid(graph.spec)

    assert "  n0 --> answer" in text
    assert "  request --> n0" in text


def _pay() -> Graph:
    graph = Graph("pay")
    fork = graph.choose("kind", {"card": "card", "cash": "cash"}, otherwise="cash", name="by-kind")
    card = fork.to("m:card", "card", function="heavy")
    card.error_handler("m:default", "default", back_to="price")
    cash = fork.to(Router.vote({"m1": "models/m1.onnx"}), "cash")
    graph.add_step("m:price", "price", after=[card, cash]).respond().queue("scored").to("m:store", "store")
    return graph


def test_mermaid_shows_choices_with_their_values_queues_functions_and_ways_back() -> None:
    lines = mermaid(_pay().spec).splitlines()

    assert lines == [
        "flowchart LR",
        "  request([request])",
        '  n0{"by-kind<br/>choice by kind"}',
        '  n1["card<br/>m:card<br/>in function heavy"]',
        '  n2["default<br/>m:default"]',
        '  n3{{"cash<br/>vote router<br/>m1: models/m1.onnx"}}',
        '  n4["price<br/>m:price"]',
        '  n5[("scored<br/>queue")]',
        '  n6["store<br/>m:store"]',
        "  answer([answer])",
        "  request --> n0",
        '  n0 -- "card" --> n1',
        '  n0 -- "cash, otherwise" --> n3',
        "  n1 --> n4",
        "  n3 --> n4",
        "  n4 --> n5",
        '  n5 -- "later" --> n6',
        "  n1 -. error .-> n2",
        "  n2 -. goes on .-> n4",
        "  n4 --> answer",
    ]


def test_the_picture_of_a_notebook_is_well_formed_and_names_every_step_and_branch() -> None:
    root = ET.fromstring(_pay()._repr_html_())

    texts = ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("text")]
    assert {"by-kind", "card", "default", "cash", "price", "scored", "store", "cash, otherwise"} <= set(texts)


@pytest.mark.parametrize("shape", [pictured.ensemble, pictured.handlers, pictured.queue], ids=lambda one: one.__name__)
def test_texts_of_known_graphs_are_as_reviewed(shape: Callable[[], GraphSpec]) -> None:
    assert_golden(GOLDEN / f"{shape.__name__}.mmd", mermaid(shape()))
    assert_golden(GOLDEN / f"{shape.__name__}.dot", dot(shape()))


_LABEL = r"(?:[\w ,.:/=-]|#\d+;|<br/>)+"
_NODE = rf'(?:\["{_LABEL}"\]|{{{{"{_LABEL}"}}}}|{{"{_LABEL}"}}|\[\("{_LABEL}"\)\]|\[\["{_LABEL}"\]\])'
_MERMAID_LINES = {
    "node": re.compile(rf"  (n\d+){_NODE}"),
    "arrow": re.compile(rf'  (\w+) (?:-->|-- "{_LABEL}" -->|-\. (?:error|goes on) \.->) (\w+)'),
}
"""What Mermaid understands of what we may write: each line is one of these, from its beginning to its end."""


def _check_mermaid(spec: GraphSpec) -> None:
    lines = mermaid(spec).splitlines()

    assert lines[:2] == ["flowchart LR", "  request([request])"]
    nodes = [_MERMAID_LINES["node"].fullmatch(line) for line in lines[2 : 2 + len(spec.steps)]]
    ids = {"request", "answer", *(node.group(1) for node in nodes if node)}
    assert None not in nodes
    assert len(ids) == len(spec.steps) + 2
    assert lines[2 + len(spec.steps)] == "  answer([answer])"
    for line in lines[3 + len(spec.steps) :]:
        arrow = _MERMAID_LINES["arrow"].fullmatch(line)
        assert arrow is not None, line
        assert set(arrow.groups()) <= ids


_QUOTED = r'"(?:[^"\\]|\\["\\n])*"'
_ATTRIBUTE = rf"(?:label={_QUOTED}|shape=\w+|style=\w+)"
_ATTRIBUTES = rf"\[{_ATTRIBUTE}(?:, {_ATTRIBUTE})*\]"
_DOT = re.compile(
    rf"digraph {_QUOTED} {{\n  rankdir=LR;\n  node {_ATTRIBUTES};\n"
    rf"(?:  {_QUOTED} {_ATTRIBUTES};\n)+(?:  {_QUOTED} -> {_QUOTED}(?: {_ATTRIBUTES})?;\n)+}}\n"
)
"""The part of Graphviz' grammar that we write: every text quoted, every escape a known one."""


def _check_dot(spec: GraphSpec) -> None:
    text = dot(spec)

    assert _DOT.fullmatch(text), text
    ids = set(re.findall(rf"^  ({_QUOTED}) \[", text, re.MULTILINE))
    ends = {end for pair in re.findall(rf"^  ({_QUOTED}) -> ({_QUOTED})", text, re.MULTILINE) for end in pair}
    assert ends <= ids
    assert len(ids) == len(spec.steps) + 2
    assert not re.search(r"&(?!amp;)", text)


@all_shapes
def test_mermaid_and_dot_of_every_shape_follow_their_grammar(shape: Callable[[], GraphSpec]) -> None:
    _check_mermaid(shape())
    _check_dot(shape())


@given(st.lists(st.text(st.characters(), min_size=1), min_size=2, max_size=4, unique=True))
def test_no_name_leaves_the_grammar_of_mermaid_or_dot(names: list[str]) -> None:
    graph = Graph(names[0])
    fork = graph.choose("kind", {names[1]: f"step {names[0]}"}, otherwise=f"step {names[1]}", name="choice")
    for name in names[:2]:
        fork.to("m:f", f"step {name}", arguments={name: names[-1]})

    _check_mermaid(graph.spec)
    _check_dot(graph.spec)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("1. one", "1#46; one"),
        ("- x", "#45; x"),
        ("=== y", "#61;== y"),
        ("__init__", "#95;#95;init#95;#95;"),
        ("a_b", "a_b"),
        ("http://x.y", "http:/#47;x.y"),
        ("www.x.org", "www#46;x.org"),
        ("# h *b*", "#35; h #42;b#42;"),
    ],
)
def test_mermaid_does_not_take_a_name_for_markdown(name: str, written: str) -> None:
    graph = Graph("g")
    graph.to("m:f", name)

    assert mermaid(graph.spec).splitlines()[2] == f'  n0["{written}<br/>m:f"]'


def test_a_branch_called_error_is_no_way_to_an_error_handler() -> None:
    graph = Graph("g")
    graph.choose("kind", {"error": "a"}, name="choice").to("m:a", "a")

    assert '  n0 -- "error" --> n1' in mermaid(graph.spec).splitlines()
    assert '"step 0" -> "step 1" [label="error"];' in dot(graph.spec)


def test_the_handler_of_the_whole_graph_says_that_it_is_one() -> None:
    lines = mermaid(pictured.handlers()).splitlines()

    assert any(line.endswith('["tell<br/>m:tell<br/>handles every other error"]') for line in lines)


def test_a_step_whose_name_is_a_blank_has_a_box_with_a_text() -> None:
    graph = Graph("g")
    graph.choose("kind", {" ": " "}, name="choice").to(lambda body: body, " ")

    lines = mermaid(graph.spec).splitlines()

    assert '  n1["lambda"]' in lines
    assert "  n0 --> n1" in lines
