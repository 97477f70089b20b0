from __future__ import annotations

from typing import Any

from ci_core.config.settings import DataGate, Gates, ModelSizeGate, PickleScanGate, SecretsGate
from ci_core.errors import Location
from ci_core.gates.annotate import ChangedFiles, annotate
from ci_core.gates.evidence import (
    Evidence,
    LostObject,
    MissingObjects,
    ModelSize,
    PickleFinding,
    PickleScan,
    SecretFinding,
    SecretScan,
)
from ci_core.gates.spec import Annotation, GateResult
from ci_core.masking import Masker
from ci_core.monitoring.table_diff import ColumnDiff, TableDiff
from ci_core.types import CommitId
from ci_core.versioning.difference import FileDiff, ParamDiff, SnapshotDiff, StageDiff
from ci_core.versioning.revision import CodeVersion

HEAD = CodeVersion(commit=CommitId("a" * 40))
FAILED = GateResult(key="metrics.json:auc", state="fail", sentence="`metrics.json:auc` is 0.7")


def places(result: GateResult, changed: ChangedFiles, *, gates: Gates | None = None, **more: Any) -> list[Annotation]:
    parts = {name: more.pop(name) for name in ("params", "stages", "data", "outputs") if name in more}
    evidence = Evidence(diff=SnapshotDiff(base=HEAD, head=HEAD, **parts), **more)
    return list(annotate([result], gates or Gates(), evidence, changed))


def test_a_secret_in_a_param_is_masked_before_it_is_cut() -> None:
    token, secret = "ghp_" + "a1B2" * 9, "s3cr-vAlu3/of+t4e=sTag3?420"
    param = ParamDiff(key="params.yaml:address", old="x" * 30 + token, new="x" * 20 + secret, change="changed")
    evidence = Evidence(diff=SnapshotDiff(base=HEAD, head=HEAD, params=(param,)))

    (one,) = annotate([FAILED], Gates(), evidence, ChangedFiles(paths=["params.yaml"]), Masker([secret]))

    told = f"`address` changed from `{'x' * 30}***` to `{'x' * 20}***` here"
    assert one.text.startswith(told)


def test_a_number_that_is_a_secret_is_not_told_digit_by_digit() -> None:
    param = ParamDiff(key="params.yaml:pin", old=1, new=12345678, change="changed")
    evidence = Evidence(diff=SnapshotDiff(base=HEAD, head=HEAD, params=(param,)))

    (one,) = annotate([FAILED], Gates(), evidence, ChangedFiles(paths=["params.yaml"]), Masker(["12345678"]))

    assert one.text.startswith("`pin` changed from `1` to `***` here")


def test_a_changed_param_is_pointed_at_by_its_line() -> None:
    changed = ChangedFiles(paths=["params.yaml"], lines={"params.yaml": {"train": 1, "train.trees": 3}})
    params = (ParamDiff(key="params.yaml:train.trees", old=200, new=20, change="changed"),)

    assert places(FAILED, changed, params=params) == [
        Annotation(
            where=Location(file="params.yaml", line=3, key="train.trees"),
            level="error",
            text="`train.trees` fell from 200 to 20 here; the gate on `metrics.json:auc` failed",
            gate="metrics.json:auc",
        )
    ]


def test_params_are_told_by_what_happened_to_them() -> None:
    changed = ChangedFiles(paths=["p.json"])
    params = (
        ParamDiff(key="p.json:a", old=1, new=2.5, change="changed"),
        ParamDiff(key="p.json:b", old="x", new="y", change="changed"),
        ParamDiff(key="p.json:c", new=True, change="added"),
        ParamDiff(key="p.json:d", old=[1], change="removed"),
        ParamDiff(key="p.json:e", old=1, new=1.0, change="changed"),
        ParamDiff(key="p.json:f", old="x" * 50, new="y", change="changed"),
        ParamDiff(key="p.json:g", old=1, new=10**400, change="changed"),
        ParamDiff(key="p.json:h", old="5", new=5, change="changed"),
        ParamDiff(key="p.json:i", old=None, new="null", change="changed"),
        ParamDiff(key="p.json:j", old=True, new=False, change="changed"),
    )

    texts = [one.text.partition(";")[0] for one in places(FAILED, changed, params=params)]

    assert texts == [
        "`a` rose from 1 to 2.5 here",
        "`b` changed from `x` to `y` here",
        "`c` is new here: `true`",
        "`d` is gone",
        "`e` changed from `1` to `1.0` here",
        f"`f` changed from `{'x' * 39}…` to `y` here",
        f"`g` changed from `1` to `1{'0' * 38}…` here",
        '`h` changed from `"5"` to `5` here',
        '`i` changed from `null` to `"null"` here',
        "`j` changed from `true` to `false` here",
    ]


