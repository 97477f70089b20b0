from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.reports.graph_svg import MOST_NODES, graph_svg
from ci_core.reports.mermaid import flowchart
from ci_core.reports.report import Graph, GraphEdge, GraphNode
from ci_core.testing.golden import assert_golden
from ci_core.testing.sample_reports import sample_graph

if TYPE_CHECKING:
    from ci_core.reports.report import Change

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "reports" / "graphs"
PIPELINE = Graph(
    name="pipeline",
    nodes=(
        GraphNode(id="raw", text="data/raw.csv", kind="data", change="changed", detail="1.0 kB → 1.2 kB"),
        GraphNode(id="prepare", text="prepare", kind="stage"),
        GraphNode(id="train", text="pipelines/churn/dvc.yaml:train", kind="stage", change="changed", is_stale=True),
        GraphNode(id="evaluate", text="evaluate", kind="stage", is_stale=True, detail="stale: would run again"),
        GraphNode(id="report", text="report", kind="stage", change="added"),
        GraphNode(id="old", text="old", kind="stage", change="removed"),
    ),
    edges=(
        GraphEdge(source="raw", target="prepare"),
        GraphEdge(source="prepare", target="train"),
        GraphEdge(source="train", target="evaluate"),
        GraphEdge(source="train", target="report", change="added"),
        GraphEdge(source="train", target="old", change="removed"),
    ),
    hidden=3,
)

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


@pytest.mark.parametrize(("name", "graph"), [("pipeline", PIPELINE), ("serving", sample_graph())])
def test_graphs_are_drawn_as_reviewed(name: str, graph: Graph) -> None:
    assert_golden(GOLDEN / f"{name}.svg", graph_svg(graph).replace("><", ">\n<"))
    assert_golden(GOLDEN / f"{name}.mmd", flowchart(graph))


def test_a_pipeline_is_called_one_and_says_what_is_stale_and_what_is_left_out() -> None:
    svg = ET.fromstring(graph_svg(PIPELINE))

    title, texts = svg.find("title"), [text.text for text in svg.iter("text")]
    assert title is not None
    assert title.text == "Pipeline"
    assert texts.count("stage, stale") == 2
    assert "and 3 boxes more, far from every change" in texts
    assert "…/churn/dvc.yaml:train" in texts


def test_mermaid_runs_down_when_the_way_is_longer_than_a_comment_is_wide() -> None:
    def chain(count: int) -> Graph:
        return Graph(
            nodes=tuple(GraphNode(id=str(index), text="s") for index in range(count)),
            edges=tuple(GraphEdge(source=str(index), target=str(index + 1)) for index in range(count - 1)),
        )

    assert flowchart(chain(6)).startswith("flowchart LR\n")
    assert flowchart(chain(7)).startswith("flowchart TD\n")


_LABEL = r'"[-+~]?[ ]?(?:[\w ,.:/=-]|#\d+;)+(?: ⟳)?"'
_BOX = "|".join(
    re.escape(opening) + _LABEL + re.escape(closing)
    for opening, closing in [
        ("[", "]"),
        ("{{", "}}"),
        ("{", "}"),
        (">", "]"),
        ("[[", "]]"),
        ("[(", ")]"),
        ("([", "])"),
    ]
)
_FLOWCHART = re.compile(
    rf"""flowchart (?:LR|TD)\n?(?:  n\d+(?:{_BOX})\n?)*(?:  more\(\["… \d+ more"\]\)\n?)?"""
    rf"""(?:  n\d+ (?:-->|==>|-\.->)(?:\|{_LABEL}\|)? n\d+\n?)*"""
    r"""(?:  classDef \w+ [\w:#,\- ]+\n?)*(?:  class n\d+ \w+\n?)*(?:  linkStyle [\d,]+ stroke:#\w+\n?)*"""
)
_CHANGES: tuple[Change, ...] = ("same", "added", "removed", "changed")
_KINDS = ("step", "router", "choice", "queue", "graph", "model", "source", "response", "stage", "data")
hostile = st.one_of(
    st.text(max_size=50),
    st.lists(
        st.sampled_from(
            [
                *'"];}|`#&<>\n',
                "%%{init: {}}%%",
                "click n0 call x()",
                "#quot;",
                "&quot;",
                "--> n1",
                "end",
                ":::a",
                "@{x}",
            ]
        ),
        max_size=6,
    ).map("".join),
)


@given(
    st.lists(
        st.builds(
            GraphNode,
            id=st.sampled_from("abc\n"),
            text=hostile,
            kind=st.sampled_from(_KINDS),
            change=st.sampled_from(_CHANGES),
            is_stale=st.booleans(),
        ),
        unique_by=lambda node: node.id,
        max_size=4,
    ),
    st.lists(
        st.builds(
            GraphEdge,
            source=st.sampled_from("abc\n"),
            target=st.sampled_from("abc\n"),
            text=hostile,
            change=st.sampled_from(_CHANGES),
        ),
        max_size=5,
    ),
    st.integers(0, 3),
)
def test_no_name_breaks_out_of_a_flow_chart(nodes: list[GraphNode], edges: list[GraphEdge], hidden: int) -> None:
    graph = Graph(name="g", nodes=tuple(nodes), edges=tuple(edges), hidden=hidden)

    assert _FLOWCHART.fullmatch(flowchart(graph))
    ET.fromstring(graph_svg(graph))
