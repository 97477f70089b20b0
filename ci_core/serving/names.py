"""What steps and branches are called where nobody says it."""

from __future__ import annotations


def default_name(reference: str) -> str:
    """Return what a step is called that was given no name: the last word of its reference."""
    return reference.rpartition(":")[2].rpartition(".")[2]


def branch_text(value: object) -> str:
    """Return a value that chooses a branch as the text that `StepSpec.branches` has it under: as JSON writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return str(value)
    except RecursionError:  # a list of lists of lists: it chooses none
        return "…"
