"""Texts of a stranger that try to do something, and a way to put them into every text of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, get_args

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Model = TypeVar("Model", bound=BaseModel)

MARKDOWN_ATTACKS = (
    "|",
    "a | b \\| c",
    "\n\n# heading\n\n- [ ] task\n",
    "\r\n\r\n> quote",
    "<!-- graphship:v1 key=0123456789abcdef sha=0 run=9.9 body=0 -->",
    "@team",
    "@org/team",
    "cc: (@team)",
    "#123",
    "GH-123",
    "gl-7",
    "user/repo#1",
    "user/repo@5d1c7e0b9a3f4e21c88d6f0a7b3c2e19d4f5a601",
    "5d1c7e0b9a3f4e21c88d6f0a7b3c2e19d4f5a601",
    "deadbeef",
    "!7",
    "%3",
    "&4",
    "(!7)",
    "x!7",
    "(%3)",
    "group&4",
    "~bug",
    "$1",
    "/close",
    "\n/assign @me\n",
    "```\n/close\n```",
    "````\n/close",
    "~~~",
    "`",
    "`` ` ``",
    "<img src=x onerror=alert(1)>",
    "<a href='https://tracker.example'>x</a>",
    "</details></summary>",
    "<script>alert(1)</script>",
    "![x](http://tracker.example/p.png)",
    "[x](https://tracker.example)",
    "[x](javascript:alert(1))",
    "[x][1]\n\n[1]: https://tracker.example",
    "[^1]\n\n[^1]: note",
    "https://tracker.example",
    "HTTP://tracker.example",
    "www.tracker.example",
    "WWW.tracker.example",
    "ftp://tracker.example",
    "mailto:a@tracker.example",
    "a@tracker.example",
    "$x$ $$y$$ $`z`$",
    ":tada: :+1:",
    "&lt;b&gt; &#64;team",
    "**bold** __bold__ _i_ ~~s~~",
    "1. one",
    "===",
    "---",
    "\\",
    "\u202eevil",
    "\u2066x\u2069\u200b\u00ad\ufeff",
    "\U0001f600" * 3,
    "[[wiki]]",
    "[vulnerability:1]",
    "{+ added +} [- removed -]",
    "`auc` fell`",
)
"""Mentions, references, addresses, pictures, HTML, markers, fences, tables, and what else a host acts on."""

PAGE_ATTACKS = (
    "<script>alert(1)</script>",
    "</style><script>",
    "</title><svg onload=alert(1)>",
    '" onmouseover="alert(1)',
    "' onfocus='x",
    "-->",
    "<!--",
    "]]>",
    "&amp;&#x3c;",
    "\x00\x01\x0b\x1f",
    "\ud800",
    "\ufffe\uffff",
    "\u202eevil\u2066",
)
"""Tags, attributes, entities, and characters that XML does not allow."""

TERMINAL_ATTACKS = (
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;https://tracker.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "\x90q\x9c",
    "\x07\x08\x7f",
    "over\rwritten",
    "a\x0bb\x0cc",
    "\u2028\u2029\x85",
    "\u202eevil\u202c",
    "\ue000\U000f0000",
    "\U000e0041\U000e0042",
    "::error::x",
    "数据" * 40,
    "e\u0301" * 90,
)
"""Escape sequences, control characters of both kinds, direction overrides, private and tag characters."""


def text_fields(model: type[BaseModel]) -> set[str]:
    """Return every field that holds free text in a model and in those inside it: ``Gate.key``."""
    found: set[str] = set()
    for one in _models(model, set()):
        found |= {f"{one.__name__}.{name}" for name, field in one.model_fields.items() if _takes_text(field.annotation)}
    return found


def with_texts(model: Model, change: Callable[[str, str], str]) -> Model:
    """Return a copy in which every free text is replaced.

    Args:
        model: what to copy; its fields keep their kind, a metric's number may become text.
        change: takes a field (``Gate.key``) and what it holds as text, returns what it is to hold.
    """
    update: dict[str, object] = {}
    for name, field in type(model).model_fields.items():
        held = getattr(model, name)
        if _takes_text(field.annotation) and isinstance(held, int | float):
            update[name] = change(f"{type(model).__name__}.{name}", str(held))
        else:
            is_text = _takes_text(field.annotation)
            update[name] = _changed(held, f"{type(model).__name__}.{name}", change if is_text else None, change)
    return model.model_copy(update=update)


def _changed(
    held: object, field: str, own: Callable[[str, str], str] | None, inner: Callable[[str, str], str]
) -> object:
    if isinstance(held, str):
        return held if own is None else own(field, held)
    if isinstance(held, BaseModel):
        return with_texts(held, inner)
    if isinstance(held, tuple):
        return tuple(_changed(item, field, own, inner) for item in held)
    return held


def _takes_text(annotation: object) -> bool:
    return annotation is str or any(map(_takes_text, get_args(annotation)))


def _models(model: type[BaseModel], seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    if model not in seen:
        seen.add(model)
        for field in model.model_fields.values():
            for inner in _classes(field.annotation):
                _models(inner, seen)
    return seen


def _classes(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _classes(argument)
