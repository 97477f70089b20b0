"""The servers that are measured: how each is started, and how it is asked."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from bench.serving import ours, venvs, work

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PEERS_FOLDER = Path(__file__).parent / "peers"
OWN_BIN = Path(sys.executable).parent
_ROOT = Path(__file__).parents[2]
_GRANIAN = (
    *("--interface", "rsgi", "--workers", "1", "--runtime-threads", "1", "--loop", "uvloop"),
    *("--no-ws", "--http", "1", "--log-level", "warning"),
)
_UVICORN = (
    *("--loop", "uvloop", "--http", "httptools", "--host", "127.0.0.1"),
    *("--no-access-log", "--log-level", "warning"),
)

NUMPY = {"PREDICT": "numpy"}
BATCH = {"BATCH": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server is started.

    Attributes:
        folder: of this server, for its files; empty.
        port: its own, and the two after it.
        work: of the run; its coefficients are in the file that the servers read.
    """

    folder: Path
    port: int
    work: work.Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A server."""

    command: Callable[[Place], list[str]]
    dialect: work.Dialect
    environment: Mapping[str, str] = field(default_factory=dict)
    peer: str | None = None
    """Name of its environment; None: it runs in ours."""


def _raw(speak: str, dialect: work.Dialect, **environment: str) -> Entry:
    command = [str(OWN_BIN / "granian"), *_GRANIAN, "--host", "127.0.0.1"]
    return Entry(
        command=lambda place: [*command, "--port", str(place.port), "raw_rsgi:app"],
        dialect=dialect,
        environment={"SPEAK": speak, **environment},
    )


def own(route: Mapping[str, object], dialect: work.Dialect, *options: str, **environment: str) -> Entry:
    """Return our server with one model.

    Args:
        route: the model's settings.
        dialect: it is asked in.
        options: of ``python -m ci_core.serving``; ``{folder}`` in them is a folder of this server.
        environment: of its process.
    """

    def command(place: Place) -> list[str]:
        release = ours.release(place.folder / "release", dict(route), made=place.work)
        return ours.command(release, place.port, *[word.format(folder=place.folder) for word in options])

    return Entry(command=command, dialect=dialect, environment=environment)


def _peer(
    name: str, *words: str, dialect: work.Dialect = work.INPUTS, environment: Mapping[str, str] = MappingProxyType({})
) -> Entry:
    def command(place: Place) -> list[str]:
        binaries = venvs.binaries(name)
        return [str(binaries / words[0]), *[word.format(port=place.port) for word in words[1:]]]

    return Entry(command=command, dialect=dialect, environment=environment, peer=name)


def _mlserver(**more: object) -> Entry:
    def command(place: Place) -> list[str]:
        ports = {"http_port": place.port, "grpc_port": place.port + 1, "metrics_port": place.port + 2}
        settings = {"host": "127.0.0.1", "parallel_workers": 0, "debug": False, "use_structured_logging": False}
        model = {"name": work.MODEL, "implementation": "mlserver_app.Iris", **more}
        (place.folder / "settings.json").write_text(json.dumps(ports | settings))
        (place.folder / "model-settings.json").write_text(json.dumps(model))
        return [str(venvs.binaries("mlserver") / "mlserver"), "start", str(place.folder)]

    return Entry(command=command, dialect=work.V2, peer="mlserver")


_AT = ("--host", "127.0.0.1", "--port", "{port}")
_BENTOML = ("bentoml", "serve", "bentoml_app:Iris", "--working-dir", str(PEERS_FOLDER), *_AT)
_LITSERVE = ("python", str(PEERS_FOLDER / "litserve_app.py"), "{port}")
_RAY = ("python", str(PEERS_FOLDER / "ray_app.py"), "{port}")
_QUIET = {"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0"}
_ARRAY = work.Dialect(path="/predict", encode=work.INPUTS.encode, labels=lambda answer: answer)

PEERS: dict[str, Entry] = {
    "FastAPI": _peer("fastapi", "uvicorn", "fastapi_app:app", *_UVICORN, "--port", "{port}"),
    "KServe": _peer("kserve", "python", str(PEERS_FOLDER / "kserve_app.py"), "{port}", dialect=work.V1),
    "MLServer": _mlserver(),
    "LitServe": _peer("litserve", *_LITSERVE),
    "BentoML": _peer("bentoml", *_BENTOML, environment=_QUIET),
    "BentoML, async method": _peer("bentoml", *_BENTOML, environment={"ASYNC": "1"} | _QUIET),
    "Ray Serve": _peer("ray", *_RAY, environment=_QUIET),
}
BATCHING_PEERS: dict[str, Entry] = {
    "MLServer, batching": _mlserver(max_batch_size=64, max_batch_time=0.002),
    "LitServe, batching": _peer("litserve", *_LITSERVE, environment=BATCH),
    "BentoML, batching": _peer("bentoml", *_BENTOML, dialect=_ARRAY, environment=BATCH | _QUIET),
    "Ray Serve, batching": _peer("ray", *_RAY, environment=BATCH | _QUIET),
}
RAW: dict[str, Entry] = {
    "raw granian": _raw("inputs", work.INPUTS, **NUMPY),
    "raw granian, rows": _raw("rows", work.ROWS, **NUMPY),
    "raw granian, V2": _raw("v2", work.V2, **NUMPY),
}
RAW_SKLEARN = {"raw granian, sklearn": _raw("inputs", work.INPUTS)}


def python_path() -> str:
    """Return where servers find the predictor, their own program, and ours."""
    return f"{PEERS_FOLDER}:{_ROOT}"
