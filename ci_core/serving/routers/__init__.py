"""Routers: which model, or models, an event goes to, and what becomes of their answers.

What authors write is in ``draft.py``; the engine makes the working router from the spec with ``build.build_router``.
One file a kind.
"""

from __future__ import annotations

from typing import Any

from ci_core.serving.routers.draft import Route, Router, RouterDraft


def __getattr__(name: str) -> Any:
    if name == "build_router":  # graphs are written without it
        from ci_core.serving.routers.build import build_router

        return build_router
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Route", "Router", "RouterDraft"]
