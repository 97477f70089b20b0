"""A tensor of 1000 x 100 float32 as a request: the binary extension of the V2 protocol beside JSON.

Run: ``python -m bench.serving.binary [--rounds N] [--json FILE]``.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from bench.serving.report import Report, arguments, finish, ratio
from ci_core.serving import protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHAPE = (1000, 100)
COLUMNS = tuple(f"c{index}" for index in range(SHAPE[1]))


def main(arguments_given: Sequence[str] | None = None) -> Report:
    options = arguments(__doc__, rounds=9).parse_args(arguments_given)
    matrix = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    binary, header_length = _binary(matrix)
    text = orjson.dumps(_request(matrix, {"data": matrix.ravel().tolist()}))
    _check(matrix, _decoded(binary, header_length), _decoded(text))
    cases: dict[str, tuple[Callable[[], Any], int]] = {
        "V2 binary, decoded": (lambda: _decoded(binary, header_length), 500),
        "numpy.frombuffer alone": (lambda: np.frombuffer(binary, np.float32, offset=int(header_length)), 500),
        "V2 JSON, decoded and checked": (lambda: _decoded(text), 5),
        "orjson alone": (lambda: orjson.loads(text), 10),
    }
    times = _medians(cases, options.rounds)
    result = Report("binary", ("what", "CPU us", "bytes"))
    for name, spent in times.items():
        result.add(name, spent, len(binary) if "binary" in name or "numpy" in name else len(text))
    result.at_most("V2 binary, decoded", times["V2 binary, decoded"], 20.0, "us")
    result.notes.append(f"orjson / V2 binary: {ratio(times['orjson alone'], times['V2 binary, decoded']):.0f} x")
    return finish(result, options)


def _request(matrix: np.ndarray[Any, Any], more: dict[str, Any]) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "shape": list(matrix.shape), "datatype": "FP32", **more}]}


def _binary(matrix: np.ndarray[Any, Any]) -> tuple[bytes, str]:
    values = matrix.tobytes()
    header = orjson.dumps(_request(matrix, {"parameters": {"binary_data_size": len(values)}}))
    return header + values, str(len(header))


def _decoded(body: bytes, header_length: str | None = None) -> Any:
    """Return the table that a graph gets: what lies between the bytes of a request and the model."""
    return protocol.body_of(protocol.read_request(body, header_length), COLUMNS, as_table=True)


def _check(matrix: np.ndarray[Any, Any], *tables: Any) -> None:
    for table in tables:
        found = np.array([list(row.values()) for row in table.rows()], dtype=np.float32)
        assert np.array_equal(found, matrix), "the decoded tensor is another one"


def _medians(cases: dict[str, tuple[Callable[[], Any], int]], rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, (run, count) in cases.items():
            started = time.process_time_ns()
            for _ in range(count):
                run()
            times.setdefault(name, []).append((time.process_time_ns() - started) / count / 1e3)
    return {name: statistics.median(found) for name, found in times.items()}


if __name__ == "__main__":
    main()
