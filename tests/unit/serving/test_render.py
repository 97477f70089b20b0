from __future__ import annotations

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
