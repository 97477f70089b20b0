from __future__ import annotations

import xml.etree.ElementTree as ET

from ci_core.serving import Graph, Router, dot, mermaid, steps


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

    assert box == ('  n0["x#34;#93; --#62; y#91;#60;img src=x#62;#96;end#10;click<br/>m:f"]')


def test_dot_quotes_names_and_dashes_the_error_path() -> None:
    graph = Graph('a "b"')
    graph.to("m:f", 'say "x\\"').error_handler("m:g", "rescue")

    text = dot(graph.spec)

    assert text.startswith('digraph "a \\"b\\"" {')
    assert '"step say \\"x\\\\\\""' in text
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
        '  n5[("scored<br/>queue scored")]',
        '  n6["store<br/>m:store"]',
        "  answer([answer])",
        "  request --> n0",
        '  n0 -- "card" --> n1',
        '  n0 -- "cash, otherwise" --> n3',
        "  n1 --> n4",
        "  n3 --> n4",
        "  n4 --> n5",
        "  n5 --> n6",
        "  n1 -. error .-> n2",
        "  n2 -. goes on .-> n4",
        "  n4 --> answer",
    ]


def test_the_picture_of_a_notebook_is_well_formed_and_names_every_step_and_branch() -> None:
    root = ET.fromstring(_pay()._repr_html_())

    texts = ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("text")]
    assert {"by-kind", "card", "default", "cash", "price", "scored", "store", "cash, otherwise"} <= set(texts)
