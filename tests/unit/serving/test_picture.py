"""The picture of a graph: what it says, that nothing covers anything, and that no name breaks out of it."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.serving import Graph, Router
from ci_core.serving.picture import html, svg
from ci_core.serving.picture.layers import Layers, lay_out
from ci_core.serving.picture.letters import ending, fitting, width_px
from ci_core.serving.picture.lines import Line, Point
from ci_core.serving.picture.palette import DARK, LIGHT, Paint
from ci_core.serving.picture.places import Link, Size, arrange
from ci_core.serving.picture.scene import Group, Scene, compose
from ci_core.serving.picture.spacing import nearest_in_order, rows_of
from tests.unit.serving import pictured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ci_core.serving import GraphSpec
    from ci_core.serving.picture.cards import Card

SVG = "{http://www.w3.org/2000/svg}"
all_shapes = pytest.mark.parametrize("shape", pictured.SHAPES, ids=lambda shape: shape.__name__)


def texts(spec: GraphSpec) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg(spec)).iter(f"{SVG}text")]


def tips(spec: GraphSpec) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg(spec)).iter(f"{SVG}title")]


# --- what it says ---


def test_models_stand_in_their_router_with_their_version_and_share() -> None:
    said = texts(pictured.canary())

    start, end = said.index("canary"), said.index("watch")
    assert said[start:end] == [
        "canary",
        "weighted router",
        "key=user.id",
        "m:1",
        "models/m1.onnx",
        "90 %",
        "m:2",
        "models/m2.onnx",
        "10 %",
    ]
    assert said[end:][:8] == [
        "watch",
        "shadow router",
        "now",
        "models/now.onnx",
        "live",
        "next",
        "loads at first use · models/next.onnx",
        "shadow",
    ]


def test_weights_of_an_ensemble_stand_beside_its_models() -> None:
    said = texts(pictured.ensemble())

    assert [said[said.index(model) + 2] for model in ("linear", "forest")] == ["weight 1", "weight 2"]


def test_retries_timeouts_inputs_and_branches_are_told() -> None:
    said = texts(pictured.choice())

    assert {"kind: string", "amount: number?", "timeout 2 s", "choice by kind"} <= set(said)
    assert {"2 retries from 200 ms", "timeout 1.5 s", "card, debit", "cash", "otherwise"} <= set(said)


def test_functions_handlers_of_classes_and_result_paths_are_told() -> None:
    said = texts(pictured.functions())

    assert said.count("in function gpu") == 2
    assert {"method score", "gets the event"} <= set(said)
    assert "puts result into facts" in "\n".join(tips(pictured.functions()))


def test_settings_are_written_as_json_and_not_as_python() -> None:
    said = texts(pictured.canary())

    assert 'values={"sex": {"M": 0, "F": 1}}' in said


def test_what_is_cut_or_left_out_is_whole_in_the_tooltip() -> None:
    graph = Graph("g")
    name = "a-name-that-is-longer-than-any-box-would-ever-want-to-be"
    graph.to("m:f", name, arguments={f"key-{index}": index for index in range(9)})

    said, tip = texts(graph.spec), tips(graph.spec)[1]

    assert name not in said
    assert any(line.startswith("a-name-that") and line.endswith("…") for line in said)
    assert "… 5 more" in said
    assert tip.splitlines() == [name, "m:f", *(f"key-{index}={index}" for index in range(9))]


def test_only_eight_models_of_a_router_are_drawn_and_all_are_in_its_tooltip() -> None:
    graph = Graph("g")
    graph.to(Router.single({f"m{index}": f"models/{index}.onnx" for index in range(11)}), "many")

    said = texts(graph.spec)

    assert [line for line in said if re.fullmatch(r"m\d+", line)] == [f"m{index}" for index in range(8)]
    assert "… 3 more models" in said
    assert "model m10, models/10.onnx" in "\n".join(tips(graph.spec))


def test_the_answer_of_a_graph_whose_ends_are_behind_a_queue_is_its_id() -> None:
    graph = Graph("g")
    graph.queue("in", "inbox").to("m:work", "work")

    assert {"inbox", "queue in", "later", "its id", "answer"} <= set(texts(graph.spec))


def test_the_picture_tells_in_words_what_it_shows() -> None:
    root = ET.fromstring(svg(pictured.handlers()))

    description = root.find(f"{SVG}desc")
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == "Serving graph safe"
    assert description is not None
    assert description.text == (
        "request leads to read; read leads to divide; divide leads to double; double leads to merge; "
        "read on errors goes to cached; cached goes on at merge; divide on errors goes to zero; "
        "zero goes on at double; double on errors goes to give-up; merge leads to the answer."
    )


def test_the_words_name_the_models_of_routers_and_the_values_of_choices() -> None:
    description = ET.fromstring(svg(pictured.ensemble())).findtext(f"{SVG}desc")
    branches = ET.fromstring(svg(pictured.choice())).findtext(f"{SVG}desc")

    assert description is not None
    assert description.startswith("ensemble is a vote router of linear, forest. ")
    assert branches is not None
    assert "choice leads to by-card (card, debit)" in branches


# --- what it needs ---


@all_shapes
def test_a_picture_scales_and_needs_nothing_from_elsewhere(shape: Callable[[], GraphSpec]) -> None:
    picture = svg(shape())

    root = ET.fromstring(picture)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert (float(root.attrib["width"]), float(root.attrib["height"])) == (width, height)
    assert "max-width:100%" in root.attrib["style"]
    assert "height:auto" in root.attrib["style"]
    assert {node.tag.removeprefix(SVG) for node in root.iter()} <= {
        *("svg", "desc", "style", "g", "title", "rect", "path", "circle", "text"),
    }
    names = {name for node in root.iter() for name in node.attrib}
    assert not {name for name in names if name.startswith("on") or "href" in name or name == "id"}
    assert "url(" not in picture
    assert "@import" not in picture


def test_a_page_that_is_too_narrow_can_be_scrolled() -> None:
    root = ET.fromstring(html(pictured.chain()))

    assert (root.tag, root.attrib["style"]) == ("div", "overflow-x:auto")
    (picture,) = root
    assert picture.tag == f"{SVG}svg"
    assert re.search(r"min-width:\d+", picture.attrib["style"])


def test_an_image_file_shrinks_as_far_as_it_must() -> None:
    assert "min-width" not in svg(pictured.chain())


def test_of_an_unfinished_graph_a_notebook_shows_what_is_missing() -> None:
    graph = Graph("half")
    start = graph.to("m:read", "read")
    start.to("m:a", "a<b>")
    start.to("m:b", "b")

    shown = graph._repr_html_()

    assert shown.startswith("<pre>no picture yet: ")
    assert "`a&lt;b&gt;`" in shown
    assert "hint: " in shown


@given(st.lists(st.text(st.characters(), min_size=1), min_size=1, max_size=4, unique=True))
def test_no_name_breaks_out_of_the_picture(names: list[str]) -> None:
    graph = Graph(names[0], inputs={names[0]: "number"})
    end = graph.to("m:f", f"step {names[0]}", arguments={names[0]: names[-1]})
    for name in names[1:]:
        end = end.to("m:f", f"step {name}", function=name)

    root = ET.fromstring(svg(graph.spec))

    assert {node.tag.removeprefix(SVG) for node in root.iter()} <= {
        *("svg", "desc", "style", "g", "title", "rect", "path", "text"),
    }


def test_an_attack_is_shown_as_what_it_is() -> None:
    assert {"<script>alert(1)</script>", "</svg></style>", "a��b"} <= set(texts(pictured.attack()))


# --- colours ---


def contrast(ink: str, ground: str) -> float:
    """The contrast of two colours, as WCAG 2.2 defines it under "contrast ratio"."""

    def luminance(colour: str) -> float:
        channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted((luminance(ink), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


ROLES_OF_TEXT = {
    "sheet": ("dim", "fail-ink"),
    "tag": ("dim", "fail-ink"),
    "end": ("ink", "dim"),
    "step": ("ink", "dim"),
    "router": ("ink", "dim", "router-ink"),
    "model": ("ink", "dim", "router-ink"),
    "choice": ("ink", "dim", "choice-ink"),
    "queue": ("ink", "dim", "queue-ink"),
    "graph": ("ink", "dim", "graph-ink"),
    "handler": ("ink", "dim", "fail-ink"),
}
"""Which texts stand on which ground."""


def test_contrast_of_black_and_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_can_be_read_on_its_ground(palette: dict[str, Paint]) -> None:
    weak = {
        (ink, ground): contrast(palette[ink].fill, palette[ground].fill)
        for ground, inks in ROLES_OF_TEXT.items()
        for ink in inks
        if contrast(palette[ink].fill, palette[ground].fill) < 4.5
    }

    assert weak == {}


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_every_line_and_edge_can_be_seen_on_the_sheet(palette: dict[str, Paint]) -> None:
    edges = ("flow", "fail", "end", "step", "router", "choice", "queue", "graph", "handler")

    weak = [role for role in edges if contrast(palette[role].stroke, palette["sheet"].fill) < 3]

    assert weak == []


def test_texts_stand_only_on_the_grounds_whose_contrast_is_checked() -> None:
    pairs = set()
    for shape in pictured.SHAPES:
        for card in cards(compose(shape())):
            ground = "handler" if card.is_failing else card.role
            pairs |= {(ground, text.role) for text in card.texts}
            pairs |= {("model", text.role) for model in card.models for text in model.texts}

    assert pairs <= {(ground, ink) for ground, inks in ROLES_OF_TEXT.items() for ink in inks}
    assert LIGHT.keys() == DARK.keys()


def cards(scene: Scene) -> Iterator[Card]:
    for box, _ in scene.boxes:
        yield box.card if isinstance(box, Group) else box
        if isinstance(box, Group):
            yield from cards(box.scene)


# --- places ---

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def along(line: Line) -> Iterator[Point]:
    """Yield points on a line, close together."""
    for piece in line.pieces:
        for step in range(25):
            points, share = list(piece), step / 24
            while len(points) > 1:  # de Casteljau's algorithm
                points = [Point(a.x + (b.x - a.x) * share, a.y + (b.y - a.y) * share) for a, b in pairwise(points)]
            yield points[0]


def is_inside(point: Point, box: Box) -> bool:
    left, top, right, bottom = box
    return left + 0.5 < point.x < right - 0.5 and top + 0.5 < point.y < bottom - 0.5


def are_apart(one: Box, other: Box) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def boxes_of(scene: Scene) -> list[Box]:
    sized = [(box.card if isinstance(box, Group) else box, at) for box, at in scene.boxes]
    return [(at.x, at.y, at.x + card.width, at.y + card.height) for card, at in sized]


def scenes(scene: Scene) -> Iterator[Scene]:
    yield scene
    for box, _ in scene.boxes:
        if isinstance(box, Group):
            yield from scenes(box.scene)


@all_shapes
def test_no_line_runs_behind_a_box_and_no_box_covers_another(shape: Callable[[], GraphSpec]) -> None:
    for scene in scenes(compose(shape())):
        boxes = boxes_of(scene)

        hit = [
            (drawn.arrow.start, drawn.arrow.end)
            for drawn in scene.arrows
            for box in boxes
            if any(is_inside(point, box) for point in along(drawn.line))
        ]

        assert hit == []
        assert all(are_apart(one, other) for one, other in combinations(boxes, 2))


@all_shapes
def test_everything_is_on_the_sheet(shape: Callable[[], GraphSpec]) -> None:
    for scene in scenes(compose(shape())):
        points = [point for drawn in scene.arrows for point in along(drawn.line)]
        points += [Point(x, y) for box in boxes_of(scene) for x, y in (box[:2], box[2:])]

        assert all(-0.1 <= point.x <= scene.width + 0.1 for point in points)
        assert all(-0.1 <= point.y <= scene.height + 0.1 for point in points)


@all_shapes
def test_every_text_fits_into_its_box(shape: Callable[[], GraphSpec]) -> None:
    for card in cards(compose(shape())):
        for text in card.texts:
            wide = width_px(text.text, text.size_px, is_bold=text.is_bold)
            assert text.x + wide <= card.width - 8
            assert text.size_px <= text.y <= card.height - 4


def corner(spec: GraphSpec, name: str) -> Box:
    scene = compose(spec)
    found = [
        box
        for (one, _), box in zip(scene.boxes, boxes_of(scene), strict=True)
        if (one.card if isinstance(one, Group) else one).tip.split("\n")[0] == name
    ]
    return found[0]


def test_an_error_handler_hangs_below_its_step_and_the_flow_runs_straight_on() -> None:
    spec = pictured.handlers()

    read, cached, divide, tell = (corner(spec, name) for name in ("read", "cached", "divide", "tell"))

    assert cached[0] == read[0]
    assert cached[1] > read[3]
    assert read[1] == pytest.approx(divide[1], abs=0.2)
    assert tell[1] > cached[3]


def test_a_chain_is_level_and_goes_from_left_to_right() -> None:
    spec = pictured.chain()

    places = [corner(spec, name) for name in ("request", "a", "b", "c", "d", "e", "answer")]

    assert all(before[2] < after[0] for before, after in pairwise(places))
    middles = {round((top + bottom) / 2, 3) for _, top, _, bottom in places}
    assert len(middles) == 1


def test_a_long_chain_goes_on_in_rows_below() -> None:
    graph = Graph("long")
    end = graph.to("m:f", "s0")
    for index in range(1, 30):
        end = end.to("m:f", f"s{index}")

    scene = compose(graph.spec)

    assert scene.width < 1400
    assert len({round(box[1] + box[3]) for box in boxes_of(scene)}) == 4


def test_the_steps_of_a_nested_graph_stand_inside_its_box() -> None:
    outer = next(box for box, _ in compose(pictured.nested()).boxes if isinstance(box, Group))

    for _, _, right, bottom in boxes_of(outer.scene):
        assert outer.at.x + right < outer.card.width
        assert outer.at.y + bottom < outer.card.height


names = st.integers(min_value=0, max_value=9)


@given(
    st.lists(st.tuples(names, names).filter(lambda pair: pair[0] != pair[1]), max_size=25),
    st.lists(st.tuples(st.integers(20, 200), st.integers(20, 120)), min_size=10, max_size=10),
    st.sampled_from([300.0, 900.0, float("inf")]),
    st.sets(names, max_size=2),
)
def test_lines_avoid_boxes_in_any_graph(
    pairs: list[tuple[int, int]], sizes: list[tuple[int, int]], widest_px: float, low: set[int]
) -> None:
    boxes = {str(index): Size(*size) for index, size in enumerate(sizes)}
    links = [Link(source=str(a), target=str(b), room_px=30 * (a % 2)) for a, b in dict.fromkeys(pairs)]

    places = arrange(boxes, links, low={str(one) for one in low}, widest_px=widest_px)

    taken: dict[str, Box] = {
        name: (at.x, at.y, at.x + boxes[name].width, at.y + boxes[name].height) for name, at in places.corners.items()
    }
    assert all(are_apart(one, other) for one, other in combinations(taken.values(), 2))
    for link, line in zip(links, places.lines, strict=True):
        points = list(along(line))
        assert not any(is_inside(point, box) for point in points for box in taken.values())
        ends = [(points[0], taken[link.source]), (points[-1], taken[link.target])]
        for point, (left, top, right, bottom) in ends:
            assert min(abs(point.x - left), abs(point.x - right)) < 0.01
            assert top <= point.y <= bottom


# --- small parts ---


def test_places_in_order_are_pooled_where_they_want_to_pass_each_other() -> None:
    # 5 and 3 want to swap: both go to the mean of 5 and 3 - 1, the second one below the first
    assert nearest_in_order([5, 3, 20], [1, 1, 1], [1, 1]) == [3.5, 4.5, 20]


def test_a_place_with_more_weight_gives_way_less() -> None:
    assert nearest_in_order([4, 0], [3, 1], [0]) == [3, 3]


@given(st.lists(st.tuples(st.integers(-99, 99), st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_places_in_order_keep_their_distances(given_places: list[tuple[int, int, int]]) -> None:
    wanted, weights, distances = zip(*given_places, strict=True)

    places = nearest_in_order(wanted, weights, distances[1:])

    gaps = [after - before for before, after in pairwise(places)]
    assert all(gap >= least - 1e-9 for gap, least in zip(gaps, distances[1:], strict=True))


def test_rows_are_as_even_as_their_ends_allow() -> None:
    assert rows_of([10] * 6, [True] * 6, 40) == [range(3), range(3, 6)]
    assert rows_of([10] * 6, [False, True, False, False, False, False], 40) == [range(2), range(2, 6)]
    assert rows_of([50, 10], [True, True], 40) == [range(1), range(1, 2)]


def test_a_text_is_cut_at_its_end_and_a_path_at_its_beginning() -> None:
    assert fitting("abcdefghij", 40, 10).endswith("…")
    assert ending("models/abcdefghij", 40, 10).startswith("…")
    assert ending("models/abcdefghij", 40, 10).endswith("j")
    assert fitting("abc", 40, 10) == "abc"


@given(st.text(max_size=30), st.integers(10, 200))
def test_a_text_that_was_cut_fits(text: str, most_px: int) -> None:
    assert width_px(fitting(text, most_px, 10), 10) <= most_px + 0.5


# --- layers ---

pairs_of_names = st.lists(st.tuples(names, names).filter(lambda pair: pair[0] != pair[1]), max_size=20)


def spots(layers: Layers) -> dict[str, tuple[int, int]]:
    return {name: (number, index) for number, layer in enumerate(layers.layers) for index, name in enumerate(layer)}


def test_layers_are_longest_paths() -> None:
    found = spots(lay_out(["a", "b", "c", "d"], [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d")]))

    assert [found[name][0] for name in "abcd"] == [0, 1, 2, 3]


def test_a_link_over_several_layers_has_a_waypoint_in_each() -> None:
    layers = lay_out(["a", "b", "c"], [("a", "b"), ("b", "c"), ("a", "c")])

    assert [len(route) for route in layers.routes] == [2, 2, 3]
    assert len(layers.layers[1]) == 2


def test_sweeps_undo_a_needless_crossing() -> None:
    found = spots(lay_out(["s", "a", "b", "y", "x"], [("s", "a"), ("s", "b"), ("a", "x"), ("b", "y")]))

    assert (found["a"] < found["b"]) == (found["x"] < found["y"])


def test_what_is_low_stands_below_and_what_is_last_in_the_last_layer() -> None:
    layers = lay_out(
        ["low", "s", "a", "b", "end"], [("s", "low"), ("s", "a"), ("a", "b"), ("s", "end")], low={"low"}, last="end"
    )

    assert layers.layers[1][-1] == "low"
    assert spots(layers)["end"][0] == 2


def test_one_link_of_a_cycle_leads_backwards() -> None:
    layers = lay_out(["a", "b", "c"], [("a", "b"), ("b", "c"), ("c", "a")])

    assert [spots(layers)[name][0] for name in "abc"] == [0, 1, 2]
    assert layers.routes[2][0] == "c"
    assert layers.routes[2][-1] == "a"


@given(pairs_of_names)
def test_every_node_has_one_place_even_with_cycles(pairs: list[tuple[int, int]]) -> None:
    links = [(str(a), str(b)) for a, b in pairs]

    layers = lay_out([str(index) for index in range(10)], links)

    placed = [name for layer in layers.layers for name in layer]
    assert len(placed) == len(set(placed))
    assert {str(index) for index in range(10)} <= set(placed)
    assert [(route[0], route[-1]) for route in layers.routes] == links


@given(pairs_of_names)
def test_order_respects_links_without_cycles(pairs: list[tuple[int, int]]) -> None:
    forward = [(str(min(pair)), str(max(pair))) for pair in pairs]

    found = spots(lay_out([str(index) for index in range(10)], forward))

    assert all(found[source][0] < found[target][0] for source, target in forward)
