from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.reports.graph_layout import lay_out
from ci_core.reports.graph_svg import MOST_NODES, graph_svg
from ci_core.reports.mermaid import flowchart
from ci_core.reports.report import GraphEdge, GraphNode, ServingGraph
from ci_core.testing.sample_reports import sample_graph

names = st.integers(min_value=0, max_value=9).map(str)
edge_lists = st.lists(st.tuples(names, names), max_size=20)


def test_layers_are_longest_paths() -> None:
    layout = lay_out(["a", "b", "c", "d"], [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d")])

    assert [layout.place[name][0] for name in "abcd"] == [0, 1, 2, 3]


def test_edge_over_several_layers_has_a_waypoint_in_each() -> None:
    layout = lay_out(["a", "b", "c"], [("a", "b"), ("b", "c"), ("a", "c")])

    assert len(layout.routes["a", "c"]) == 3
    assert len(layout.layers[1]) == 2


def test_sweeps_undo_a_needless_crossing() -> None:
    layout = lay_out(["s", "a", "b", "y", "x"], [("s", "a"), ("s", "b"), ("a", "x"), ("b", "y")])

    above = {name: layout.place[name][1] for name in "abxy"}
    assert (above["a"] < above["b"]) == (above["x"] < above["y"])


@given(edge_lists)
def test_every_node_has_one_place_even_with_cycles(edges: list[tuple[str, str]]) -> None:
    nodes = [str(index) for index in range(8)]

    layout = lay_out(nodes, edges)

    placed = [name for layer in layout.layers for name in layer]
    assert len(placed) == len(set(placed))
    assert set(nodes) <= set(placed)
    assert set(layout.routes) == {edge for edge in edges if set(edge) <= set(nodes) and edge[0] != edge[1]}


@given(edge_lists)
def test_order_respects_edges_without_cycles(edges: list[tuple[str, str]]) -> None:
    forward = [(source, target) for source, target in edges if source < target]

    layout = lay_out([str(index) for index in range(10)], forward)

    assert all(layout.place[source][0] < layout.place[target][0] for source, target in forward)


@given(edge_lists, st.sampled_from(["right", "down"]))
def test_drawn_boxes_never_overlap(edges: list[tuple[str, str]], direction: str) -> None:
    graph = ServingGraph(
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
    graph = ServingGraph(nodes=tuple(GraphNode(id=str(index), text=f"step {index}") for index in range(count)))

    svg = ET.fromstring(graph_svg(graph))

    assert len(list(svg.iter("rect"))) == min(count, MOST_NODES)


def test_mermaid_names_nodes_by_number_and_leaves_dangling_edges_out() -> None:
    graph = ServingGraph(
        nodes=(GraphNode(id="end", text='end"]; click n0 "javascript:x"'), GraphNode(id="b", text="b", kind="model")),
        edges=(GraphEdge(source="end", target="b", text="90 %"), GraphEdge(source="b", target="gone")),
    )

    assert flowchart(graph).splitlines() == [
        "flowchart LR",
        '  n0["end#34;#93;#59; click n0 #34;javascript:x#34;"]',
        '  n1[("b")]',
        '  n0 -->|"90 #37;"| n1',
    ]
