"""What merging does to each environment, step by step (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_core.reports.document import BulletList, Paragraph, Section, Strong, code
from ci_core.reports.prose import prose
from ci_core.reports.text import number, shorten

if TYPE_CHECKING:
    from ci_core.reports.document import Block, Line
    from ci_core.reports.report import Plan, Report

_MOST_ENVIRONMENTS = 20
_MOST_ITEMS = 50


def plan_section(report: Report) -> Section | None:
    """Return the plan of every environment, in promotion order."""
    plans = report.plans
    if all(plan.action == "none" and not (plan.steps or plan.models or plan.notes) for plan in plans):
        return None  # the first lines of the page say so already
    blocks = [block for plan in plans[:_MOST_ENVIRONMENTS] for block in _plan(plan)]
    hidden = len(plans) - _MOST_ENVIRONMENTS
    if hidden > 0:
        blocks.append(Paragraph(line=(f"… and {number(hidden)} environments more in the data of this report",)))
    hint = ", ".join(f"{shorten(plan.environment, 30)}: {plan.action}" for plan in plans[:5])
    return Section(slug="plan", title="What merging deploys", hint=hint, blocks=tuple(blocks), folded=True)


def _plan(plan: Plan) -> list[Block]:
    target: Line = (" on target ", code(plan.target)) if plan.target else ()
    trigger = f" on {shorten(plan.trigger, 30)}" if plan.trigger != "merge" else ""
    head = Paragraph(line=(Strong(shorten(plan.environment, 60)), *target, f": {plan.action}{trigger}"))
    items: list[Line] = [
        (f"{step.change} step ", code(step.step), *((": ", *prose(step.detail, 200)) if step.detail else ()))
        for step in plan.steps[:_MOST_ITEMS]
    ]
    items += [prose(model, 300) for model in plan.models[:_MOST_ITEMS]]
    items += [prose(note, 600) for note in plan.notes[:20]]
    hidden = len(plan.steps) + len(plan.models) + len(plan.notes) - len(items)
    if hidden > 0:
        items.append((f"… and {number(hidden)} more",))
    if not items and plan.action in {"create", "replace"}:
        items = [("the graph and its models stay the same; code, settings or the lock file changed",)]
    return [head, BulletList(items=tuple(items))] if items else [head]
