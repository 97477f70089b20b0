from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ci_core.reports.build import PAGE, document
from ci_core.reports.html import LARGEST_PAGE_BYTES, stylesheet, to_html
from ci_core.reports.markdown import length
from ci_core.reports.render import render_deployments_page, render_html, render_markdown, render_monitoring_page
from ci_core.reports.report import (
    Commit,
    Gate,
    Graph,
    GraphEdge,
    GraphNode,
    Link,
    MetricRow,
    Note,
    ParamRow,
    Plot,
    Report,
    Series,
)
from ci_core.testing.golden import assert_golden
from ci_core.testing.sample_edges import huge_report, unchanged_report, unreadable_base_report
from ci_core.testing.sample_monitoring import sample_deployments, sample_monitoring
from ci_core.testing.sample_reports import sample_failed_report, sample_report

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "reports"
VOID = {"meta", "link"}
PAGES: list[tuple[str, Callable[[], str]]] = [
    ("report.html", lambda: render_html(sample_report(), stylesheet_url="graphship.css")),
    ("report-failed.html", lambda: render_html(sample_failed_report(), stylesheet_url="graphship.css")),
    ("report-unchanged.html", lambda: render_html(unchanged_report(), stylesheet_url="graphship.css")),
    ("report-unreadable-base.html", lambda: render_html(unreadable_base_report(), stylesheet_url="graphship.css")),
    ("monitoring.html", lambda: render_monitoring_page(sample_monitoring(), stylesheet_url="graphship.css")),
    ("deployments.html", lambda: render_deployments_page(sample_deployments(), stylesheet_url="graphship.css")),
]


