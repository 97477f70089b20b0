"""The page ``/docs``: the OpenAPI document for people, on one page that needs nothing from anywhere else."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ci_core.serving.openapi import Document

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #888; --mark: #2a7; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
p.sub { color: var(--dim); margin-top: .25rem; overflow-wrap: anywhere; }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .6rem 0; padding: .5rem .9rem; }
summary { cursor: pointer; } summary code { font-weight: 600; overflow-wrap: anywhere; }
.verb { display: inline-block; min-width: 3.2rem; color: var(--mark); font: 600 .85rem ui-monospace, monospace; }
summary .what { color: var(--dim); margin-left: .6rem; }
pre { background: #8881; border-radius: .4rem; padding: .6rem .8rem; font-size: .85rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-size: .9rem; } td, th { text-align: left; padding: .15rem 1.2rem .15rem 0; }
th { color: var(--dim); font-weight: 500; }
"""


def page(document: Document) -> str:
    """Return the document as a page of HTML that needs nothing from anywhere else."""
    info = document["info"]
    groups: dict[str, list[str]] = {}
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            groups.setdefault(operation["tags"][0], []).append(_section(verb.upper(), path, operation))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(sections)}" for tag, sections in groups.items())
    title = escape(info["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f'<h1>{title}</h1><p class="sub">release {escape(info["version"])} · {escape(info["description"])} '
        f'The same for programs: <a href="openapi.json">openapi.json</a></p>{body}</body></html>\n'
    )


def _section(verb: str, path: str, operation: Any) -> str:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    is_open = " open" if path == "/" else ""
    name = f'<span class="verb">{verb}</span> <code>{escape(path)}</code>'
    what = f'<span class="what">{escape(operation["summary"])}</span>'
    parts = [f"<details{is_open}><summary>{name}{what}</summary>"]
    if "description" in operation:
        text = re.sub("`([^`]*)`", r"<code>\1</code>", escape(operation["description"]))
        parts.append(f"<p>{text}</p>")
    if content is not None:
        parts.append(_columns(content["schema"]))
    parts.append(f"<pre>{escape(_curl(path, content))}</pre></details>")
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


def _curl(path: str, content: Any) -> str:
    if content is None:
        return f"curl http://localhost:8080{path}"
    example = json.dumps(content["example"], ensure_ascii=False).replace("'", "'\\''")
    return f"curl http://localhost:8080{path} -H 'content-type: application/json' -d '{example}'"
