"""What the file and the environment say reaches the settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ci_core.config.reader import read_settings, settings_from_bytes
from ci_core.config.settings import (
    BehaviourGate,
    CaptureSettings,
    DataGate,
    EnvironmentSettings,
    Gates,
    LabelSettings,
    LatencyGate,
    MetricGate,
    ModelSizeGate,
    MonitorSettings,
    PickleScanGate,
    PipelineSettings,
    RetrainChangeRequestSettings,
    RetrainSettings,
    SecretsGate,
    Settings,
)
from ci_core.types import EnvironmentName, JsonValue
from tests.unit.config.written_config import make

if TYPE_CHECKING:
    from pathlib import Path

FULL = """\
name: churn
pipeline:
  engine: dvc
  commit-lock: false
graph: serving/graph.py:graph
gates:
  metrics.json:auc:
    {min: 0.80, max-regression: 0.01, must-improve: true, folds: ./metrics.json:cv.auc, sample-size: 500}
  data: {no-missing-objects: false, same-schema: true, max-drift: 0.2}
  behaviour: {max-changed: 5%}
  latency: {max-ratio: 1.2}
  eval/metrics.json:test.loss: {max: 1, max-regression: 2%}
  model-size: {max: 50MB, max-growth: 120%}
  pickle-scan: {allow: [models/old.pkl]}
  secrets: {}
environments:
  staging:    {target: local, deploy-on: merge}
  production: {deploy-on: manual, port: 8080, ready-timeout: 1m}
