"""The published JSON Schema of ``report.json``."""

from __future__ import annotations

import json

from ci_core.reports.report import Report

SCHEMA_FILE = "report.schema.json"
"""Name of the copy beside this file and of the one in ``docs/``."""


def report_schema() -> str:
    """Return the JSON Schema (draft 2020-12) of what :meth:`Report.to_json` writes, as indented JSON."""
    schema = Report.model_json_schema(by_alias=True, mode="serialization")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "graphship report",
        "description": "What a change does to a project's model; see ci_core/reports/report.py.",
    }
    return json.dumps({**head, **{key: schema[key] for key in schema if key not in head}}, indent=2) + "\n"