class Page(HTMLParser):
    """Collects elements and attributes, and fails on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


@pytest.mark.parametrize(("name", "make"), PAGES)
def test_pages_are_as_reviewed(name: str, make: Callable[[], str]) -> None:
    assert_golden(GOLDEN / name, make())


@pytest.mark.parametrize(("name", "make"), PAGES)
def test_pages_are_well_formed_with_plots(name: str, make: Callable[[], str]) -> None:
    page = Page(make())

    assert "main" in page.tags
    assert ("figure" in page.tags) == (name in {"report.html", "monitoring.html"})


def test_element_ids_are_unique() -> None:
    ids = [attributes["id"] for _, attributes in Page(render_html(sample_report())).elements if "id" in attributes]

    assert len(ids) == len(set(ids))


def test_policy_allows_the_style_sheet_by_its_hash_and_nothing_else() -> None:
    html = render_html(sample_report())

    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert policy
    assert style
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    expected = f"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-{digest}'"
    assert policy.group(1) == expected


def test_pages_need_no_script_no_inline_style_and_no_address() -> None:
    pages = [Page(make()) for _, make in PAGES] + [Page(render_html(sample_report()))]

    for page in pages:
        assert not page.tags & {
            "script",
            "img",
            "iframe",
            "object",
            "embed",
            "image",
            "use",
            "base",
            "form",
            "foreignobject",
        }
        assert not [tag for tag, attributes in page.elements if "style" in attributes or "src" in attributes]
        assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "url(" not in stylesheet()
    assert "@import" not in stylesheet()


def test_a_page_for_places_without_inline_styles_links_its_style_sheet() -> None:
    html = render_html(sample_report(), stylesheet_url="graphship.css")

    assert '<link rel="stylesheet" href="graphship.css">' in html
    assert "style-src 'self'" in html
    assert "<style" not in html


def test_style_sheet_knows_light_and_dark_and_narrow() -> None:
    assert "prefers-color-scheme: dark" in stylesheet()
    assert "max-width: 640px" in stylesheet()


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.sampled_from(["<script>", "</svg>", '" onload="x', "&amp;", "\u202e", "'"]) | st.text(max_size=4)).map(
        "".join
    )
)
def test_names_of_a_stranger_stay_text(name: str) -> None:
    report = Report(
        project=name,
        title=name,
        verdict="pass",
        head=Commit(id="a" * 40, label=name),
        metrics=(MetricRow(key=name, old=name, new=name),),
        graph=Graph(
            nodes=(GraphNode(id=name, text=name, detail=name), GraphNode(id="end", text=name)),
            edges=(GraphEdge(source=name, target="end", text=name),),
        ),
        plots=(Plot(name=name, kind="scatter", series=(Series(side="head", x=(0.0,), y=(1.0,)),)),),
        notes=(Note(kind="warning", text=name),),
        links=(Link(text=name, url=f"javascript:{name}"), Link(text=name, url=f"https://x/{name}".replace(" ", ""))),
    )

    page = Page(render_html(report))

    allowed = {"html", "head", "meta", "title", "style", "body", "main", "header", "p", "strong", "code", "bdi", "h1"}
    allowed |= {"span", "section", "h2", "div", "table", "thead", "tbody", "tr", "th", "td", "svg", "desc", "defs", "g"}
    allowed |= {"marker", "path", "rect", "text", "figure", "figcaption", "line", "footer", "a", "ul", "li", "circle"}
    assert page.tags <= allowed
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
    addresses = [attributes.get("href") or "" for tag, attributes in page.elements if tag == "a"]
    assert all(address.startswith("https://x/") for address in addresses)
    assert "\u202e" not in "".join(page.words)


LONG = "é<&'\"" * 2_000_000
"""Ten million characters, each of which takes more than one byte in a page."""
ENORMOUS: dict[str, Callable[[], dict[str, object]]] = {
    "10^5 metrics": lambda: {
        "metrics": tuple(MetricRow(key=f"m{index}", old=index, new=index + 1) for index in range(100_000))
    },
    "10^4 params": lambda: {
        "params": tuple(ParamRow(key=f"{'k' * 200}{index}", old="é" * 500, new="<" * 500) for index in range(10_000))
    },
    "10^4 gates": lambda: {
        "gates": tuple(Gate(key=f"{'g' * 200}{index}", state="fail", sentence="<" * 900) for index in range(10_000))
    },
    "500 plots": lambda: {"plots": huge_report(2_000).plots},
    "2,000 columns in each of 50 tables": lambda: {"tables": huge_report(2_000).tables * 50},
    "a graph of 5,000 nodes": lambda: {
        "graph": Graph(
            nodes=tuple(GraphNode(id=str(index), text="n" * 300, detail="d" * 300) for index in range(5_000)),
            edges=tuple(GraphEdge(source=str(index), target=str(index + 1)) for index in range(4_999)),
        )
    },
    "10^4 warnings": lambda: {"notes": tuple(Note(kind="warning", text="é<" * 500) for _ in range(10_000))},
    "10 MB in one text": lambda: {
        "title": LONG,
        "metrics": (MetricRow(key=LONG, old=1, new=2),),
        "params": (ParamRow(key="p", old=LONG, new="short"),),
        "notes": (Note(kind="warning", text=LONG),),
    },
    "all of it": lambda: dict(huge_report(4_000)),
}


@pytest.mark.parametrize("case", ENORMOUS)
def test_renderings_stay_below_their_limits_whatever_the_data(case: str) -> None:
    report = sample_report().model_copy(update=ENORMOUS[case]())

    html = render_html(report)

    assert len(html.encode()) <= LARGEST_PAGE_BYTES
    assert length(render_markdown(report)) <= 65_536
    Page(html)


def test_headings_go_from_one_to_the_next() -> None:
    html = render_html(sample_report())

    assert re.findall(r"<h([1-6])", html) == ["1"] + ["2"] * 12
    assert html.count("<th ") == html.count('<th scope="col"')


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_on_what_is_below_them(scheme: str) -> None:
    """WCAG 2.2, success criterion 1.4.3: a contrast of 4.5 for text."""
    blocks = re.findall(r":root \{(.*?)\n *\}", stylesheet(), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[0 if scheme == "light" else 1]))

    pairs = [("ink", "paper"), ("ink", "card"), ("ink", "soft"), ("muted", "paper"), ("muted", "card")]
    pairs += [("accent", "paper"), *((tone, f"{tone}-soft") for tone in ("good", "warn", "bad", "info"))]
    pairs += [("ink", f"{tone}-soft") for tone in ("good", "warn", "bad", "info")]
    pairs += [("muted", "soft")]
    faint = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    assert {pair: value for pair, value in faint.items() if value < 4.5} == {}


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21, as WCAG defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_plots_that_are_not_drawn_become_sparklines_and_tables() -> None:
    page = Page(to_html(document(sample_report(), PAGE)))

    assert "4801 → 4866" in page.words
    assert [attributes for tag, attributes in page.elements if tag == "svg" and attributes.get("class") == "spark base"]
