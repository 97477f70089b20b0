"""A document as one offline HTML page: no script, no address is loaded, at most a megabyte.

The page's own security policy forbids everything but its style sheet, named by its hash. Where even that is not allowed
(Jenkins forbids inline styles), pass the address of a copy of :func:`stylesheet` instead.
"""

from __future__ import annotations

import base64
import hashlib
import html
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from ci_core.reports.address import is_safe_url, quote_url
from ci_core.reports.document import (
    Address,
    BulletList,
    Code,
    CodeBlock,
    GraphFigure,
    Mark,
    Paragraph,
    PlotFigure,
    Section,
    Spark,
    Strip,
    Strong,
    Table,
    Tiles,
)
from ci_core.reports.graph_svg import graph_svg
from ci_core.reports.plot_text import plot_lines, plot_notes, plot_table
from ci_core.reports.text import number, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ci_core.reports.document import Banner, Block, Document, Inline, Line, Tile

    DrawPlot = Callable[[PlotFigure], str | None]

LARGEST_PAGE_BYTES = 1_000_000

_SYMBOLS = {"good": "✓", "warn": "!", "bad": "✕", "info": "?", "muted": "–"}
_SPARK_HEIGHT = 14


@cache
def stylesheet() -> str:
    """Return the style sheet of every page."""
    return resources.files("ci_core.reports").joinpath("page.css").read_text(encoding="utf-8")


def to_html(document: Document, *, draw_plot: DrawPlot | None = None, stylesheet_url: str | None = None) -> str:
    """Return the document as a page.

    Args:
        document: what to show.
        draw_plot: makes an ``<svg>`` element of a plot; without it plots are sparklines and tables.
        stylesheet_url: address of the style sheet for places that forbid inline styles; None puts it into the page.
    """
    page = _Page(draw_plot=draw_plot)
    blocks = page.blocks(document.blocks)
    footer = "".join(f"<p>{_line(line)}</p>" for line in document.footer)
    policy, style = _style(stylesheet_url, has_images=page.has_images)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_text(_page_title(document))}</title>\n{style}\n</head>\n<body>\n<main>\n"
        f"{_banner(document.banner)}\n{blocks}\n<footer>{footer}</footer>\n</main>\n</body>\n</html>\n"
    )


def _style(stylesheet_url: str | None, *, has_images: bool) -> tuple[str, str]:
    """Return the content policy and the element that brings the style sheet; pictures must be inside of the page."""
    common = f"default-src 'none'; base-uri 'none'; form-action 'none'{'; img-src data:' if has_images else ''}"
    if stylesheet_url is not None:
        return f"{common}; style-src 'self'", f'<link rel="stylesheet" href="{_text(stylesheet_url)}">'
    css = stylesheet()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return f"{common}; style-src 'sha256-{digest}'", f"<style>{css}</style>"


def _page_title(document: Document) -> str:
    about = " ".join(inline.text for inline in document.banner.eyebrow if isinstance(inline, Strong))
    return f"{document.banner.title} · {about}" if about else document.banner.title


class _Page:
    """Renders blocks; counts the figures, whose element ids must differ."""

    def __init__(self, *, draw_plot: DrawPlot | None) -> None:
        self._draw_plot = draw_plot
        self._graphs = 0
        self.has_images = False

    def blocks(self, blocks: Iterable[Block]) -> str:
        parts: list[str] = []
        figures: list[str] = []
        for block in blocks:
            if isinstance(block, PlotFigure):
                figures.append(self._plot(block))
                continue
            parts += _gathered(figures)
            figures.clear()
            parts.append(self._block(block))
        return "\n".join([*parts, *_gathered(figures)])

    def _block(self, block: Block) -> str:  # noqa: PLR0911  # one answer a kind
        match block:
            case Section():
                return self._section(block)
            case Paragraph():
                tone = f' class="call {block.tone}"' if block.tone else ""
                return f"<p{tone}>{_line(block.line)}</p>"
            case BulletList():
                return f"<ul>{''.join(f'<li>{_line(line)}</li>' for line in block.items)}</ul>"
            case Table():
                return _table(block)
            case CodeBlock():
                return f"<pre>{html.escape(visible(block.text.strip(chr(10)), keep_lines=True))}</pre>"
            case GraphFigure():
                return self._graph(block)
            case PlotFigure():
                return self._plot(block)
            case Strip():
                return _strip(block)
            case Tiles():
                return f'<div class="tiles">{"".join(map(_tile, block.tiles))}</div>'

    def _section(self, section: Section) -> str:
        inner = self.blocks(section.blocks)
        title = _text(section.title)
        hint = f' <span class="hint">{_text(section.hint)}</span>' if section.hint else ""
        if not section.folded:
            return f'<section class="section" id="{_text(section.slug)}"><h2>{title}{hint}</h2>\n{inner}</section>'
        summary = f"<summary><h2>{title}{hint}</h2></summary>"
        return f'<details class="section" id="{_text(section.slug)}">{summary}\n{inner}</details>'

    def _graph(self, figure: GraphFigure) -> str:
        self._graphs += 1
        wide = graph_svg(figure.graph, direction="right", name=f"graph{self._graphs}-wide")
        narrow = graph_svg(figure.graph, direction="down", name=f"graph{self._graphs}-narrow")
        return f'<div class="graph-box">{wide}{narrow}</div>'

    def _plot(self, figure: PlotFigure) -> str:
        caption = f"<figcaption><strong>{_text(figure.plot.name)}</strong></figcaption>"
        svg = self._draw_plot(figure) if self._draw_plot else None
        if svg is not None:
            self.has_images |= bool(figure.plot.images)
            notes = "".join(f'<p class="hint">{_line(line)}</p>' for line in plot_notes(figure))
            return f"<figure>{caption}{svg}{notes}</figure>"
        table = plot_table(figure)
        lines = "".join(f"<li>{_line(line)}</li>" for line in plot_lines(figure))
        return f"<figure>{caption}{_table(table) if table else ''}{f'<ul>{lines}</ul>' if lines else ''}</figure>"


