"""What the file said (:class:`RawConfig`) → what it came to (:class:`Settings`). Pure; nothing can be wrong here."""

from __future__ import annotations

import posixpath
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from ci_core.config.files import is_url
from ci_core.config.raw import RawEnvironment, RawPluginEnvironment
from ci_core.config.raw_values import kebab
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
from ci_core.types import EnvironmentName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ci_core.config.raw import RawConfig, RawMonitor, RawRetrain
    from ci_core.config.raw_gates import RawGates, RawMetricGate
    from ci_core.types import JsonValue


def to_settings(
    raw: RawConfig,
    others: Mapping[str, RawPluginEnvironment],
    *,
    root: Path,
    lines: Mapping[str, int],
    environment_order: Sequence[str],
) -> Settings:
    """Return the settings.

    Args:
        raw: the accepted content of the file.
        others: environments on targets of other packages, which `raw` does not hold.
        root: the project's folder, absolute.
        lines: key path → line.
        environment_order: names of all environments as the file lists them: the promotion order.
    """
    environments: dict[str, RawEnvironment | RawPluginEnvironment] = {**raw.environments, **others}
    return Settings(
        root=root,
        name=raw.name,
        pipeline=PipelineSettings(engine=raw.pipeline.engine, commit_lock=raw.pipeline.commit_lock),
        graph=_path(raw.graph) if raw.graph else None,
        gates=_gates(raw.gates),
        environments=tuple(_environment(name, environments[name]) for name in environment_order),
        smoke=_path(raw.smoke) if raw.smoke else None,
        capture=CaptureSettings(to=_path(raw.capture.to), sample=raw.capture.sample),
        monitor=_monitor(raw.monitor) if raw.monitor else None,
        retrain=_retrain(raw.retrain) if raw.retrain else None,
        lines=MappingProxyType(dict(lines)),
    )


def _path(path: str) -> str:
    """Return the one spelling of a path, so that ``./data/x`` equals DVC's ``data/x``; URLs stay."""
    return path if is_url(path) else posixpath.normpath(path)


def _gates(raw: RawGates) -> Gates:
    data, size, scan, secrets = raw.data, raw.model_size, raw.pickle_scan, raw.secrets
    return Gates(
        metrics=tuple(_metric_gate(key, gate) for key, gate in (raw.__pydantic_extra__ or {}).items()),
        data=None
        if data is None
        else DataGate(
            no_missing_objects=data.no_missing_objects, same_schema=data.same_schema, max_drift=data.max_drift
        ),
        behaviour=BehaviourGate(max_changed=raw.behaviour.max_changed) if raw.behaviour else None,
        latency=LatencyGate(max_ratio=raw.latency.max_ratio) if raw.latency else None,
        model_size=ModelSizeGate(max_bytes=size.max, max_growth=size.max_growth) if size else None,
        pickle_scan=PickleScanGate(allow=tuple(scan.allow) if scan else (), is_written=scan is not None),
        secrets=SecretsGate(allow=tuple(secrets.allow) if secrets else (), is_written=secrets is not None),
    )


def _metric_gate(key: str, gate: RawMetricGate) -> MetricGate:
    file, _, metric = key.partition(":")
    regression, size = gate.max_regression, gate.sample_size
    return MetricGate(
        file=_path(file),
        metric=metric,
        min=gate.min,
        max=gate.max,
        max_regression=None if regression is None or regression.is_share else regression.amount,
        max_regression_share=None if regression is None or not regression.is_share else regression.amount,
        must_improve=gate.must_improve,
        folds=None if gate.folds is None else _metric(gate.folds),
        sample_size=_metric(size) if isinstance(size, str) else size,
    )


def _metric(key: str) -> str:
    file, _, metric = key.partition(":")
    return f"{_path(file)}:{metric}"


def _environment(name: str, raw: RawEnvironment | RawPluginEnvironment) -> EnvironmentSettings:
    options: dict[str, JsonValue] = dict(raw.model_extra or {})
    if isinstance(raw, RawEnvironment):
        own = {"target", "deploy_on"}
        options = {kebab(key): _plain(getattr(raw, key)) for key in RawEnvironment.model_fields if key not in own}
    return EnvironmentSettings(
        name=EnvironmentName(name),
        target=raw.target,
        deploy_on=raw.deploy_on,
        options=MappingProxyType(options),
    )


def _plain(value: JsonValue | timedelta) -> JsonValue:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _monitor(raw: RawMonitor) -> MonitorSettings:
    return MonitorSettings(
        reference=_path(raw.reference),
        time_column=raw.time_column,
        window=raw.window,
        target=raw.target,
        ignore=tuple(raw.ignore),
        importance=raw.importance if raw.importance in {"model", "none"} else _path(raw.importance),
        labels=LabelSettings(path=_path(raw.labels.path), key=raw.labels.key) if raw.labels else None,
    )


def _retrain(raw: RawRetrain) -> RetrainSettings:
    request = raw.change_request
    return RetrainSettings(
        on=raw.on,
        data=_path(raw.data),
        window=raw.window,
        hold_back=raw.hold_back,
        cool_down=raw.cool_down,
        change_request=RetrainChangeRequestSettings(
            labels=tuple(request.labels), reviewers=tuple(request.reviewers), is_draft=request.draft
        ),
    )
