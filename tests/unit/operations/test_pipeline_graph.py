"""From the pipelines of two snapshots to one diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ci_core.operations.graph_focus import MOST_NODES
from ci_core.operations.pipeline_graph import pipeline_graph
from ci_core.types import CommitId, Digest
from ci_core.versioning.revision import CodeVersion, EnvironmentVersion, Snapshot, StageVersion, TrackedFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.reports.report import Graph
    from ci_core.types import JsonValue


def _stage(
    name: str, needs: str = "", makes: str = "", params: str = "", command: str = "python run.py"
) -> StageVersion:
    return StageVersion(
        name=name, command=command, needs=tuple(needs.split()), makes=tuple(makes.split()), params=tuple(params.split())
    )


def _snapshot(
    *stages: StageVersion,
    data: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    params: Mapping[str, JsonValue] | None = None,
    stale: tuple[str, ...] = (),
) -> Snapshot:
    return Snapshot(
        code=CodeVersion(commit=CommitId("a" * 40)),
        environment=EnvironmentVersion(python="3.11"),
        stages=stages,
        data=_files(data or {}),
        outputs=_files(outputs or {}),
        params=params or {},
        stale=stale,
    )


def _files(digests: Mapping[str, str]) -> tuple[TrackedFile, ...]:
    return tuple(TrackedFile(path=path, digest=Digest(f"md5:{one}"), size_bytes=1000) for path, one in digests.items())


def _boxes(graph: Graph | None) -> dict[str, str]:
    assert graph is not None
    return {node.text: node.change for node in graph.nodes}


def _arrows(graph: Graph | None) -> set[tuple[str, str, str]]:
    assert graph is not None
    texts = {node.id: node.text for node in graph.nodes}
    return {(texts[edge.source], texts[edge.target], edge.change) for edge in graph.edges}


PREPARE = _stage("prepare", "data/raw.csv src/prepare.py", "data/prepared")
TRAIN = _stage("train", "data/prepared/train.csv", "model.json", "params.yaml:train")
RAW = {"data/raw.csv": "1"}


def test_stages_hang_on_the_data_and_on_the_stages_they_need_files_or_folders_of() -> None:
    graph = pipeline_graph(None, _snapshot(PREPARE, TRAIN, _stage("count", "data", "count.txt"), data=RAW))

    assert _boxes(graph) == {"prepare": "same", "train": "same", "count": "same", "data/raw.csv": "same"}
    assert _arrows(graph) == {
        ("data/raw.csv", "prepare", "same"),
        ("prepare", "train", "same"),
        ("prepare", "count", "same"),
        ("data/raw.csv", "count", "same"),
    }


def test_a_stage_that_needs_a_folder_hangs_on_the_data_in_it() -> None:
    graph = pipeline_graph(None, _snapshot(_stage("count", "data/days", "count.txt"), data={"data/days/1.csv": "1"}))

    assert _arrows(graph) == {("data/days/1.csv", "count", "same")}


def test_a_pipeline_that_is_as_at_the_base_is_not_drawn() -> None:
    snapshot = _snapshot(PREPARE, TRAIN, data=RAW)

    assert pipeline_graph(snapshot, snapshot) is None
    assert pipeline_graph(None, _snapshot()) is None


def test_a_stale_stage_is_a_reason_to_draw_and_says_so() -> None:
    graph = pipeline_graph(_snapshot(TRAIN), _snapshot(TRAIN, stale=("train",)))

    assert graph is not None
    (node,) = graph.nodes
    assert (node.change, node.is_stale, node.detail) == ("same", True, "stale: would run again")


def test_stages_that_come_and_go_are_marked_with_their_arrows() -> None:
    graph = pipeline_graph(
        _snapshot(PREPARE, TRAIN, data=RAW), _snapshot(PREPARE, _stage("fit", "data/prepared", "model.json"), data=RAW)
    )

    assert _boxes(graph) == {"prepare": "same", "fit": "added", "train": "removed", "data/raw.csv": "same"}
    assert _arrows(graph) == {
        ("data/raw.csv", "prepare", "same"),
        ("prepare", "fit", "added"),
        ("prepare", "train", "removed"),
    }


def test_a_changed_stage_says_what_of_it_differs() -> None:
    base = _snapshot(TRAIN, outputs={"model.json": "1"}, params={"params.yaml:train.rate": 1, "params.yaml:trained": 1})
    head = _snapshot(
        _stage("train", "data/prepared/train.csv", "model.json", "params.yaml:train", command="python other.py"),
        outputs={"model.json": "2"},
        params={"params.yaml:train.rate": 2, "params.yaml:trained": 2},
    )

    graph = pipeline_graph(base, head)

    assert graph is not None
    assert [(node.change, node.detail) for node in graph.nodes] == [
        ("changed", "declared otherwise, params train.rate, 1 output differs")
    ]


def test_data_with_other_content_is_marked_and_tells_its_sizes() -> None:
    graph = pipeline_graph(_snapshot(PREPARE, data=RAW), _snapshot(PREPARE, data={"data/raw.csv": "2"}))

    assert graph is not None
    (data,) = (node for node in graph.nodes if node.kind == "data")
    assert (data.text, data.change, data.detail) == ("data/raw.csv", "changed", "1.0 kB")


def test_members_of_a_matrix_that_fared_alike_are_one_box() -> None:
    members = [_stage(f"train@{index}", "data/raw.csv", f"models/{index}.json") for index in range(12)]
    head = [*members[:-1], _stage("train@11", "data/raw.csv", "models/11.json", command="other")]

    graph = pipeline_graph(_snapshot(*members, data=RAW), _snapshot(*head, data=RAW))

    assert _boxes(graph) == {"train@… (11)": "same", "train@11": "changed", "data/raw.csv": "same"}
    assert _arrows(graph) == {("data/raw.csv", "train@… (11)", "same"), ("data/raw.csv", "train@11", "same")}


def test_data_files_that_the_same_stages_read_are_one_box() -> None:
    paths = {f"data/{index}.csv": "1" for index in range(9)}
    stage = _stage("join", " ".join(paths), "all.csv")

    graph = pipeline_graph(None, _snapshot(stage, data=paths))

    assert _boxes(graph) == {"join": "same", "9 files": "same"}
    assert graph is not None
    assert graph.nodes[1].detail == "data/0.csv, data/1.csv, data/2.csv and 6 more"


def test_of_a_large_pipeline_what_changed_and_its_neighbours_are_kept() -> None:
    chain = [_stage(f"s{index}", f"f{index}", f"f{index + 1}") for index in range(100)]
    head = [*chain[:50], _stage("s50", "f50", "f51", command="other"), *chain[51:]]

    graph = pipeline_graph(_snapshot(*chain), _snapshot(*head))

    assert _boxes(graph) == {"s49": "same", "s50": "changed", "s51": "same"}
    assert graph is not None
    assert graph.hidden == 97


stages = st.lists(
    st.builds(
        _stage,
        st.sampled_from(["a", "b", "c", "sub/dvc.yaml:a", "m@1", "m@2", "m@3", "m@4", "m@5"]),
        st.lists(st.sampled_from(["d", "d/e", "f", "g/h", "g"]), max_size=3).map(" ".join),
        st.lists(st.sampled_from(["d", "d/e", "f", "g/h", "g"]), max_size=2).map(" ".join),
    ),
    unique_by=lambda stage: stage.name,
    max_size=9,
)


@given(stages, stages, st.dictionaries(st.sampled_from(["d", "d/e", "g/h", "x"]), st.sampled_from("12")))
def test_every_arrow_has_both_its_ends_and_no_box_is_drawn_twice(
    base: list[StageVersion], head: list[StageVersion], data: dict[str, str]
) -> None:
    graph = pipeline_graph(_snapshot(*base, data=data), _snapshot(*head, data={**data, "d": "3"}))

    if graph is not None:
        ids = [node.id for node in graph.nodes]
        assert len(ids) == len(set(ids)) <= MOST_NODES
        assert {edge.source for edge in graph.edges} | {edge.target for edge in graph.edges} <= set(ids)