def _gathered(figures: list[str]) -> list[str]:
    return [f'<div class="figures">{"".join(figures)}</div>'] if figures else []


def _banner(banner: Banner) -> str:
    eyebrow = f'<p class="eyebrow">{_line(banner.eyebrow)}</p>' if banner.eyebrow else ""
    lines = "".join(f"<p>{_line(line)}</p>" for line in banner.lines)
    symbol = f'<span class="symbol" aria-hidden="true">{_SYMBOLS[banner.tone]}</span>'
    return (
        f'<header class="banner {banner.tone}">{eyebrow}<h1>{symbol}<span>{_text(banner.title)}</span></h1>'
        f"{lines}</header>"
    )


def _tile(tile: Tile) -> str:
    change = f'<span class="mark {tile.tone}">{_text(tile.change)}</span>' if tile.change else ""
    before = f'<span class="before">{_text(tile.before)}</span>' if tile.before else ""
    return (
        f'<div class="tile"><div class="label">{_text(tile.label)}</div><div class="value">{_text(tile.value)}</div>'
        f'<div class="move">{change}{before}</div></div>'
    )


def _table(table: Table) -> str:
    classes = [' class="right"' if column.align == "right" else "" for column in table.columns]
    titles = [_text(column.title) for column in table.columns]
    head = "".join(f'<th scope="col"{css}>{title}</th>' for css, title in zip(classes, titles, strict=True))
    opens = [f'<td{css} data-label="{title}">' for css, title in zip(classes, titles, strict=True)]
    rows = "".join(
        f"<tr>{''.join(f'{opening}{_line(cell)}</td>' for opening, cell in zip(opens, row, strict=True))}</tr>\n"
        for row in table.rows
    )
    more = f'<p class="more">… and {number(table.hidden)} more</p>' if table.hidden else ""
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>{more}'


def _strip(strip: Strip) -> str:
    cells = "".join(
        f'<li class="{cell.tone}" title="{_text(cell.detail)}"><div class="state">{_text(cell.state)}</div>'
        f'<div class="label">{_text(cell.label)}</div></li>'
        for cell in strip.cells
    )
    return f'<ul class="strip">{cells}</ul>'


def _line(line: Line) -> str:
    return "".join(map(_inline, line))


def _inline(inline: Inline) -> str:  # noqa: PLR0911  # one answer a kind
    match inline:
        case str():
            return _text(inline)
        case Code(text):
            return f"<code><bdi>{_text(text)}</bdi></code>" if text else '<span class="hint">(empty)</span>'
        case Strong(text):
            return f"<strong>{_text(text)}</strong>"
        case Mark():
            return f'<span class="mark {inline.tone}">{_text(inline.text)}</span>'
        case Address():
            if not is_safe_url(inline.url):
                return _text(inline.text)
            return f'<a href="{html.escape(quote_url(inline.url))}" rel="noreferrer">{_text(inline.text)}</a>'
        case Spark():
            return _spark(inline)


def _spark(spark: Spark) -> str:
    values = spark.values
    low, high = 0.0 if spark.from_zero else min(values, default=0.0), max(values, default=0.0)
    bars = []
    for index, value in enumerate(values):
        height = 2 + (_SPARK_HEIGHT - 2) * ((value - low) / (high - low) if high > low else 0.4)
        bars.append(f'<rect x="{index * 5}" y="{_SPARK_HEIGHT - height:.1f}" width="4" height="{height:.1f}" rx="1"/>')
    width = max(1, len(values) * 5)
    size = f'width="{width}" height="{_SPARK_HEIGHT}"'
    return f'<svg class="spark {spark.side}" aria-hidden="true" {size}>{"".join(bars)}</svg>'


def _text(text: str) -> str:
    return html.escape(visible(text))
