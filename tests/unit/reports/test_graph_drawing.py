from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.reports.graph_svg import MOST_NODES, graph_svg
from ci_core.reports.mermaid import flowchart
from ci_core.reports.report import Graph, GraphEdge, GraphNode
from ci_core.testing.sample_reports import sample_graph

names = st.integers(min_value=0, max_value=9).map(str)
edge_lists = st.lists(st.tuples(names, names), max_size=20)


@given(edge_lists, st.sampled_from(["right", "down"]))
def test_drawn_boxes_never_overlap(edges: list[tuple[str, str]], direction: str) -> None:
    graph = Graph(
        nodes=tuple(GraphNode(id=str(index), text="n" * (1 + 5 * (index % 5))) for index in range(10)),
        edges=tuple(GraphEdge(source=source, target=target) for source, target in edges),
    )

    svg = ET.fromstring(graph_svg(graph, direction=direction))  # type: ignore[arg-type]  # one of the two

    boxes = [tuple(float(rect.attrib[key]) for key in ("x", "y", "width", "height")) for rect in svg.iter("rect")]
    width, height = float(svg.attrib["width"]), float(svg.attrib["height"])
    assert len(boxes) == 10
    for index, (x, y, w, h) in enumerate(boxes):
        assert x >= 0
        assert y >= 0
        assert x + w <= width
        assert y + h <= height
        for other_x, other_y, other_w, other_h in boxes[index + 1 :]:
            assert x + w <= other_x or other_x + other_w <= x or y + h <= other_y or other_y + other_h <= y


def test_error_handlers_stand_below_the_flow_and_the_flow_runs_straight() -> None:
    graph = Graph(
        nodes=tuple(GraphNode(id=name, text=name) for name in ("handler", "a", "b")),
        edges=(GraphEdge(source="a", target="handler", text="on error"), GraphEdge(source="a", target="b")),
    )

    handler, a, b = (float(rect.attrib["y"]) for rect in ET.fromstring(graph_svg(graph)).iter("rect"))

    assert abs(a - b) < 0.2
    assert handler > b + 46


def test_a_text_beside_a_line_that_goes_down_is_on_the_picture() -> None:
    graph = Graph(
        nodes=(GraphNode(id="a", text="a"), GraphNode(id="b", text="b")),
        edges=(GraphEdge(source="a", target="b", text="WWWWWWWWWWWWWWWW"),),
    )

    svg = ET.fromstring(graph_svg(graph, direction="down"))

    (x,) = (float(text.attrib["x"]) for text in svg.iter("text") if text.attrib["class"] == "edge-text")
    assert x + 16 * 11 * 0.98 <= float(svg.attrib["width"])


def test_drawing_is_told_in_words_too() -> None:
    svg = ET.fromstring(graph_svg(sample_graph()))

    title, description = svg.find("title"), svg.find("desc")
    assert title is not None
    assert title.text == "Serving graph flights"
    assert description is not None
    assert description.text is not None
    assert description.text.startswith("8 nodes. request to clean; clean to enrich; ")
    assert description.text.endswith("holiday added, late changed, baseline removed")


def test_changes_are_marked_by_sign_and_class() -> None:
    svg = ET.fromstring(graph_svg(sample_graph()))

    signs = [text.text for text in svg.iter("text") if text.attrib["class"] == "sign"]
    groups = [group.attrib["class"] for group in svg.iter("g")]
    assert signs == ["+", "~", "−"]
    assert "node model changed" in groups


@pytest.mark.parametrize("count", [0, 1, 200])
def test_any_number_of_nodes_can_be_drawn(count: int) -> None:
    graph = Graph(nodes=tuple(GraphNode(id=str(index), text=f"step {index}") for index in range(count)))

    svg = ET.fromstring(graph_svg(graph))

    assert len(list(svg.iter("rect"))) == min(count, MOST_NODES)


def test_mermaid_names_nodes_by_number_and_leaves_dangling_edges_out() -> None:
    graph = Graph(
        nodes=(GraphNode(id="end", text='end"]; click n0 "javascript:x"'), GraphNode(id="b", text="b", kind="model")),
        edges=(GraphEdge(source="end", target="b", text="90 %"), GraphEdge(source="b", target="gone")),
    )

    assert flowchart(graph).splitlines() == [
        "flowchart LR",
        '  n0["end#34;#93;#59; click n0 #34;javascript:x#34;"]',
        '  n1[("b")]',
        '  n0 -->|"90 #37;"| n1',
    ]


def test_mermaid_does_not_take_the_name_of_a_step_for_markdown() -> None:
    graph = Graph(nodes=(GraphNode(id="a", text="1. __init__"),))

    assert flowchart(graph).splitlines()[1] == '  n0["1#46; #95;#95;init#95;#95;"]'
