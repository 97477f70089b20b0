"""The page ``/docs``: the OpenAPI document for people, on one page that needs nothing from anywhere else."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ci_core.serving.openapi import Document

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #57606a; --mark: #116b3f; --sheet: #fff; }
@media (prefers-color-scheme: dark) { :root { --dim: #a2acb7; --mark: #4ac382; --sheet: #0d1117; } }
body { background: var(--sheet); font: 16px/1.5 system-ui, sans-serif;
  max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
p.sub { color: var(--dim); margin-top: .25rem; overflow-wrap: anywhere; }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .6rem 0; padding: .5rem .9rem; }
summary { cursor: pointer; } summary code { font-weight: 600; overflow-wrap: anywhere; }
.verb { display: inline-block; min-width: 3.2rem; color: var(--mark); font: 600 .85rem ui-monospace, monospace; }
summary .what { color: var(--dim); margin-left: .6rem; }
pre { background: #8881; border-radius: .4rem; padding: .6rem .8rem; font-size: .85rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.graphship-picture { margin: 1.5rem 0; }
.graphship-picture svg { display: block; }
table { border-collapse: collapse; font-size: .9rem; } td, th { text-align: left; padding: .15rem 1.2rem .15rem 0; }
th { color: var(--dim); font-weight: 500; }
"""


_HOST = re.compile(r"([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
"""A name or address, and maybe a port: anything else that a client calls the host is not repeated."""
_TAGS = ("Graph", "Models", "Service")
"""In the order in which people look for them."""
_RELEASE_LETTERS = 12
"""Of a release's id, as many as tell it from the others."""


def page(document: Document, picture: str, host: str | None = None) -> str:
    """Return the document as a page of HTML that needs nothing from anywhere else.

    Args:
        document: the OpenAPI document.
        picture: of the graph, as HTML.
        host: that the page was asked of, as the request says; lines to try name it.
    """
    origin = f"http://{host}" if host is not None and _HOST.fullmatch(host) else ""
    info = document["info"]
    groups: dict[str, list[str]] = {tag: [] for tag in _TAGS}
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            groups.setdefault(operation["tags"][0], []).append(_section(verb.upper(), path, operation, origin))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(sections)}" for tag, sections in groups.items() if sections)
    title, release = escape(info["title"]), escape(info["version"])
    short = escape(info["version"][:_RELEASE_LETTERS])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f'<h1>{title}</h1><p class="sub">release <span title="{release}">{short}</span> · '
        f"{escape(info['description'])} "
        f'The same for programs: <a href="openapi.json">openapi.json</a></p>{picture}{body}</body></html>\n'
    )


def _section(verb: str, path: str, operation: Any, origin: str) -> str:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    is_open = " open" if (verb, path) == ("POST", "/") else ""
    name = f'<span class="verb">{verb}</span> <code>{escape(path)}</code>'
    what = f'<span class="what">{escape(operation["summary"])}</span>'
    parts = [f"<details{is_open}><summary>{name}{what}</summary>"]
    if "description" in operation:
        text = re.sub("`([^`]*)`", r"<code>\1</code>", escape(operation["description"]))
        parts.append(f"<p>{text}</p>")
    if content is not None:
        parts.append(_columns(content["schema"]))
    parts.append(f"<pre>{escape(_curl(f'{origin}{path}', content))}</pre></details>")
    return "".join(parts)


def _columns(schema: Any) -> str:
    row = schema.get("oneOf", [schema])[0]
    row = row.get("items", row)
    properties = row.get("properties")
    if not properties:
        return ""
    lines = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_type_text(one['type']))}</td></tr>"
        for name, one in properties.items()
    )
    return f"<table><tr><th>column</th><th>type</th></tr>{lines}</table>"


def _type_text(types: Any) -> str:
    words = types if isinstance(types, list) else [types]
    return " or ".join(words)


def _curl(url: str, content: Any) -> str:
    if content is None:
        return f"curl {url}"
    example = json.dumps(content["example"], ensure_ascii=False).replace("'", "'\\''")
    return f"curl {url} -H 'content-type: application/json' -d '{example}'"
