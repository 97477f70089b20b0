"""The process that answers requests with the graph of one commit. Its other end is ``side.py``.

Orders come as lines of JSON on standard input, replies go as lines of JSON to what was standard output; whatever the
graph's own code prints goes to standard error, which is a file. Every order gets one reply, but ``answer``, which gets
one a request and then ``done``::

    {"do": "load", "root": "/tree", "graph": "serving/graph.py:graph", "moved": ["/work", "/tree"]}
        {"needs": ["models/m1.onnx"]}
    {"do": "compile", "graph": "serving/graph.py:graph", "time-column": null}
        {"columns": ["age", "city"], "remote": ["lookup"]}    columns null: nobody says
    {"do": "answer", "requests": "/file", "from": 0}
        {"number": 0, "status": 200, "seconds": 0.0012, "sha256": "…", "bytes": 7, "body": "[0.123]", "whole": true}
        {"done": true, "peak-bytes": 81000000, "foreign": []}
    {"do": "time", "numbers": [0, 5, 9]}          {"seconds": [0.0012, …]}

A reply ``{"error": "…", "hint": "…", "slug": "…", "exit-code": 2}`` is the last one. When standard
input ends, whoever gave the orders is gone, and the process ends, whatever it is doing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import queue
import random
import sys
import threading
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from ci_core.behaviour.surroundings import led
from ci_core.errors import GraphshipError, StepNotImportableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.serving.graph import Graph
    from ci_core.serving.server import Answer, Application
    from ci_core.serving.spec import GraphSpec
    from ci_core.types import JsonValue

KEPT_BYTES: Final = 256 * 1024
"""Of one answer; of a larger one the beginning is told, and the sha256."""
KEPT_IN_ALL_BYTES: Final = 8 * 1024 * 1024
"""Of all answers to one ``answer``: as objects they take ten times as much where they are compared."""
_START_BYTES: Final = 400
_REMOTE: Final = ("Remote", "BatchRemote")


class Orders:
    """What the other end says, and what is said to it."""

    def __init__(self) -> None:
        self._replies = os.dup(1)
        orders = os.fdopen(os.dup(0), "rb")
        os.dup2(2, 1)  # what the graph prints is no reply
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._given: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(orders,), name="graphship-orders", daemon=True).start()

    def _read(self, orders: Any) -> None:
        for line in orders:
            self._given.put(json.loads(line))
        os._exit(0)  # nobody would hear of it, and the graph may hang

    def next(self) -> dict[str, Any]:
        """Wait for an order."""
        return self._given.get()

    def reply(self, **told: object) -> None:
        """Say one line."""
        left = memoryview(json.dumps(told).encode() + b"\n")
        while left:
            left = left[os.write(self._replies, left) :]


def main() -> int:
    """Obey until told to end; return the exit code."""
    orders = Orders()
    try:
        _obey(orders)
    except GraphshipError as error:
        told = {"error": error.fact, "hint": error.hint, "where": list(error.where), "slug": error.slug}
        orders.reply(**told, **{"exit-code": int(error.exit_code)})
    except Exception as error:  # noqa: BLE001 - of the graph's own code, which may raise anything
        orders.reply(error=f"{type(error).__name__}: {error}")
    except SystemExit as error:
        orders.reply(error=f"it called sys.exit({error.code!r})")
    return 1


def _obey(orders: Orders) -> None:
    from ci_core.serving import load_graph
    from ci_core.serving.listen import run
    from ci_core.serving.options import ServeOptions
    from ci_core.serving.served_graph import ServedGraph

    order = orders.next()
    moved = (Path(order["moved"][0]), Path(order["moved"][1])) if order["moved"] else None
    sys.path[:] = led(sys.path, moved)  # a package that is installed as editable may be in the work tree
    root = Path(order["root"])
    graph = load_graph(order["graph"], root, check_files=False)
    orders.reply(needs=sorted({*graph.models, *graph.files}), graph=_stored(graph))

    order = orders.next()
    graph = load_graph(order["graph"], root)  # again: its code may read files when it is imported
    graph.settle()
    served = ServedGraph(graph, ServeOptions(time_column=order["time-column"]))

    async def serve() -> None:
        try:
            served.start()
            orders.reply(columns=_columns(graph, served.plan.models), remote=_remote_steps(graph.spec))
            await _answer_orders(orders, served.application, moved)
        finally:
            await served.end()

    run(serve())


def _stored(graph: Graph) -> JsonValue:
    """Return the graph as data; None when it has steps that no file can name."""
    try:
        return graph.spec.to_dict()
    except StepNotImportableError:
        return None


def _columns(graph: Graph, models: Any) -> list[str] | None:
    """Return the columns that a plain request must have; None when nobody says."""
    if graph.spec.inputs:
        return list(graph.spec.inputs)
    found = [getattr(model, "input_columns", None) for model in models.values()]
    return sorted({column for columns in found for column in columns or ()}) or None


def _remote_steps(spec: GraphSpec) -> list[str]:
    """Return the steps that call another service, those of nested graphs too."""
    inner = [name for step in spec.steps if step.graph is not None for name in _remote_steps(step.graph)]
    return sorted({*inner, *(step.name for step in spec.steps if step.step in _REMOTE)})


async def _answer_orders(orders: Orders, application: Application, moved: tuple[Path, Path] | None) -> None:
    loop = asyncio.get_running_loop()
    requests: Sequence[Any] = ()
    while True:
        order = await loop.run_in_executor(None, orders.next)
        match order["do"]:
            case "answer":
                requests = _read_requests(Path(order["requests"]))
                await _answer(orders, application, requests, int(order["from"]))
                orders.reply(done=True, **{"peak-bytes": peak_bytes()}, foreign=_foreign(moved))
            case "time":
                orders.reply(
                    seconds=[(await _ask(application, number, requests[number]))[1] for number in order["numbers"]]
                )
            case unknown:
                raise ValueError(unknown)


def _read_requests(file: Path) -> list[tuple[str, str, dict[str, str], bytes]]:
    found = json.loads(file.read_text(encoding="utf-8"))
    return [(one["method"], one["path"], one["headers"], (one["body"] or "").encode()) for one in found]


async def _answer(orders: Orders, application: Application, requests: Sequence[Any], first: int) -> None:
    kept = 0
    for number in range(first, len(requests)):
        (status, _, body), seconds = await _ask(application, number, requests[number])
        text, is_whole = _text(body, KEPT_IN_ALL_BYTES - kept)
        kept += len(body) if is_whole else 0
        orders.reply(
            number=number,
            status=status,
            seconds=seconds,
            sha256=hashlib.sha256(body).hexdigest(),
            bytes=len(body),
            body=text,
            whole=is_whole,
        )


async def _ask(
    application: Application, number: int, request: tuple[str, str, dict[str, str], bytes]
) -> tuple[Answer, float]:
    """Return the answer to a request, and the seconds it took."""
    method, path, headers, body = request
    # a graph that draws lots draws the same ones for a request, on both sides and each time
    random.seed(number)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(number)
    headers = dict(headers)
    refused = application.admit(path, len(path), headers)
    started = perf_counter()
    if refused is not None:
        answer = application.refuse(refused, method, path)
    elif application.is_async:
        answer = await application.handle_async(method, path, headers, body)
    else:
        answer = application.handle(method, path, headers, body)
    seconds = perf_counter() - started
    await asyncio.sleep(0)  # what the graph does beside its answers, such as taking messages out of queues
    return answer, seconds


def _text(body: bytes, room: int) -> tuple[str, bool]:
    """Return a body as text, and whether it is all of it."""
    try:
        if len(body) <= min(KEPT_BYTES, room):
            return body.decode(), True
    except UnicodeDecodeError:
        return f"{len(body):,} bytes that are no text", False
    return body[:_START_BYTES].decode(errors="replace"), False


def peak_bytes() -> int:
    """Return the largest resident memory that this process had so far."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource  # not on every platform

        # beware: on Linux it would count the memory of who started this process
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _foreign(moved: tuple[Path, Path] | None) -> list[str]:
    """Return the modules that came from the work tree, though this is another commit."""
    if moved is None:
        return []
    return sorted(
        name for name, module in list(sys.modules.items()) if _is_below(getattr(module, "__file__", None), moved[0])
    )


def _is_below(file: object, folder: Path) -> bool:
    if not isinstance(file, str):
        return False
    path = Path(file).resolve()
    is_installed = "site-packages" in path.parts or path.is_relative_to(Path(__file__).resolve().parents[1])
    return path.is_relative_to(folder) and not is_installed
