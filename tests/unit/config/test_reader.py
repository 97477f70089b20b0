from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ci_core.cli._render import render_error
from ci_core.config.reader import find_project, read_settings, settings_from_bytes
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
from ci_core.errors import ConfigError, NotAProjectError
from ci_core.testing.golden import assert_golden
from ci_core.types import EnvironmentName, JsonValue

GOLDEN = Path(__file__).parents[2] / "golden" / "config"

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
  change-request: {labels: [retrain, model], reviewers: [ann]}
"""


def make(root: Path, text: str, *files: str) -> Path:
    for file in ("graphship.yaml", *files):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text if file == "graphship.yaml" else "")
    return root


def message(root: Path, env: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        read_settings(root, env or {})
    return render_error(caught.value)


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
            change_request=RetrainChangeRequestSettings(labels=("retrain", "model"), reviewers=("ann",)),
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


def test_a_file_that_cannot_be_read_is_a_mistake_like_another(tmp_path: Path) -> None:
    (tmp_path / "graphship.yaml").mkdir()

    assert "graphship.yaml: cannot be read: is a directory" in message(tmp_path)


def test_the_file_is_found_above_the_start(tmp_path: Path) -> None:
    make(tmp_path, "name: churn\n", "src/deep/file.py")

    assert find_project(tmp_path / "src" / "deep") == tmp_path


def test_a_path_with_blanks_and_unicode_is_a_path_like_another(tmp_path: Path) -> None:
    root = tmp_path / "mein Projekt – größe"
    make(root, "name: a\ngraph: src dir/größe.py:graph\n", "src dir/größe.py")

    assert read_settings(root, {}).graph == "src dir/größe.py:graph"


def test_a_file_above_the_top_of_the_git_work_tree_is_not_ours(tmp_path: Path) -> None:
    make(tmp_path, "name: other\n", "repo/.git/HEAD", "repo/src/file.py")

    with pytest.raises(NotAProjectError) as caught:
        find_project(tmp_path / "repo" / "src")

    assert caught.value.hint == "run `graphship init` in the top folder of your repository"


def test_a_nearly_right_file_name_is_named(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "graphship.yml").write_text("name: a\n")

    with pytest.raises(NotAProjectError) as caught:
        find_project(tmp_path)

    assert caught.value.hint == f"rename `{tmp_path}/graphship.yml` to `graphship.yaml`"


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


def test_a_mistake_in_a_variable_names_the_variable(tmp_path: Path) -> None:
    make(tmp_path, "name: a\n")

    text = message(tmp_path, {"GRAPHSHIP_CAPTURE_SAMPLE": "lots"})

    assert (
        "environment variable GRAPHSHIP_CAPTURE_SAMPLE, capture.sample: expected a number, found the text `lots`"
        in text
    )


@pytest.mark.parametrize(
    ("pipeline", "path"),
    [
        ("stages: {prepare: {cmd: a, outs: [data/train.parquet]}}", "data/train.parquet"),
        ("stages: {prepare: {cmd: a, outs: [data]}}", "data/train.parquet"),
        ("stages: {prepare: {cmd: a, outs: [{data/train.parquet: {cache: false}}]}}", "data/train.parquet"),
        ("stages: {prepare: {cmd: a, wdir: data, outs: [train.parquet]}}", "data/train.parquet"),
        ("stages: {prepare: {foreach: [a], do: {cmd: a, outs: ['data/${item}.parquet']}}}", "data/a.parquet"),
    ],
)
def test_an_output_of_a_stage_may_be_absent_from_the_disk(tmp_path: Path, pipeline: str, path: str) -> None:
    make(tmp_path, f"name: a\nmonitor: {{reference: {path}}}\n")
    (tmp_path / "dvc.yaml").write_text(pipeline)

    settings = read_settings(tmp_path, {})

    assert settings.monitor is not None
    assert settings.monitor.reference == path


def test_a_file_in_a_folder_that_dvc_tracks_may_be_absent_from_the_disk(tmp_path: Path) -> None:
    make(tmp_path, "name: a\nmonitor: {reference: data/raw/train.parquet}\n", "data/raw.dvc")

    assert read_settings(tmp_path, {}).monitor is not None


def test_a_graph_file_that_is_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "project", "name: a\ngraph: g.py:graph\n")
    (tmp_path / "g.py").write_text("")
    (tmp_path / "project" / "g.py").symlink_to(tmp_path / "g.py")

    assert "graphship.yaml:2, graph: `g.py` is a link that leaves the project" in message(tmp_path / "project")


def test_a_table_that_is_a_link_into_a_shared_cache_is_accepted(tmp_path: Path) -> None:
    make(tmp_path / "project", "name: a\nmonitor: {reference: d.parquet}\n", "d.parquet.dvc")
    (tmp_path / "cached").write_text("")
    (tmp_path / "project" / "d.parquet").symlink_to(tmp_path / "cached")

    assert read_settings(tmp_path / "project", {}).monitor is not None


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


@pytest.mark.parametrize("path", ["x" * 300, "x/" * 2000, "a\\0b"])
def test_text_that_no_file_system_can_hold_is_no_path(tmp_path: Path, path: str) -> None:
    make(tmp_path, f'name: a\nsmoke: "{path}"\n')

    assert "cannot be a path" in message(tmp_path)


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
