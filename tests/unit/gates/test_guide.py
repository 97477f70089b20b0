"""The guide to gates says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from ci_core.config.raw_gates import RESERVED_GATES
from ci_core.config.reader import settings_from_bytes
from ci_core.gates.pickle_files import OTHER_SUFFIXES, PICKLE_SUFFIXES
from ci_core.versioning.compare import known_goal

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "gates.md").read_text(encoding="utf-8")


def test_the_example_is_a_configuration_with_every_gate_there_is() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)

    gates = settings_from_bytes(example.encode(), root=ROOT, env={}, check_files=False).gates

    assert [gate.key for gate in gates.metrics] == [
        "metrics.json:auc",
        "metrics.json:accuracy",
        "metrics.json:log_loss",
    ]
    assert None not in (gates.data, gates.behaviour, gates.latency, gates.model_size)
    assert gates.pickle_scan.is_written
    assert gates.secrets.is_written
    for name in RESERVED_GATES:
        assert f"  {name}: {{" in example


def test_every_kind_of_file_that_is_looked_into_is_named() -> None:
    for suffix in PICKLE_SUFFIXES | OTHER_SUFFIXES:
        assert f"`{suffix}`" in GUIDE


def test_the_words_that_say_which_way_is_better_are_those_that_the_code_knows() -> None:
    told = re.findall(r"^- (higher|lower): ((?:.+\n)(?:  .+\n)*)", GUIDE, re.MULTILINE)

    goals = {word: goal for goal, words in told for word in re.findall(r"`(\w+)`", words)}

    assert len(goals) > 30
    assert {word: known_goal(f"metrics.json:{word}") for word in goals} == goals
