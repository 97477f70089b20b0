"""What a benchmark measured: a table of figures and a table of goals, printed as Markdown and written as JSON."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A ratio, or another figure, and the bound it must keep."""

    what: str
    measured: float | None
    """None: not measured; `note` says why."""
    bound: float
    at_most: bool
    unit: str = "x"
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the bound is kept; None when nothing was measured."""
        if self.measured is None:
            return None
        return self.measured <= self.bound if self.at_most else self.measured >= self.bound


@dataclass(slots=True)
class Report:
    """Figures and goals of one benchmark."""

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *row: Any) -> None:
        """Add a row of figures, one a column."""
        self.rows.append(row)

    def at_most(self, what: str, measured: float | None, bound: float, unit: str = "x", note: str = "") -> None:
        """Add a goal that is met by a figure of `bound` or less."""
        goal = Goal(what=what, measured=measured, bound=bound, at_most=True, unit=unit, note=note)
        self.goals.append(goal)

    def at_least(self, what: str, measured: float | None, bound: float, unit: str = "x", note: str = "") -> None:
        """Add a goal that is met by a figure of `bound` or more."""
        goal = Goal(what=what, measured=measured, bound=bound, at_most=False, unit=unit, note=note)
        self.goals.append(goal)

    def print(self) -> None:
        """Print both tables."""
        print("\n" + _table(self.columns, self.rows))
        if self.goals:
            print("\n" + _table(("goal", "bound", "measured", "met"), [_goal_row(goal) for goal in self.goals]))
        for note in self.notes:
            print(f"\n{note}")

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return {
            "name": self.name,
            "columns": self.columns,
            "rows": [[None if _is_nan(cell) else cell for cell in row] for row in self.rows],  # JSON knows no NaN
            "goals": [asdict(goal) | {"met": goal.is_met} for goal in self.goals],
            "notes": self.notes,
        }


def ratio(value: float | None, base: float | None) -> float | None:
    """Return how many times `base` a figure is; None when one of them is missing, or not a number."""
    if value is None or not base or math.isnan(value) or math.isnan(base):
        return None
    return value / base


def _goal_row(goal: Goal) -> tuple[str, str, str, str]:
    sign = "≤" if goal.at_most else "≥"
    measured = "not measured" if goal.measured is None else f"{goal.measured:.3g} {goal.unit}"
    met = {None: "-", True: "yes", False: "no"}[goal.is_met]
    return goal.what, f"{sign} {goal.bound:g} {goal.unit}", measured, met + (f" ({goal.note})" if goal.note else "")


def _table(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(len(line[index]) for line in [list(columns), *lines]) for index in range(len(columns))]
    head = "| " + " | ".join(name.ljust(width) for name, width in zip(columns, widths, strict=True)) + " |"
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    body = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([head, rule, *body])


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _cell(value: Any) -> str:
    if value is None or _is_nan(value):
        return "-"
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def arguments(description: str | None, *, rounds: int, seconds: float | None = None) -> argparse.ArgumentParser:
    """Return the options that all benchmarks of this folder have.

    Args:
        description: of the benchmark: its docstring.
        rounds: usual number of them.
        seconds: usual length of one; None where a round has a fixed amount of work.
    """
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds, help=f"interleaved rounds (default: {rounds})")
    if seconds is not None:
        parser.add_argument("--seconds", type=float, default=seconds, help=f"length of a round (default: {seconds:g})")
    parser.add_argument("--json", type=Path, help="write the report there, too")
    return parser


def finish(report: Report, options: argparse.Namespace) -> Report:
    """Print a report, and write it where ``--json`` says."""
    report.print()
    if options.json is not None:
        options.json.write_text(json.dumps(machine() | report.as_dict(), indent=1) + "\n")
    return report


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    load = os.getloadavg()[0]
    return {"python": platform.python_version(), "cores": os.cpu_count(), "load": round(load, 2)}
