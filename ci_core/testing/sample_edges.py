"""Reports at the edges: a first commit, a base that cannot be read, nothing changed, far too much changed."""

from __future__ import annotations

from ci_core.reports.report import (
    ColumnRow,
    Commit,
    DataRow,
    EnvironmentRow,
    Gate,
    MetricRow,
    ModelRow,
    Note,
    ParamRow,
    Pipeline,
    Plan,
    Plot,
    Report,
    Run,
    Series,
    Stage,
    TableContent,
)
from ci_core.testing.sample_changes import sample_behaviour
from ci_core.testing.sample_reports import sample_graph, sample_report
from ci_core.testing.sample_story import BASE, NEW_RELEASE

_HEAD = "0f4be1c2a9d35e7788c1b2a3f4e5d6c7b8a90123"
_RUN = Run(event="change-request", change_request=1)


def minimal_report() -> Report:
    """Return the report of a first commit: metrics without a base, nothing else."""
    return Report(
        project="flights",
        verdict="pass",
        head=Commit(id=_HEAD, label="main"),
        metrics=(MetricRow(key="metrics.json:auc", new=0.7412), MetricRow(key="metrics.json:rows", new=36_012)),
        notes=(Note(text="this is the first commit"),),
    )


def unreadable_base_report() -> Report:
    """Return the report of a change whose base is not in a shallow clone."""
    return Report(
        project="flights",
        title="More trees",
        verdict="pass",
        run=_RUN,
        head=Commit(id=_HEAD, label="more-trees"),
        gates=(Gate(key="metrics.json:auc", state="pass", new=0.7412, limit="at least 0.72"),),
        metrics=(MetricRow(key="metrics.json:auc", new=0.7412),),
        plans=(Plan(environment="staging", action="none", release=NEW_RELEASE),),
        notes=(
            Note(
                kind="warning",
                text="the base could not be read: there is no commit `origin/main` in this shallow clone of depth 1",
            ),
        ),
    )


def unchanged_report() -> Report:
    """Return the report of a change to the documentation: everything is as before."""
    graph = sample_graph()
    nodes = tuple(
        node.model_copy(update={"change": "same"}) for node in graph.nodes if node.change not in {"added", "removed"}
    )
    edges = tuple(edge for edge in graph.edges if edge.change == "same")
    behaviour = sample_behaviour().model_copy(
        update={
            "changed": 0,
            "gained": 0,
            "unsteady": 0,
            "unsteady_places": (),
            "fields": (),
            "more_fields": 0,
            "largest": (),
            "base": None,
            "head": None,
            "latency_ratio": None,
            "memory_ratio": None,
            "problem": None,
            "notes": (),
            "is_identical": True,
        }
    )
    return Report(
        project="flights",
        title="Mend a typo",
        verdict="pass",
        run=_RUN,
        base=Commit(id=BASE, label="main"),
        head=Commit(id=_HEAD, label="typo"),
        gates=(Gate(key="metrics.json:auc", state="pass", old=0.7412, new=0.7412, limit="at least 0.72"),),
        metrics=(
            MetricRow(key="metrics.json:auc", old=0.7412, new=0.7412, difference=0.0, direction="better"),
            MetricRow(key="metrics.json:rows", old=36_012, new=36_012, difference=0),
        ),
        pipeline=Pipeline(stages=(Stage(name="train", state="skipped"),), note="nothing was stale"),
        graph=graph.model_copy(update={"nodes": nodes, "edges": edges}),
        behaviour=behaviour,
        plans=(Plan(environment="staging", action="none", release=NEW_RELEASE),),
    )


def huge_report(rows: int = 2_000) -> Report:
    """Return a report in which every table has `rows` rows, with names that are long and not ASCII."""
    name = "data/größe|`b`.😀." + "n" * 80
    points = tuple(float(index) for index in range(200))
    columns = tuple(
        ColumnRow(
            name=f"{name}{index}",
            change="same",
            old_type="DOUBLE",
            new_type="DOUBLE",
            old_missing=0.0,
            new_missing=0.5,
            distance=index / rows,
            has_drifted=True,
        )
        for index in range(rows)
    )
    return sample_report().model_copy(
        update={
            "gates": tuple(Gate(key=f"{name}{index}", state="fail", sentence="word " * 60) for index in range(rows)),
            "metrics": tuple(MetricRow(key=f"m{index}", old=1.0, new=2.0, difference=1.0) for index in range(rows)),
            "params": tuple(ParamRow(key=f"{name}{index}", old=index, new="v" * 60) for index in range(rows)),
            "data": tuple(DataRow(path=f"{name}{index}", change="added", new_bytes=index) for index in range(rows)),
            "tables": (TableContent(path=name, old_rows=rows, new_rows=rows, columns=columns),),
            "models": tuple(ModelRow(path=f"{name}{index}", change="removed") for index in range(rows)),
            "environment": tuple(EnvironmentRow(name=f"package-{index}", new="1.0") for index in range(rows)),
            "plots": tuple(
                Plot(
                    name=f"{name}{index}",
                    kind="line",
                    series=(Series(side="base", x=points, y=points), Series(side="head", x=points, y=points[::-1])),
                )
                for index in range(rows // 4)
            ),
            "notes": tuple(Note(kind="warning", text=f"note {index} " + "word " * 90) for index in range(rows)),
        }
    )
