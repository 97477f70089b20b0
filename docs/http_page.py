"""The reference page of a server's HTTP interface: ``docs/reference/http.md``.

The page is written by hand but for the tables between its marks, which come from the code: the problems from their
classes, the metrics from what a graph with a step of every kind tells.
"""

from __future__ import annotations

import asyncio
import logging
import re
import tempfile
from pathlib import Path

from docstrings import cell

from ci_core.serving import Graph, Model, Router, problems, steps
from ci_core.serving.options import ServeOptions
from ci_core.serving.process import ServedGraph
from ci_core.testing.prometheus_text import parse

PAGE = Path(__file__).parent / "reference" / "http.md"

_WHEN = {
    "graph_violations_total": "a step `Validate` that counts",
    "graphship_capture_rows_total": "captures are on",
    "graphship_model_call_rows": "models whose requests share calls",
    "graphship_model_stuck_calls": "models that are called in a thread of their own, or whose requests share calls",
    "graphship_model_waiting_rows": "models that are called in a thread of their own, or whose requests share calls",
    "graphship_queue_depth": "queues",
    "graphship_queue_messages_total": "queues",
    "graphship_shadow_dropped_total": "shadow routers",
    **{
        f"graphship_remote_{name}": "remote steps"
        for name in ("attempts_total", "breaker_open", "calls_in_flight", "connections", "failures_total")
    },
    "graphship_processes": "where there is `/proc`",
    "process_cpu_seconds_total": "where there is `/proc`",
    "process_open_fds": "where there is `/proc`",
    "process_resident_memory_bytes": "where there is `/proc`",
    "process_start_time_seconds": "where there is `/proc`",
}
"""Metrics that not every server has."""


def http_page() -> str:
    """Return the page with its tables as the code has them."""
    tables = {"problems": _problems, "metrics": _metrics}
    return re.sub(
        r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}{tables[found[2]]()}\n{found[3]}",
        PAGE.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )


def _problems() -> str:
    rows = sorted(
        (cls.status, cls.slug, cell((cls.__doc__ or "").split("\n\n")[0])) for cls in _below(problems.HttpError)
    )
    rows += [
        (500, "step-failed", "A step raised anything else; `step` names it, the log tells what."),
        (500, "internal-error", "Something else failed; the log tells what."),
    ]
    lines = ["| status | slug | meaning |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {status} | `{slug}` | {text} |" for status, slug, text in sorted(rows))])


def _below(cls: type[problems.HttpError]) -> list[type[problems.HttpError]]:
    return [one for below in cls.__subclasses__() for one in (below, *_below(below)) if "slug" in vars(one)]


def _metrics() -> str:
    families = metrics_of_everything()
    lines = ["| metric | kind | labels | meaning | there with |", "|---|---|---|---|---|"]
    for name in sorted(families):
        kind, text, labels = families[name]
        shown = ", ".join(f"`{label}`" for label in labels if label != "le")
        lines.append(f"| `{name}` | {kind} | {shown} | {cell(text)} | {_WHEN.get(name, '')} |")
    return "\n".join(lines)


class _Shared(Model):
    """A model whose requests share calls."""

    gains_from_batches = True

    def predict(self, rows: list[dict[str, object]]) -> list[float]:
        return [0.5] * len(rows)


def metrics_of_everything() -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Return every metric → kind, text and labels, as a graph with everything in it tells them."""
    graph = Graph("everything")
    graph.to(steps.Validate({"age": {"type": "number", "max": 9}}, violations="count")).to(
        Router.shadow({"m1": _Shared, "m2": _Shared}), "models"
    ).respond().queue("scored").to(lambda body: body, "store")
    graph.error_handler(steps.Remote("http://service:8080"))  # which is there, and asked nothing
    logging.disable(logging.WARNING)  # the row that breaks a rule is told, too
    with tempfile.TemporaryDirectory() as folder:
        families = parse(asyncio.run(_text(graph, Path(folder))))
    logging.disable(logging.NOTSET)
    return {
        name: (
            one.kind,
            one.help,
            tuple(dict.fromkeys(label for _name, labels in one.samples for label, _value in labels)),
        )
        for name, one in families.items()
    }


async def _text(graph: Graph, captures: Path) -> str:
    served = ServedGraph(graph, ServeOptions(captures=captures))
    try:
        served.start()  # all of a server but its socket
        await served.application.handle_async("POST", "/", {}, b'{"age": 10}')
        return served.metrics.text()
    finally:
        await served.end()