def test_files_of_params_without_known_lines_are_pointed_at_as_a_whole() -> None:
    changed = ChangedFiles(paths=["conf/p.toml"])
    params = (ParamDiff(key="conf/p.toml:a.b", old=1, new=2, change="changed"),)

    (found,) = places(FAILED, changed, params=params)

    assert found.where == Location(file="conf/p.toml", line=None, key="a.b")


def test_a_stage_is_pointed_at_by_its_command() -> None:
    lines = {"dvc.yaml": {"stages.train": 4, "stages.train.cmd": 5}, "sub/dvc.yaml": {"stages.fit": 2}}
    changed = ChangedFiles(paths=["dvc.yaml", "sub/dvc.yaml"], lines=lines)
    stages = (
        StageDiff(name="train@a", change="changed", details=("the command", "needs x")),
        StageDiff(name="sub/dvc.yaml:fit", change="added"),
        StageDiff(name="gone", change="removed"),
        StageDiff(name="train", change="changed", details=("needs x",)),
    )

    found = places(FAILED, changed, stages=stages)

    assert [(str(one.where), one.text.partition(";")[0]) for one in found] == [
        ("dvc.yaml:5, stages.train.cmd", "the stage `train@a` has another command here"),
        ("sub/dvc.yaml:2, stages.fit", "the stage `sub/dvc.yaml:fit` is new here"),
        ("dvc.yaml:4, stages.train", "the stage `train` is declared otherwise here"),
    ]


def test_data_and_models_are_pointed_at_by_their_dvc_files() -> None:
    changed = ChangedFiles(paths=["data/raw.csv.dvc", "m.pkl.dvc"])
    data = (FileDiff(path="data/raw.csv", change="changed"), FileDiff(path="m.pkl", change="added"))
    models = (ModelSize(path="m.pkl"),)

    found = places(FAILED, changed, data=data, models=models)

    assert [(one.where.file, one.text.partition(";")[0]) for one in found] == [
        ("data/raw.csv.dvc", "the data `data/raw.csv` changed"),
        ("m.pkl.dvc", "the model `m.pkl` was added"),
    ]


def test_the_line_of_the_gate_is_pointed_at_where_the_change_alters_it() -> None:
    changed = ChangedFiles(
        paths=["graphship.yaml"],
        lines={"graphship.yaml": {"gates": 2, "gates.metrics.json:auc": 3}},
        gates={"metrics.json:auc"},
    )

    (found,) = places(FAILED, changed)

    assert str(found.where) == "graphship.yaml:3, gates.metrics.json:auc"
    assert found.text == "the gate on `metrics.json:auc` failed: `metrics.json:auc` is 0.7"


def test_a_gate_that_the_change_leaves_alone_is_not_pointed_at_in_a_file_that_it_touches() -> None:
    changed = ChangedFiles(paths=["graphship.yaml"], lines={"graphship.yaml": {"gates.metrics.json:auc": 3}})

    assert places(FAILED, changed) == []


def test_what_could_not_be_judged_has_no_cause_in_the_change() -> None:
    params = (ParamDiff(key="p.json:a", old=1, new=2, change="changed"),)
    unjudged = GateResult(key="latency", state="warn", sentence="latency was not judged: no requests")

    assert places(unjudged, ChangedFiles(paths=["p.json"]), params=params) == []


def test_files_that_the_change_does_not_touch_are_not_pointed_at() -> None:
    params = (ParamDiff(key="params.yaml:a", old=1, new=2, change="changed"),)

    assert places(FAILED, ChangedFiles(paths=["other.yaml"]), params=params) == []


def test_gates_that_passed_point_at_nothing() -> None:
    changed = ChangedFiles(paths=["params.yaml", "graphship.yaml"])
    params = (ParamDiff(key="params.yaml:a", old=1, new=2, change="changed"),)

    assert places(GateResult(key="metrics.json:auc", state="pass"), changed, params=params) == []


def test_a_warning_is_one() -> None:
    changed = ChangedFiles(paths=["p.json"])
    params = (ParamDiff(key="p.json:a", old=1, new=2, change="changed"),)

    (found,) = places(GateResult(key="m.json:auc", state="warn", is_within_noise=True), changed, params=params)

    assert found.level == "warning"
    assert found.text == "`a` rose from 1 to 2 here; the gate on `m.json:auc` warns"


def test_at_most_ten_places_are_pointed_at_for_a_gate() -> None:
    params = tuple(ParamDiff(key=f"p.json:{number}", old=1, new=2, change="changed") for number in range(50))

    assert len(places(FAILED, ChangedFiles(paths=["p.json"]), params=params)) == 10


def test_a_secret_is_pointed_at_by_its_line_unless_it_is_allowed() -> None:
    changed = ChangedFiles(paths=["a.py", "tests/b.py"])
    leaks = SecretScan(
        findings=(
            SecretFinding(path="a.py", line=7, kind="a GitHub token"),
            SecretFinding(path="tests/b.py", line=1, kind="a private key"),
        )
    )
    gates = Gates(secrets=SecretsGate(allow=("tests/*",), is_written=True))

    (found,) = places(GateResult(key="secrets", state="fail"), changed, gates=gates, secrets=leaks)

    assert str(found.where) == "a.py:7"
    assert found.text == "this line looks like a GitHub token; the gate on `secrets` failed"


