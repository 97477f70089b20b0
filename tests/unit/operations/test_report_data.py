"""From snapshots, gates, graphs and plots to the report: nothing is lost, nothing is made up."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.deploy.spec import Plan, StepChange
from ci_core.operations import report_data
from ci_core.pipelines.spec import PipelineRun, StageFailure, StageRun
from ci_core.serving.spec import GraphSpec
from ci_core.types import CommitId, Digest, EnvironmentName, ReleaseId, StepName
from ci_core.versioning.difference import EnvironmentDiff, FileDiff, MetricDiff, ParamDiff, SnapshotDiff
from ci_core.versioning.gates import GateResult
from ci_core.versioning.plots import Plot, PlotSource
from ci_core.versioning.revision import CodeVersion

if TYPE_CHECKING:
    from ci_core.reports.report import ServingGraph
    from ci_core.types import JsonValue
    from ci_core.versioning.gates import GateState

HEAD = CodeVersion(commit=CommitId("a" * 40))


def _diff(**parts: Any) -> SnapshotDiff:
    return SnapshotDiff(base=None, head=HEAD, **parts)


# --- the verdict ---


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ((), "pass"),
        (("pass", "pass"), "pass"),
        (("pass", "warn"), "warn"),
        (("warn", "fail", "pass"), "fail"),
    ],
)
def test_the_worst_gate_is_the_verdict(states: tuple[GateState, ...], verdict: str) -> None:
    gates = [GateResult(key="m.json:auc", state=state) for state in states]

    assert report_data.verdict(gates, PipelineRun(stages=())) == verdict


def test_a_failed_pipeline_is_a_failed_check_whatever_the_gates_say() -> None:
    run = PipelineRun(stages=(), failure=StageFailure(stage="train", reason="it ended with exit code 1"))

    assert report_data.verdict([GateResult(key="m.json:auc", state="pass")], run) == "fail"


# --- rows ---


def test_gates_metrics_and_params_are_taken_over_as_they_are() -> None:
    gate = GateResult(key="m.json:auc", state="warn", old=0.8, new=0.7, limit="at least 0.8", sentence="It fell.")
    diff = _diff(
        metrics=(MetricDiff(key="m.json:auc", old=0.8, new=0.7, change="changed", difference=-0.1, direction="worse"),),
        params=(ParamDiff(key="params.yaml:rate", new=None, change="added"),),
        environment=(EnvironmentDiff(name="python", kind="python", old="3.11", new="3.12"),),
    )

    (shown_gate,) = report_data.gate_rows([gate])
    (metric,) = report_data.metric_rows(diff)
    (param,) = report_data.param_rows(diff)
    (environment,) = report_data.environment_rows(diff)

    assert shown_gate.model_dump() == {
        "key": "m.json:auc", "state": "warn", "old": 0.8, "new": 0.7, "limit": "at least 0.8", "sentence": "It fell.",
    }  # fmt: skip
    assert metric.model_dump() == {
        "key": "m.json:auc", "old": 0.8, "new": 0.7, "difference": -0.1, "direction": "worse",
    }  # fmt: skip
    assert param.model_dump() == {"key": "params.yaml:rate", "old": None, "new": None, "change": "added"}
    assert environment.model_dump() == {"name": "python", "old": "3.11", "new": "3.12"}


def test_a_metric_that_is_not_a_number_any_more_is_spelled_out() -> None:
    diff = _diff(metrics=(MetricDiff(key="m.json:loss", old=0.5, new=math.nan, change="changed", direction="worse"),))

    assert report_data.metric_rows(diff)[0].new == "NaN"


def test_a_folder_tells_how_many_files_it_had_and_has() -> None:
    diff = _diff(
        data=(
            FileDiff(path="data/a.csv", change="changed", old_bytes=10, new_bytes=12),
            FileDiff(path="data/images", change="changed", old_files=1200, new_files=1300),
            FileDiff(path="data/new", change="added", new_files=3),
        )
    )

    rows = report_data.data_rows(diff)

    assert [row.detail for row in rows] == ["", "files 1,200 → 1,300", "files 0 → 3"]
    assert (rows[0].old_bytes, rows[0].new_bytes) == (10, 12)


def test_only_outputs_that_the_graph_loads_are_models() -> None:
    diff = _diff(
        outputs=(
            FileDiff(path="data/prepared", change="changed"),
            FileDiff(path="models/late.onnx", change="changed", old_digest=Digest("md5:1"), new_digest=Digest("md5:2")),
        )
    )

    rows = report_data.model_rows(diff, ["models/late.onnx", "models/other.onnx"])

    assert [(row.path, row.old_digest, row.new_digest) for row in rows] == [("models/late.onnx", "md5:1", "md5:2")]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (3, 3),
        ("ä", "ä"),
        ([1, ("a", None)], '[1, ["a", null]]'),
        (MappingProxyType({"deep": MappingProxyType({"ä": 1})}), '{"deep": {"ä": 1}}'),
    ],
)
def test_a_cell_shows_lists_and_mappings_as_json(value: JsonValue, shown: object) -> None:
    assert report_data.scalar(value) == shown


# --- the pipeline ---


def test_a_stage_that_did_not_run_has_no_time() -> None:
    run = PipelineRun(
        stages=(
            StageRun(name="prepare", outcome="skipped", seconds=0.01),
            StageRun(name="train", outcome="ran", seconds=1.5, reasons=("param `rate` changed", "`a.py` changed")),
            StageRun(name="evaluate", outcome="cached", seconds=0.2),
        )
    )

    part = report_data.pipeline_part(run)

    assert [(stage.name, stage.state, stage.seconds) for stage in part.stages] == [
        ("prepare", "skipped", None),
        ("train", "ran", 1.5),
        ("evaluate", "cached", 0.2),
    ]
    assert part.stages[1].reason == "param `rate` changed, `a.py` changed"
    assert part.note == ""


def test_a_run_that_skipped_everything_says_that_nothing_was_stale() -> None:
    part = report_data.pipeline_part(PipelineRun(stages=(StageRun(name="train", outcome="skipped"),)))

    assert part.note == "nothing was stale"


def test_a_failed_stage_shows_its_last_lines_or_else_the_reason() -> None:
    loud = StageFailure(stage="train", reason="exit code 1", command="python train.py", last_lines=("a", "b"))
    silent = StageFailure(stage="train", reason="it was ended by signal 9")

    told = report_data.pipeline_part(PipelineRun(stages=(), failure=loud)).failure
    untold = report_data.pipeline_part(PipelineRun(stages=(), failure=silent)).failure

    assert told is not None
    assert (told.stage, told.command, told.tail) == ("train", "python train.py", "a\nb")
    assert untold is not None
    assert untold.tail == "it was ended by signal 9"


# --- the graph ---


def _graph(*steps: dict[str, Any]) -> GraphSpec:
    return GraphSpec.from_dict({"name": "late", "steps": list(steps)})


def _router(**models: str) -> dict[str, Any]:
    routes = [{"name": name, "model": model} for name, model in models.items()]
    return {"name": "choose", "router": "single", "routes": routes, "after": ["clean"]}


CLEAN = {"name": "clean", "step": "serving.steps:clean", "after": ["request"]}


def _marks(graph: ServingGraph) -> dict[str, str]:
    return {node.text: node.change for node in graph.nodes}


def _arrows(graph: ServingGraph) -> set[tuple[str, str, str]]:
    """Return the arrows between the texts of boxes, each with its change."""
    texts = {node.id: node.text for node in graph.nodes}
    return {(texts[edge.source], texts[edge.target], edge.change) for edge in graph.edges}


def test_without_a_base_nothing_is_marked() -> None:
    graph = report_data.graph_part(_graph(CLEAN, _router(m1="models/m1.onnx")), None)

    assert graph.name == "late"
    assert _marks(graph) == dict.fromkeys(("request", "clean", "choose", "m1", "answer"), "same")
    assert _arrows(graph) == {
        ("request", "clean", "same"),
        ("clean", "choose", "same"),
        ("choose", "m1", "same"),
        ("m1", "answer", "same"),
    }


def test_steps_that_come_and_go_are_marked_with_their_arrows() -> None:
    base = _graph(CLEAN, {"name": "enrich", "step": "serving.steps:enrich", "after": ["clean"]})
    head = _graph(CLEAN, {"name": "score", "step": "serving.steps:score", "after": ["clean"]})

    graph = report_data.graph_part(head, base)

    assert _marks(graph) == {
        "request": "same",
        "clean": "same",
        "score": "added",
        "enrich": "removed",
        "answer": "same",
    }
    assert _arrows(graph) == {
        ("request", "clean", "same"),
        ("clean", "score", "added"),
        ("score", "answer", "added"),
        ("clean", "enrich", "removed"),
        ("enrich", "answer", "removed"),
    }


def test_of_a_router_only_the_models_that_differ_are_marked() -> None:
    base = _graph(CLEAN, _router(kept="models/kept.onnx", old="models/old.onnx", moved="models/a.onnx"))
    head = _graph(CLEAN, _router(kept="models/kept.onnx", moved="models/b.onnx", new="models/new.onnx"))

    graph = report_data.graph_part(head, base)

    marks = _marks(graph)
    assert {name: marks[name] for name in ("choose", "kept", "moved", "new", "old")} == {
        "choose": "changed",
        "kept": "same",
        "moved": "changed",
        "new": "added",
        "old": "removed",
    }
    assert ("choose", "old", "removed") in _arrows(graph)


def test_a_model_file_with_other_content_is_marked_though_its_name_is_the_same() -> None:
    spec = _graph(CLEAN, _router(m1="models/m1.onnx"))

    graph = report_data.graph_part(spec, spec, ["models/m1.onnx"])

    assert _marks(graph)["m1"] == "changed"
    assert _marks(graph)["choose"] == "same"


def test_a_step_called_answer_is_not_taken_for_the_answer() -> None:
    graph = report_data.graph_part(
        _graph({"name": "answer", "step": "serving.steps:answer", "after": ["request"]}), None
    )

    assert [node.kind for node in graph.nodes] == ["source", "step", "response"]
    assert len({node.id for node in graph.nodes}) == 3
    assert len({(edge.source, edge.target) for edge in graph.edges}) == 2


def test_an_error_handler_hangs_on_its_step_with_a_word() -> None:
    spec = _graph(
        {**CLEAN, "on-error": "tell", "respond": True}, {"name": "tell", "step": "serving.steps:tell", "after": []}
    )

    graph = report_data.graph_part(spec, None)

    assert [edge.text for edge in graph.edges if edge.target == "tell"] == ["on error"]


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True, min_size=1),
    st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True, min_size=1),
)
def test_every_arrow_has_both_its_ends_and_no_box_is_drawn_twice(head: list[str], base: list[str]) -> None:
    def chain(names: list[str]) -> GraphSpec:
        before = ["request", *names]
        return _graph(
            *({"name": name, "step": f"m:{name}", "after": [after]} for after, name in zip(before, names, strict=False))
        )

    graph = report_data.graph_part(chain(head), chain(base))

    ids = [node.id for node in graph.nodes]
    assert len(ids) == len(set(ids))
    assert {edge.source for edge in graph.edges} | {edge.target for edge in graph.edges} <= set(ids)


# --- plan and plots ---


def test_a_plan_is_taken_over_with_what_sets_it_off() -> None:
    plan = Plan(
        environment=EnvironmentName("staging"),
        target="local",
        release=ReleaseId("b" * 64),
        live=ReleaseId("a" * 64),
        live_version=3,
        action="replace",
        steps=(StepChange(step=StepName("score"), change="changed", detail="with"),),
        models=("`m.onnx` replaced",),
        notes=("settings change: `capture`",),
    )

    part = report_data.plan_part(plan, "merge")

    assert (part.environment, part.target, part.action, part.trigger) == ("staging", "local", "replace", "merge")
    assert (part.release, part.live) == ("b" * 64, "a" * 64)
    assert part.steps[0].model_dump() == {"step": "score", "change": "changed", "detail": "with"}
    assert (part.models, part.notes) == (("`m.onnx` replaced",), ("settings change: `capture`",))


def _plot(*sources: PlotSource, **properties: JsonValue) -> Plot:
    return Plot(id="plots/roc.csv", properties={"x": "x", "y": "y", **properties}, sources=sources)


def _source(*points: tuple[JsonValue, JsonValue], path: str = "plots/roc.csv") -> PlotSource:
    return PlotSource(path=path, rows=tuple({"x": x, "y": y} for x, y in points))


def test_base_and_head_of_a_plot_are_drawn_over_each_other() -> None:
    base, head = _plot(_source(("0", "1"), ("1", "2"))), _plot(_source((0, 1.5)), title="ROC", x_label="false")

    (plot,) = report_data.plot_parts([base], [head])

    assert (plot.name, plot.kind, plot.x_label, plot.y_label) == ("ROC", "line", "false", "y")
    assert [(series.side, series.label, series.x, series.y) for series in plot.series] == [
        ("base", "", (0.0, 1.0), (1.0, 2.0)),
        ("head", "", (0.0,), (1.5,)),
    ]


def test_cells_that_are_no_finite_numbers_are_left_out() -> None:
    broken = _source((0, 1), ("one", 2), (None, 3), (4, "nan"), (5, "inf"), (True, 1), (6, 7))

    (plot,) = report_data.plot_parts([], [_plot(broken)])

    assert plot.series[0].x == (0.0, 6.0)
    assert plot.series[0].y == (1.0, 7.0)


def test_several_files_of_one_plot_are_told_apart() -> None:
    (plot,) = report_data.plot_parts([], [_plot(_source((0, 1), path="train.csv"), _source((0, 2), path="test.csv"))])

    assert [series.label for series in plot.series] == ["train.csv", "test.csv"]


@pytest.mark.parametrize(
    "head",
    [
        _plot(_source(("a", "b"))),
        _plot(_source()),
        _plot(PlotSource(path="plot.png", image=b"\x89PNG")),
        _plot(_source((0, 1)), y=["y1", "y2"]),
        Plot(id="plots/roc.csv", sources=(_source((0, 1)),)),
    ],
    ids=["text", "no rows", "a picture", "several columns", "no columns named"],
)
def test_a_plot_that_two_columns_of_numbers_do_not_make_is_left_out(head: Plot) -> None:
    assert report_data.plot_parts([], [head]) == ()


def test_a_scatter_template_makes_a_cloud() -> None:
    (plot,) = report_data.plot_parts([], [_plot(_source((0, 1)), template="scatter_jitter")])

    assert plot.kind == "scatter"
