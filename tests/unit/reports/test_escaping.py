"""Whatever a stranger writes into any text of a report stays text in every rendering.

The texts are found by reflection: a field that is added to the report is attacked from then on.
"""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from ci_core.reports.render import render_html, render_junit, render_markdown, render_summary, render_terminal
from ci_core.reports.report import Image, Link, Plot, Report, Series
from ci_core.testing.hostile_text import MARKDOWN_ATTACKS, PAGE_ATTACKS, TERMINAL_ATTACKS, text_fields, with_texts
from ci_core.testing.sample_reports import sample_failed_report, sample_report
from tests.unit.reports.markdown_tokens import assert_tables_are_whole, tokens

ADDRESSES = {"Link.url", "Commit.url", "Run.url"}
"""They are ours: the CI system's and the host's."""
SEVERAL = "<!-- graphship:v1 -->\n\n@team #123 | </details>\n```\n/close\n<img src=x> \u202e `"
KEPT = ADDRESSES | {"Image.data", "Image.digest", "Image.media_type"}
NAMES = {"GraphNode.id", "GraphEdge.source", "GraphEdge.target", "Stage.name", "StageFailure.stage"}
"""They must stay different from each other, or a diagram has one node, and every stage failed."""
OURS = re.compile(r"<details>\n<summary><b>[A-Z][A-Za-z ]+</b>[^\n]*</summary>\n?|</details>\n?")
ACTIVE = re.compile(
    r"""
    [@\#<>|\[\]*~$^{}\\_]           # mention, reference, HTML, table, link, emphasis, label, math, footnote
    | :// | www\.                   # address
    | (?<!\d):[\w+\-]+:             # emoji
    | \bG[HL]-\d                    # issue
    | (?:^|\s)[!%&/]\w              # merge request, milestone, epic, quick action
    | [!%&]\d                       # the first three, inside of words
    | \b[0-9a-f]*(?=[0-9a-f]{7})(?=\d*[a-f])[0-9a-f]{7,}\b   # commit
    | &\#?\w+;
    """,
    re.VERBOSE | re.IGNORECASE,
)
TAGS = {"html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section", "details", "summary"}
TAGS |= {"h1", "h2", "h3", "p", "ul", "li", "div", "span", "strong", "code", "bdi", "pre", "a", "figure", "figcaption"}
TAGS |= {"table", "thead", "tbody", "tr", "th", "td", "caption", "img"}
TAGS |= {"svg", "g", "path", "rect", "text", "line", "circle", "defs", "marker", "desc", "tspan"}
ATTRIBUTES = {"class", "id", "lang", "charset", "http-equiv", "content", "name", "title", "data-label", "href", "rel"}
ATTRIBUTES |= {"scope", "aria-hidden", "aria-label", "aria-labelledby", "role", "tabindex", "alt", "src", "open"}
ATTRIBUTES |= {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "ry", "width", "height", "viewbox", "d"}
ATTRIBUTES |= {"markerwidth", "markerheight", "refx", "refy", "orient", "marker-end", "text-anchor", "transform"}
ATTRIBUTES |= {"xmlns", "fill", "stroke", "version", "markerunits", "font-family", "font-size", "opacity"}
ATTRIBUTES |= {"fill-opacity", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap"}


def everything_said() -> Report:
    """Return a report in which no text is absent."""
    report = sample_report()
    failed = sample_failed_report().pipeline
    assert report.pipeline is not None
    assert failed is not None
    gates = tuple(gate.model_copy(update={"state": "fail"}) for gate in report.gates)
    image = Plot(
        name="plots/roc.png",
        kind="image",
        images=(Image(side="head", path="plots/roc.png", digest="sha256:" + "0" * 64, size_bytes=9),),
        notes=("a picture",),
        problems=("base: it is not there",),
    )
    named = Plot(name="plots/by-class.csv", kind="histogram", series=(Series(side="head", x=("a", "b"), y=(1.0, 2.0)),))
    refused = report.plans[0].model_copy(update={"action": "refused", "trigger": "tag"})
    behaviour = report.behaviour and report.behaviour.model_copy(
        update={"problem": "not whole", "head_failure": "it raised"}
    )
    unknown = report.models[0].model_copy(update={"old_problem": "nowhere", "new_problem": "nowhere"})
    return report.model_copy(
        update={
            "verdict": "fail",
            "gates": (*report.gates, *gates),
            "models": (*report.models, unknown),
            "pipeline": report.pipeline.model_copy(update={"failure": failed.failure, "note": "a stage failed"}),
            "behaviour": behaviour,
            "plans": (*report.plans, refused),
            "plots": (*report.plots, image, named),
            "notes": tuple(note.model_copy(update={"gate": "metrics.json:brier"}) for note in report.notes),
        }
    )


def attacked(attack: str, only: str | None = None) -> Report:
    """Return the report with `attack` in every text, or in one field alone."""

    def change(field: str, held: str) -> str:
        if field in KEPT or (only is not None and field != only):
            return held
        return attack + held if field in NAMES else attack

    return with_texts(everything_said(), change)


def assert_markdown_is_ours(markdown: str) -> None:
    found = list(tokens(markdown))
    assert [token.content for token in found if token.type == "text" and ACTIVE.search(token.content)] == []
    blocks = [token.content for token in found if token.type in {"html_block", "html_inline"}]
    assert [block for block in blocks if not OURS.fullmatch(block)] == []
    assert sum(block.startswith("<details>") for block in blocks) == sum(b.startswith("</") for b in blocks)
    kinds = {token.type for token in found}
    assert not kinds & {"image", "s_open", "em_open", "blockquote_code", "ordered_list_open", "hr", "lheading_open"}
    assert {str(token.attrs["href"]) for token in found if token.type == "link_open"} <= OUR_LINKS
    assert {token.info for token in found if token.type == "fence"} <= {"mermaid", "text"}
    assert {token.tag for token in found if token.type == "heading_open"} <= {"h2", "h3"}
    assert "<!--" not in markdown
    outside_of_code = "\n".join(token.content for token in found if token.type == "inline")
    assert not re.search(r"^\s*/\w", outside_of_code, re.MULTILINE)
    assert_tables_are_whole(found)
    assert_quick_actions_see_only_code(markdown)


OUR_LINKS = {link.url for link in sample_report().links}


def assert_quick_actions_see_only_code(markdown: str) -> None:
    """As GitLab looks for them: by a pattern that takes three backticks for code, and by lines."""
    without_code = re.sub(r"^```.+?\n```$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"^/\w", without_code, re.MULTILINE)


@pytest.mark.parametrize("attack", [*MARKDOWN_ATTACKS, *PAGE_ATTACKS, *TERMINAL_ATTACKS])
def test_a_text_in_every_place_of_a_report_does_nothing_in_markdown(attack: str) -> None:
    assert_markdown_is_ours(render_markdown(attacked(attack)))


@pytest.mark.parametrize("field", sorted(text_fields(Report) - KEPT))
def test_a_text_in_one_place_of_a_report_does_nothing_in_markdown(field: str) -> None:
    assert_markdown_is_ours(render_markdown(attacked(SEVERAL, only=field)))


@pytest.mark.parametrize("limit", [2_000, 2_777, 4_000, 9_999, 20_001])
def test_a_cut_page_of_attacks_does_nothing_either(limit: int) -> None:
    for attack in (SEVERAL, "```\n/close\n" * 20, "</details>", "\U0001f600|" * 30):
        assert_markdown_is_ours(render_markdown(attacked(attack), limit))


def test_a_text_in_every_place_of_a_report_does_nothing_in_a_summary() -> None:
    assert_markdown_is_ours(render_summary(attacked(SEVERAL)))


class Page(HTMLParser):
    """Collects elements and attributes, and fails on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.comments = 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in {"meta", "link", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]
        self.words += [value or "" for _, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments += 1


@pytest.mark.parametrize("attack", [*PAGE_ATTACKS, *TERMINAL_ATTACKS, "".join(MARKDOWN_ATTACKS)])
def test_a_text_in_every_place_of_a_report_stays_text_in_a_page(attack: str) -> None:
    page = Page(render_html(attacked(attack)))

    assert page.tags <= TAGS
    assert page.attributes <= ATTRIBUTES
    assert page.comments == 0
    assert set(page.addresses) <= OUR_LINKS
    assert not [letter for letter in "".join(page.words) if letter != "\n" and is_invisible(letter)]


@pytest.mark.parametrize("field", sorted(text_fields(Report) - KEPT))
def test_a_text_in_one_place_of_a_report_stays_text_in_a_page(field: str) -> None:
    page = Page(render_html(attacked("".join(PAGE_ATTACKS), only=field)))

    assert page.tags <= TAGS
    assert page.attributes <= ATTRIBUTES


def test_only_addresses_of_the_web_and_of_the_same_place_are_linked() -> None:
    urls = ["javascript:alert(1)", "data:text/html,x", "//tracker.example", "file:///etc/passwd", "\x1b]8;;", "a b"]
    links = tuple(Link(text=f"link {index}", url=url) for index, url in enumerate(urls))
    report = sample_report().model_copy(update={"links": links, "plots": ()})

    assert Page(render_html(report)).addresses == []
    assert [token for token in tokens(render_markdown(report)) if token.type == "link_open"] == []


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("with_colour", [False, True])
def test_a_text_in_every_place_of_a_report_cannot_drive_the_terminal(width: int, with_colour: bool) -> None:
    for attack in (*TERMINAL_ATTACKS, *PAGE_ATTACKS, "".join(MARKDOWN_ATTACKS)):
        text = render_terminal(attacked(attack), width=width, with_colour=with_colour)

        plain = re.sub(r"\x1b\[[0-9;]*m", "", text) if with_colour else text
        assert [letter for letter in plain if letter != "\n" and is_invisible(letter)] == []
        assert max(columns(line) for line in plain.splitlines()) <= width
        # Whatever is coloured ends where it began: a line never colours the next.
        assert all(line.count("\x1b[0m") * 2 == line.count("\x1b[") for line in text.splitlines())


def is_invisible(letter: str) -> bool:
    return unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def columns(line: str) -> int:
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF") for letter in line
    )


@pytest.mark.parametrize("attack", [*PAGE_ATTACKS, *TERMINAL_ATTACKS, "".join(MARKDOWN_ATTACKS)])
def test_a_text_in_every_place_of_a_report_gives_readable_xml(attack: str) -> None:
    clean, root = ET.fromstring(render_junit(everything_said())), ET.fromstring(render_junit(attacked(attack)))

    assert [element.tag for element in root.iter()] == [element.tag for element in clean.iter()]
    assert [sorted(element.attrib) for element in root.iter()] == [sorted(element.attrib) for element in clean.iter()]


def test_the_sample_has_a_text_in_every_place() -> None:
    seen: set[str] = set()

    def change(field: str, held: str) -> str:
        seen.add(field)
        return held

    with_texts(everything_said(), change)

    assert text_fields(Report) - KEPT <= seen