def test_scans_and_sizes_point_at_the_file_or_at_its_dvc_file() -> None:
    changed = ChangedFiles(paths=["m.pkl", "models.dvc"])
    scan = PickleScan(
        findings=(PickleFinding(path="m.pkl", names=("os.system",)),), unreadable=(("models/n.pkl", "?"),)
    )

    pickles = places(GateResult(key="pickle-scan", state="fail", sentence="bad"), changed, pickles=scan)
    sizes = places(
        GateResult(key="model-size", state="fail", sentence="big"),
        changed,
        gates=Gates(model_size=ModelSizeGate(max_bytes=1000)),
        models=(ModelSize(path="models/n.pkl", new_bytes=2000), ModelSize(path="m.pkl", new_bytes=900)),
    )

    assert [(one.where.file, one.text) for one in pickles] == [
        ("m.pkl", "`m.pkl` would run `os.system`; the gate on `pickle-scan` failed"),
        ("models.dvc", "`models/n.pkl` cannot be looked through: ?; the gate on `pickle-scan` failed"),
    ]
    assert [(one.where.file, one.text) for one in sizes] == [
        ("models.dvc", "`models/n.pkl` has 2.0 kB, more than the 1.0 kB it may have; the gate on `model-size` failed")
    ]


def test_a_pickle_that_is_allowed_is_not_pointed_at() -> None:
    scan = PickleScan(findings=(PickleFinding(path="m.pkl", names=("os.system",)),), unreadable=(("n.pkl", "?"),))
    gates = Gates(pickle_scan=PickleScanGate(allow=("m.*",), is_written=True))

    found = places(
        GateResult(key="pickle-scan", state="fail"), ChangedFiles(paths=["m.pkl", "n.pkl"]), gates=gates, pickles=scan
    )

    assert [one.where.file for one in found] == ["n.pkl"]


def test_the_gate_on_data_points_at_what_is_missing_and_at_tables_that_drifted() -> None:
    changed = ChangedFiles(paths=["a.csv.dvc", "b.csv.dvc", "c.csv.dvc"])

    def table(path: str, distance: float) -> TableDiff:
        return TableDiff(path=path, columns=(ColumnDiff(name="x", change="same", distance=distance),))

    found = places(
        GateResult(key="data", state="fail", sentence="bad"),
        changed,
        gates=Gates(data=DataGate(max_drift=0.2)),
        missing=MissingObjects(lost=(LostObject(path="a.csv"),)),
        tables=(table("b.csv", 0.1), table("c.csv", 0.3)),
    )

    assert [one.where.file for one in found] == ["a.csv.dvc", "c.csv.dvc"]


def test_each_file_is_blamed_once_and_for_its_own_faults_alone() -> None:
    lost = [
        LostObject(path="imgs", size_bytes=2800),
        *(LostObject(path=f"imgs/{number}.bin", size_bytes=number) for number in range(3)),
    ]
    gone = ColumnDiff(name="age", change="removed")
    moved = ColumnDiff(name="x", change="same", distance=0.5, has_drifted=True)
    tables = (TableDiff(path="a.csv", columns=(gone, moved)), TableDiff(path="b.csv", problem="it is no table"))

    found = places(
        GateResult(key="data", state="fail", sentence="all of it"),
        ChangedFiles(paths=["imgs.dvc", "a.csv.dvc", "b.csv.dvc"]),
        gates=Gates(data=DataGate(same_schema=True, max_drift=0.2)),
        missing=MissingObjects(lost=tuple(lost)),
        tables=tables,
    )

    assert [(one.where.file, one.text.removesuffix("; the gate on `data` failed")) for one in found] == [
        ("a.csv.dvc", "the schema changed: `age` is gone; drifted: `x` of `a.csv` by 0.5; 0.2 is allowed"),
        ("b.csv.dvc", "`b.csv` was not compared: it is no table"),
        (
            "imgs.dvc",
            "; ".join(
                f"`imgs{name}) is not in the DVC remote" for name in ("` (2.8 kB", "/0.bin` (0 B", "/1.bin` (1 B")
            )
            + " and 1 more",
        ),
    ]


def test_a_gate_points_at_no_fault_that_it_does_not_ask_for() -> None:
    gone = ColumnDiff(name="age", change="removed")
    kept = ColumnDiff(name="x", change="same", distance=0.5)

    found = places(
        GateResult(key="data", state="fail"),
        ChangedFiles(paths=["a.csv.dvc", "b.csv.dvc"]),
        gates=Gates(data=DataGate(no_missing_objects=True)),
        missing=MissingObjects(lost=(LostObject(path="b.csv"),)),
        tables=(TableDiff(path="a.csv", columns=(gone, kept)),),
    )

    assert [one.where.file for one in found] == ["b.csv.dvc"]