smoke: ./serving/requests.jsonl
capture: {to: s3://bucket/captures, sample: 0.5}
monitor:
  reference: data/train.parquet
  time-column: time_hour
  window: 12h
  target: late
  ignore: [event_id]
  importance: none
  labels: {path: /srv/labels.parquet, key: id}
retrain:
  on: manual
  data: data/train.parquet
  window: sliding
  hold-back: 3
  cool-down: 7d
  change-request: {labels: [retrain, model], reviewers: [ann], draft: true}
"""


def test_every_key_of_the_file_reaches_the_settings(tmp_path: Path) -> None:
    make(tmp_path, FULL, "serving/graph.py", "serving/requests.jsonl", "data/train.parquet.dvc")

    settings = read_settings(tmp_path, {})

    local: dict[str, JsonValue] = {
        "host": "127.0.0.1",
        "port": 0,
        "ready-timeout": 30.0,
        "drain-timeout": 10.0,
    }
    assert settings == Settings(
        root=tmp_path,
        name="churn",
        pipeline=PipelineSettings(engine="dvc", commit_lock=False),
        graph="serving/graph.py:graph",
        gates=Gates(
            metrics=(
                MetricGate(
                    file="metrics.json",
                    metric="auc",
                    min=0.8,
                    max_regression=0.01,
                    must_improve=True,
                    folds="metrics.json:cv.auc",
                    sample_size=500,
                ),
                MetricGate(file="eval/metrics.json", metric="test.loss", max=1.0, max_regression_share=0.02),
            ),
            data=DataGate(no_missing_objects=False, same_schema=True, max_drift=0.2),
            behaviour=BehaviourGate(max_changed=0.05),
            latency=LatencyGate(max_ratio=1.2),
            model_size=ModelSizeGate(max_bytes=50_000_000, max_growth=1.2),
            pickle_scan=PickleScanGate(allow=("models/old.pkl",), is_written=True),
            secrets=SecretsGate(is_written=True),
        ),
        environments=(
            EnvironmentSettings(name=EnvironmentName("staging"), target="local", deploy_on="merge", options=local),
            EnvironmentSettings(
                name=EnvironmentName("production"),
                target="local",
                deploy_on="manual",
                options=local | {"port": 8080, "ready-timeout": 60.0},
            ),
        ),
        smoke="serving/requests.jsonl",
        capture=CaptureSettings(to="s3://bucket/captures", sample=0.5),
        monitor=MonitorSettings(
            reference="data/train.parquet",
            time_column="time_hour",
            window=timedelta(hours=12),
            target="late",
            ignore=("event_id",),
            importance="none",
            labels=LabelSettings(path="/srv/labels.parquet", key="id"),
        ),
        retrain=RetrainSettings(
            on="manual",
            data="data/train.parquet",
            window="sliding",
            hold_back=3,
            cool_down=timedelta(days=7),
            change_request=RetrainChangeRequestSettings(labels=("retrain", "model"), reviewers=("ann",), is_draft=True),
        ),
    )


def test_only_the_name_is_needed(tmp_path: Path) -> None:
    make(tmp_path, "name: churn\n")

    assert read_settings(tmp_path, {}) == Settings(root=tmp_path, name="churn")


def test_defaults_of_monitoring_and_retraining_are_one_day(tmp_path: Path) -> None:
    text = "name: a\nmonitor: {reference: r.parquet}\nretrain: {data: r.parquet}\n"
    make(tmp_path, text, "r.parquet")

    settings = read_settings(tmp_path, {})

    assert settings.monitor == MonitorSettings(reference="r.parquet", window=timedelta(days=1))
    assert settings.retrain == RetrainSettings(data="r.parquet", cool_down=timedelta(days=1))


def test_a_setting_knows_its_line(tmp_path: Path) -> None:
    make(tmp_path, FULL, "serving/graph.py", "serving/requests.jsonl", "data/train.parquet.dvc")

    settings = read_settings(tmp_path, {})

    assert str(settings.locate("monitor.target")) == "graphship.yaml:25, monitor.target"
    assert str(settings.locate("gates.metrics.json:auc.min")) == "graphship.yaml:8, gates.metrics.json:auc.min"
    assert str(settings.locate("capture.format")) == "graphship.yaml:20, capture.format"


def test_gates_that_are_not_written_do_not_judge_but_the_scans_warn(tmp_path: Path) -> None:
    make(tmp_path, "name: a\n")

    gates = read_settings(tmp_path, {}).gates

    assert gates == Gates()
    assert gates.data is None
    assert not gates.pickle_scan.is_written
    assert not gates.secrets.is_written


def test_no_environment_variable_sets_a_gate(tmp_path: Path) -> None:
    make(tmp_path, "name: a\ngates: {latency: {max-ratio: 1.1}}\n")

    gates = read_settings(tmp_path, {"GRAPHSHIP_GATES_LATENCY_MAX_RATIO": "99"}).gates

    assert gates.latency == LatencyGate(max_ratio=1.1)


def test_environment_variables_win_over_the_file_and_flags_over_both(tmp_path: Path) -> None:
    make(tmp_path, "name: a\ncapture: {to: here, sample: 0.1}\nenvironments: {my-stage: {port: 1}}\n")
    env = {
        "GRAPHSHIP_CAPTURE_TO": "there",
        "GRAPHSHIP_CAPTURE_SAMPLE": "0.2",
        "GRAPHSHIP_PIPELINE_COMMIT_LOCK": "False",
        "GRAPHSHIP_ENVIRONMENTS_MY_STAGE_PORT": "2",
        "GRAPHSHIP_NAME": "",
    }

    settings = read_settings(tmp_path, env, flags={"capture.sample": 0.3})

    assert settings.capture == CaptureSettings(to="there", sample=0.3)
    assert settings.pipeline.commit_lock is False
    assert settings.environments[0].options["port"] == 2
    assert settings.name == "a"


def test_a_name_of_digits_from_a_variable_stays_text(tmp_path: Path) -> None:
    make(tmp_path, "name: a\nmonitor: {reference: d.parquet}\n", "d.parquet")

    settings = read_settings(tmp_path, {"GRAPHSHIP_MONITOR_TARGET": "2024"})

    assert settings.monitor is not None
    assert settings.monitor.target == "2024"


def test_the_file_of_another_commit_is_read_without_its_neighbours(tmp_path: Path) -> None:
    settings = settings_from_bytes(FULL.encode(), root=tmp_path, env={}, check_files=False)

    assert [gate.key for gate in settings.gates.metrics] == ["metrics.json:auc", "eval/metrics.json:test.loss"]


def test_an_environment_on_the_target_of_another_package_keeps_its_own_keys_and_its_place(tmp_path: Path) -> None:
    text = b"name: a\nenvironments:\n  edge: {target: boat, knots: 3, deploy-on: manual}\n  staging: {}\n"

    settings = settings_from_bytes(text, root=tmp_path, env={}, target_names=lambda: ["boat", "local"])

    assert settings.environments[0] == EnvironmentSettings(
        name=EnvironmentName("edge"), target="boat", deploy_on="manual", options={"knots": 3}
    )
    assert settings.environments[1].name == "staging"
