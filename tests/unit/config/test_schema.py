from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

from ci_core.config.overrides import scalar_keys
from ci_core.config.schema import generated, json_schema, reference_page

CHECKOUT = Path(__file__).parents[3]


@pytest.mark.parametrize("path", generated(CHECKOUT), ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_a_generated_file_is_up_to_date_with_the_models(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generated(CHECKOUT)[path], "run `python -m ci_core.config.schema`"


def test_the_shipped_schema_has_the_same_bytes_as_the_published_one() -> None:
    shipped = files("ci_core.config").joinpath("graphship.schema.json").read_bytes()

    assert shipped == (CHECKOUT / "docs" / "graphship.schema.json").read_bytes()


def test_the_schema_is_a_valid_schema_of_its_draft() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize(
    "text",
    [
        "name: churn",
        "{name: churn, graph: 'g.py:graph', gates: {'m.json:auc': {min: 0.8, max-regression: 0.01}}}",
        "{name: a, gates: {data: {max-drift: 0.2}, behaviour: {max-changed: 5%}, latency: {max-ratio: 1.2}}}",
        "{name: a, gates: {model-size: {max: 50 MiB, max-growth: 0.2}, pickle-scan: {allow: [a.pkl]}, secrets: {}}}",
        "{name: a, gates: {'m.json:a': {max-regression: 2%, must-improve: true, folds: 'm.json:f', sample-size: 9}}}",
        "{name: a, environments: {staging: {target: local, deploy-on: merge, port: 0, ready-timeout: 30s}}}",
        "{name: a, monitor: {reference: d.parquet, window: 24h, ignore: [x], labels: {path: l.parquet}}}",
        "{name: a, retrain: {data: d.parquet, hold-back: 2, change-request: {labels: [x]}}}",
    ],
)
def test_an_editor_accepts_what_the_reader_accepts(text: str) -> None:
    jsonschema.validate(yaml.safe_load(text), json_schema(), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "name: Größe",
        "{name: a, monitr: {}}",
        "{name: a, gates: {auc: {min: 1}}}",
        "{name: a, gates: {'m.json:auc': {mn: 1}}}",
        "{name: a, gates: {'m.json:auc': {max-regression: 2 percent}}}",
        "{name: a, gates: {behaviour: {}}}",
        "{name: a, gates: {model-size: {max: 50}}}",
        "{name: a, monitor: {reference: d, window: 1 day}}",
        "{name: a, environments: {staging: {target: moon}}}",
        "{name: a, graph: null}",
    ],
)
def test_an_editor_marks_what_the_reader_refuses(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), json_schema(), cls=jsonschema.Draft202012Validator)


def test_every_key_of_the_schema_has_a_description() -> None:
    schema = json_schema()

    for section in (schema, *schema["$defs"].values()):
        assert section["description"]
        assert all(field["description"] for field in section.get("properties", {}).values())


def test_the_reference_page_has_every_key() -> None:
    page = reference_page()

    for key, _kind in scalar_keys():
        assert f"| `{key.rpartition('.')[2]}` |" in page
    for section in ("gates.<file:key>", "gates.model-size", "environments.<name>", "retrain.change-request"):
        assert f"## `{section}`" in page
