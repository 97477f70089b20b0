"""The example project itself: its pipeline and its serving graph, without Git, DVC or a server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

import ci_core.demo
from ci_core.demo.dataset import Period, write_training_table, write_weather_table
from ci_core.serving import RequestError, load_graph

pytestmark = pytest.mark.e2e

TEMPLATE = Path(ci_core.demo.__file__).parent / "project"


def _run_stages(project: Path, *, hash_seed: int) -> None:
    env = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONDONTWRITEBYTECODE": "1"}
    for stage in ("prepare", "train", "evaluate"):
        subprocess.run([sys.executable, f"src/{stage}.py"], cwd=project, env=env, check=True, capture_output=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "flights ü"
    shutil.copytree(TEMPLATE, folder)
    (folder / "data").mkdir(exist_ok=True)
    write_training_table(folder / "data/train.parquet", Period(first=date(2013, 1, 1), last=date(2013, 2, 14)))
    write_weather_table(folder / "data/weather.npz")
    _run_stages(folder, hash_seed=1)
    return folder


def _metrics(project: Path) -> dict[str, float]:
    metrics: dict[str, float] = json.loads((project / "metrics.json").read_text("utf-8"))
    return metrics


def test_same_training_gives_the_same_bytes_elsewhere(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "b"
    shutil.copytree(project, elsewhere, ignore=shutil.ignore_patterns("models", "plots", "metrics.json"))

    _run_stages(elsewhere, hash_seed=77)  # under this seed skl2onnx lists what it uses in another order

    for name in ("models/late.onnx", "metrics.json", "plots/roc.csv", "plots/calibration.csv", "plots/scores.csv"):
        assert (elsewhere / name).read_bytes() == (project / name).read_bytes(), name


def test_more_trees_make_a_visibly_better_model(project: Path, tmp_path: Path) -> None:
    better = tmp_path / "better"
    shutil.copytree(project, better)
    params = better / "params.yaml"
    params.write_text(params.read_text("utf-8").replace("trees: 20", "trees: 80"), encoding="utf-8")

    _run_stages(better, hash_seed=1)

    old, new = _metrics(project), _metrics(better)
    assert new["auc"] > old["auc"] + 0.005
    assert new["log_loss"] < old["log_loss"] - 0.005
    assert old["flights"] == new["flights"] == 7_093


def test_graph_answers_one_flight_and_a_list_of_flights_alike(project: Path) -> None:
    flights = [json.loads(line)["body"] for line in (TEMPLATE / "serving/requests.jsonl").read_text().splitlines()]
    graph = load_graph("serving/graph.py:graph", project)

    one, many = graph.test(flights[0]), graph.test(flights)

    assert len(flights) == 20
    assert many[0] == one
    assert all(0 < answer["late_probability"] < 1 for answer in many)
    assert (graph.models, graph.files) == (("models/late.onnx",), ("data/weather.npz",))


def test_graph_answers_for_an_airport_and_a_year_that_it_knows_nothing_of(project: Path) -> None:
    graph = load_graph("serving/graph.py:graph", project)
    flight = {"carrier": "zz", "origin": " osl ", "dest": "JFK", "distance": 3_700, "sched_hour": 8, "weekday": 0}

    answer = graph.test({**flight, "time_hour": "2031-01-06T08:00:00+01:00"})

    assert 0 < answer["late_probability"] < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"carrier": None}, "cannot be read"),
        ({"distance": "far"}, "cannot be read"),
        ({"time_hour": "yesterday"}, "cannot be read"),
        ({"dest": ...}, "lacks 'dest'"),
    ],
)
def test_graph_refuses_a_flight_it_cannot_read(project: Path, change: dict[str, object], message: str) -> None:
    first = json.loads((TEMPLATE / "serving/requests.jsonl").read_text().splitlines()[0])["body"]
    flight = {name: value for name, value in {**first, **change}.items() if value is not ...}

    with pytest.raises(RequestError, match=message):
        load_graph("serving/graph.py:graph", project).test(flight)
