"""Plans, outcomes and live states as people read them in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ci_core.deploy.spec import DeploymentOutcome, Live, Plan, StepChange
    from ci_core.types import JsonObject

_SHORT = 12
_SIGNS = {"added": "+", "changed": "~", "removed": "-"}
_ACTIONS = {
    "create": "would be the first release",
    "replace": "would replace the live release",
    "none": "is live already: nothing to do",
    "refused": "is refused",
}
_SHOWN_HISTORY = 5


def plan_text(plan: Plan) -> str:
    """Return a plan: one line for the whole, then steps, models and notes."""
    lines = [f"{plan.environment}: release {plan.release[:_SHORT]} {_ACTIONS[plan.action]}"]
    if plan.live is not None and plan.live != plan.release:
        lines.append(f"live: release {plan.live[:_SHORT]}")
    lines += _section(
        "steps",
        (f"{_SIGNS[change.change]} {change.step}{_step_detail(change)}" for change in plan.steps),
    )
    lines += _section("models", plan.models)
    lines += _section("notes", plan.notes)
    lines.append(f"plan {plan.digest[:_SHORT]}, made on state {plan.live_version}")
    return "\n".join(lines)


def _step_detail(change: StepChange) -> str:
    if not change.detail:
        return ""
    # Of a changed step the detail is the names of its keys: alone they read like a kind of step.
    return f"  changed: {change.detail}" if change.change == "changed" else f"  {change.detail}"


def outcome_text(outcome: DeploymentOutcome) -> str:
    """Return what came of a deployment or rollback."""
    said = {"deployed": "is deployed", "unchanged": "is live already: nothing was done", "rolled-back": "is back"}
    lines = [f"{outcome.environment}: release {outcome.release[:_SHORT]} {said[outcome.outcome]}"]
    if outcome.live.url:
        lines.append(f"  {outcome.live.url}")
    if outcome.phases:
        lines.append("  " + ", ".join(f"{phase.phase} {phase.seconds:.2f} s" for phase in outcome.phases))
    return "\n".join(lines)


def live_text(live: Live) -> str:
    """Return what is live in one environment, with its last few changes."""
    if live.release is None:
        lines = [f"{live.environment}: nothing is deployed"]
    else:
        health = "healthy" if live.is_healthy else "NOT healthy"
        commit = f" from commit {live.commit[:7]}{_dirty_mark(live.commit)}" if live.commit else ""
        lines = [f"{live.environment}: release {live.release[:_SHORT]}{commit}, {health}, {live.url}"]
    if live.previous is not None:
        lines.append(f"  a rollback goes to release {live.previous[:_SHORT]}")
    lines += _section("known-bad", (release[:_SHORT] for release in live.known_bad))
    lines += _section("history", (_history_line(entry) for entry in live.history[-_SHOWN_HISTORY:]))
    return "\n".join(lines)


def _history_line(entry: JsonObject) -> str:
    return f"{entry['at']}  {entry['outcome']}  {str(entry['release'])[:_SHORT]}  {entry['reason']}".rstrip()


def _dirty_mark(commit: str) -> str:
    _, mark, difference = commit.partition("+")
    return mark + difference


def _section(title: str, items: Iterable[str]) -> list[str]:
    lines = [f"    {one_line(item)}" for item in items]
    return [f"  {title}", *lines] if lines else []
