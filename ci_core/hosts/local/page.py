"""A change request or an issue of the local host as one offline HTML page (pure).

It shows what the host stores, with nothing loaded from elsewhere; reports have pages of their own.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

from ci_core.hosts.marker import without_marker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markdown_it.token import Token

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_OUR_TAG = re.compile(r"&lt;(/?(?:details|summary|b|br|code|sub))&gt;")
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --open: #1a7f37; --merged: #8250df; --closed: #b3382c }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; font-weight: 500; margin: 0 0 .5rem } h1 span, .meta { color: #888 }
.state { color: #fff; border-radius: 1rem; padding: .15rem .8rem; font-size: .9rem; margin-right: .5rem }
.open { background: var(--open) } .merged { background: var(--merged) } .closed { background: var(--closed) }
.label { border: 1px solid var(--line); border-radius: 1rem; padding: .1rem .6rem; font-size: .85rem }
article { border: 1px solid var(--line); border-radius: .5rem; margin: 1.2rem 0; overflow-x: auto }
article > header { background: var(--soft); padding: .4rem 1rem; font-size: .9rem }
article > div { padding: .2rem 1rem }
table { border-collapse: collapse } th, td { border: 1px solid var(--line); padding: .3rem .7rem; text-align: left }
code { background: var(--soft); border-radius: .25rem; padding: .1rem .3rem }
pre { overflow-x: auto } pre code { display: block; padding: .7rem }
"""


def render_page(record: Mapping[str, Any], comments: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of a stored change request or issue with its comments, oldest first."""
    number, title, state = record["number"], escape(record["title"]), escape(record["state"])
    branches = (
        f" · <code>{escape(record['source_branch'])}</code> → <code>{escape(record['target_branch'])}</code>"
        if "source_branch" in record
        else ""
    )
    labels = "".join(f' <span class="label">{escape(label)}</span>' for label in record["labels"])
    texts = [_article(record["author"], record["opened_at"], record["body"], "description")]
    texts += [_article(item["author"], item["written_at"], item["body"], f"comment-{item['id']}") for item in comments]
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>#{number} {title}</title><style>{_STYLE}</style>
<h1>{title} <span>#{number}</span></h1>
<p><span class="state {state}">{state}</span><span class="meta">{escape(record["author"])}{branches}</span>{labels}</p>
{"".join(texts)}</html>
"""


def _article(author: str, at: str, body: str, anchor: str) -> str:
    html = _markdown().render(without_marker(body))
    head = f'<header><b>{escape(author)}</b> <span class="meta">{escape(at)}</span></header>'
    return f'<article id="{escape(anchor)}">{head}<div>{html}</div></article>\n'


@cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    markdown.add_render_rule("html_block", _harmless)
    markdown.add_render_rule("html_inline", _harmless)
    return markdown


def _harmless(_renderer: object, tokens: Sequence[Token], index: int, _options: object, _env: object) -> str:
    """Render raw HTML stricter than forges do: our reports' tags stay, comments vanish, the rest is shown as text."""
    text = escape(_COMMENT.sub("", tokens[index].content), quote=False)
    return _OUR_TAG.sub(r"<\1>", text)
