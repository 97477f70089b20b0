"""All mistakes are told at once, each with its place."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ci_core.config.reader import settings_from_bytes
from ci_core.errors import ConfigError
from ci_core.testing.golden import assert_golden
from tests.unit.config.written_config import make, message

GOLDEN = Path(__file__).parents[2] / "golden" / "config"


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
nme: Churn
pipeline:
  engine: kubeflow
graph: serving/grpah.py:graph
gates:
  metrics.json:auc: {min: high, max-regresion: 0.01}
  auc: {min: 0.8}
  data: {max: 3}
  metrics.json:loss: {}
  metrics.json:mae: {min: 2, max: 1}
  ../x.json:a: {min: 1}
environments:
  staging:    {target: local, deploy-on: merged, namespace: ml}
  production: {target: kubernetes, deploy-on: manual}
  Bad: {target: locl}
  Worse: {port: 99999, ready-timeout: 30}
  empty:
smoke: /etc/passwd
capture: {to: ../captures, sample: 1.5}
monitor:
  reference: data/reff.parquet
  window: 1 day
  ignore: x
  importance: weights.json
  labels: {pth: data/labels.parquet}
retrain:
  on: performance
  data: s3://bucket/train.parquet
  hold-back: true
  cool-down: 24h
  cool-down: 25h
  change-request: [retrain]
"""
    make(tmp_path, text, "serving/graph.py", "data/ref.parquet.dvc")

    env = {"GRAPHSHIP_CAPTURE_SAMPEL": "1", "GRAPHSHIP_PIPELINE_COMMIT_LOCK": "yes", "GRAPHSHIP_EVENT": "push"}
    assert_golden(GOLDEN / "all-mistakes.txt", message(tmp_path, env))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tab", "name: a\npipeline:\n\tengine: dvc\n"),
        ("unknown-key", "name: a\nmonitr: {}\n"),
        ("unlike-any-key", "name: a\nzzz: {}\n"),
        ("wrong-type", "name: 3\ngates: []\n"),
        ("missing-name", "graph: g.py:graph\n"),
        ("missing-file", "name: a\nsmoke: requests.jsonl\n"),
        ("empty-file", "# nothing yet\n"),
        ("not-a-mapping", "- name: a\n"),
        ("bad-yaml", "name: [a\n"),
        ("python-tag", "name: !!python/object/apply:os.system ['true']\n"),
        ("bad-name", "name: Größe 1\n"),
        ("control-character", 'name: a\n"k\\e[31m": "\\e]0;title"\n'),
        ("bad-graph", "name: a\ngraph: g.py\n"),
        ("retrain-without-monitor", "name: a\nretrain: {data: d.parquet}\n"),
        ("zero-window", "name: a\nmonitor: {reference: d.parquet, window: 0s}\n"),
    ],
)
def test_a_mistake_has_its_reviewed_message(tmp_path: Path, name: str, text: str) -> None:
    make(tmp_path, text, "g.py", "d.parquet")

    assert_golden(GOLDEN / f"{name}.txt", message(tmp_path))


def test_all_mistakes_in_gates_are_told_at_once(tmp_path: Path) -> None:
    text = """\
name: a
gates:
  metrics.json:auc: {max-regression: 2 pct, must-improve: yes, folds: cv.auc, sample-size: 0}
  metrics.json:acc: {max-regression: -1, folds: ../m.json:cv}
  metrics.json:roc_auc: {min: 0.8, sample-size: 100}
  metrics.json:acc2: {must-improve: false}
  data: {min: 0.8, max-drift: 2, same-shema: true}
  behavior: {max-changed: 5%}
  behaviour: {max-changed: 5}
  latency: {}
  model-size: {max: 50, max-growth: 20}
  pickle-scan: {allow: [/etc/passwd, ../x]}
  secrets:
  accuracy: {min: 1}
"""
    make(tmp_path, text)

    assert_golden(GOLDEN / "all-mistakes-in-gates.txt", message(tmp_path))


def test_a_file_that_cannot_be_read_is_a_mistake_like_another(tmp_path: Path) -> None:
    (tmp_path / "graphship.yaml").mkdir()

    assert "graphship.yaml: cannot be read: is a directory" in message(tmp_path)


def test_a_mistake_in_a_variable_names_the_variable(tmp_path: Path) -> None:
    make(tmp_path, "name: a\n")

    text = message(tmp_path, {"GRAPHSHIP_CAPTURE_SAMPLE": "lots"})

    assert (
        "environment variable GRAPHSHIP_CAPTURE_SAMPLE, capture.sample: expected a number, found the text `lots`"
        in text
    )


yaml_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)

top_keys = st.sampled_from(
    ["name", "pipeline", "graph", "gates", "environments", "smoke", "capture", "monitor", "retrain", "x.y"]
)


@given(
    st.dictionaries(
        top_keys,
        yaml_values
        | st.dictionaries(
            st.sampled_from(
                [
                    *("target", "window", "reference", "data", "on", "to", "labels", "m.json:auc", "staging"),
                    *("behaviour", "latency", "model-size", "pickle-scan", "secrets"),
                ]
            ),
            yaml_values
            | st.dictionaries(st.sampled_from(["max", "max-changed", "allow", "folds", "max-regression"]), yaml_values),
        ),
    )
)
def test_whatever_the_file_says_it_is_settings_or_a_list_of_mistakes(content: dict[str, object]) -> None:
    with contextlib.suppress(ConfigError):
        settings = settings_from_bytes(yaml.safe_dump(content).encode(), root=Path(__file__).parent, env={})
        assert settings.name == content["name"]
