"""Verdicts → train a challenger or not, and why (pure).

Drift in the newest judged window is the reason; broken data never is. An open request is left alone, a closed one is
respected until there is new evidence or the cool-down is over, a merged one has dealt with its evidence.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ci_core.hosts.marker import parse_marker
from ci_core.retrain.evidence import evidence_key, find_evidence, is_new_evidence
from ci_core.retrain.spec import RetrainDecision, RetrainRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from ci_core.config.settings import RetrainSettings
    from ci_core.hosts.marker import Run
    from ci_core.hosts.spec import ChangeRequest
    from ci_core.monitoring.spec import Window
    from ci_core.retrain.spec import DecisionSlug, JudgedWindow, Trigger


def decide_retrain(
    records: Sequence[JudgedWindow],
    settings: RetrainSettings,
    *,
    now: datetime,
    release: str = "",
    open_request: RetrainRequest | None = None,
    last_closed: RetrainRequest | None = None,
    trigger: Trigger = "schedule",
    run: Run | None = None,
) -> RetrainDecision:
    """Decide on the windows that were judged for the live release.

    Args:
        records: oldest first; only those judged since the live release is live, since earlier ones are in its data.
        settings: ``retrain`` of ``graphship.yaml``.
        now: the present, aware; only the cool-down depends on it.
        release: id of the live release; drift under another release is new evidence.
        open_request: the open retrain request, if there is one.
        last_closed: the newest merged or closed one, if there is one.
        trigger: a ``command`` needs neither drift nor a cool-down's end, but sound windows all the same.
        run: who asks; an older run than the one that wrote the open request leaves it alone. None: nobody knows.

    Returns:
        The decision; with `should`, the sound windows (`no-drift`, `potential`, `drift`) that go into the new data.
    """
    judged = [record for record in records if record.window is not None and record.state != "insufficient-data"]
    moved = _moved_columns(judged)
    key = evidence_key(release, moved)
    reasons = (
        _no_reason(judged, settings, trigger)
        or _already_proposed(key, open_request)
        or _overtaken(run, open_request)
        or (_refused_before(key, last_closed, settings.cool_down, now) if trigger == "schedule" else None)
        or _too_few(judged, settings.hold_back)
    )
    if reasons is not None:
        return reasons
    windows = _sound_windows(judged)
    count = f"{len(windows)} window{'s' if len(windows) != 1 else ''}"
    return RetrainDecision(
        should=True,
        slug="drift" if moved else "asked-for",
        reason=f"{_listed(moved)} moved; {count} of live traffic are ready to learn from"
        if moved
        else f"asked for by a person; {count} of live traffic are ready to learn from",
        evidence_key=key,
        windows=windows,
        held_back=windows[len(windows) - settings.hold_back :],
    )


def earlier_requests(found: Iterable[ChangeRequest], login: str) -> tuple[RetrainRequest | None, RetrainRequest | None]:
    """Return the open and the last closed or merged retrain request.

    Args:
        found: the change requests from the retrain branch, in any order.
        login: who we are on the host; what others opened from that branch, or from one of that name in a fork, tells
            us nothing.
    """
    ours = (request for request in found if request.author == login and not request.is_fork)
    requests = [_known(request) for request in sorted(ours, key=lambda request: request.number)]
    is_open = [request for request in requests if request.state == "open"]
    is_over = [request for request in requests if request.state != "open"]
    return (is_open[-1] if is_open else None), (is_over[-1] if is_over else None)


def _known(request: ChangeRequest) -> RetrainRequest:
    marker = parse_marker(request.body)
    return RetrainRequest(
        number=request.number,
        url=request.url,
        state=request.state,
        evidence=find_evidence(request.body),
        closed_at=None if request.closed_at is None else datetime.fromisoformat(request.closed_at),
        settled=frozenset(([marker.sha] if marker else []) + ([request.head] if request.state == "merged" else [])),
        run=marker.run if marker else None,
    )


def _no_reason(judged: Sequence[JudgedWindow], settings: RetrainSettings, trigger: Trigger) -> RetrainDecision | None:
    if not judged:
        return _no("nothing-judged", "no window has been judged for the live release yet")
    newest = judged[-1]
    label = newest.window.label if newest.window else ""
    if newest.state == "broken-data":
        return _no("broken-data", f"the newest window `{label}` has broken data, which no model should learn")
    if trigger == "command":
        return None
    if settings.on == "manual":
        return _no("manual-only", "`retrain.on` is `manual`: only `graphship retrain` trains")
    if newest.state != "drift":
        return _no("no-drift", f"the newest window `{label}` says `{newest.state}`")
    return None


def _already_proposed(key: str, request: RetrainRequest | None) -> RetrainDecision | None:
    if request is None or (request.evidence and is_new_evidence(key, than=request.evidence)):
        return None
    return _no("request-open", f"change request {request.number} is open for the same evidence", key)


def _overtaken(run: Run | None, request: RetrainRequest | None) -> RetrainDecision | None:
    if run is None or request is None or request.run is None or run >= request.run:
        return None
    return _no("newer-run", f"change request {request.number} was written by a newer run")


def _refused_before(
    key: str, request: RetrainRequest | None, cool_down: timedelta, now: datetime
) -> RetrainDecision | None:
    if request is None or is_new_evidence(key, than=request.evidence):
        return None
    if request.state == "merged":
        return _no("request-merged", f"change request {request.number} was merged for the same evidence", key)
    until = None if request.closed_at is None else request.closed_at + cool_down
    if until is None or now >= until:
        return None
    return _no(
        "cool-down",
        f"change request {request.number} was closed for the same evidence; not again before "
        f"{until:%Y-%m-%d %H:%M} UTC unless something else moves",
        key,
    )


def _too_few(judged: Sequence[JudgedWindow], hold_back: int) -> RetrainDecision | None:
    sound = len(_sound_windows(judged))
    if sound > hold_back:
        return None
    return _no(
        "too-few-windows",
        f"{sound} sound window{'s are' if sound != 1 else ' is'} there; {hold_back} are held back to judge on, "
        "so at least one more is needed to learn from",
    )


def _moved_columns(judged: Sequence[JudgedWindow]) -> tuple[str, ...]:
    """Return the columns that moved in the newest window, in the verdict's order of importance."""
    if not judged or judged[-1].state != "drift":
        return ()
    return tuple(column.name for column in judged[-1].columns if column.drifted)


def _sound_windows(judged: Sequence[JudgedWindow]) -> tuple[Window, ...]:
    sound = (record.window for record in judged if record.state != "broken-data")
    return tuple(sorted((window for window in sound if window is not None), key=lambda window: window.start))


_LISTED = 3


def _listed(names: Sequence[str]) -> str:
    shown = [f"`{name}`" for name in names[:_LISTED]]
    rest = len(names) - len(shown)
    if rest:
        return f"{', '.join(shown)} and {rest} more column{'s' if rest != 1 else ''}"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def _no(slug: DecisionSlug, reason: str, key: str = "") -> RetrainDecision:
    return RetrainDecision(should=False, slug=slug, reason=reason, evidence_key=key)
