"""The event as a plain shell, or a CI system that we do not know, describes it: by environment variables.

=============================  =======================  ===============================================================
variable                       or                       meaning
=============================  =======================  ===============================================================
``GRAPHSHIP_EVENT``                                     ``change-request``, ``push``, ``tag``, ``schedule``, ``manual``
``GRAPHSHIP_CHANGE_REQUEST``   ``CI_PULL_REQUEST``      number of the change request
``GRAPHSHIP_COMMIT``           ``CI_COMMIT``            full commit id; else what is checked out
``GRAPHSHIP_BRANCH``           ``CI_BRANCH``            branch pushed, or the request's source; else what is checked out
``GRAPHSHIP_TAG``              ``CI_TAG``               the tag of a tag event
``GRAPHSHIP_DEFAULT_BRANCH``                            else what the remote says
``GRAPHSHIP_TRUSTED``                                   ``false`` for a request from a fork; ``true`` if not set
``GRAPHSHIP_RUN_ID``           ``CI_RUN_ID``            number that grows with every run
``GRAPHSHIP_RUN_URL``          ``CI_RUN_URL``           page of the run
=============================  =======================  ===============================================================

An empty variable counts as not set. Without ``GRAPHSHIP_EVENT`` a number of a change request means ``change-request``
and a tag means ``tag``; anything else is ``manual``, the event on which nothing is deployed unasked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

from ci_core.ci.context import Context, Event
from ci_core.errors import InvalidVariableError, MissingVariableError
from ci_core.types import CommitId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.ci.detect import Checkout

EVENTS: tuple[Event, ...] = get_args(Event)

_NUMBER = ("GRAPHSHIP_CHANGE_REQUEST", "CI_PULL_REQUEST")
_COMMIT = ("GRAPHSHIP_COMMIT", "CI_COMMIT")
BRANCH_VARIABLES = ("GRAPHSHIP_BRANCH", "CI_BRANCH")
_TAG = ("GRAPHSHIP_TAG", "CI_TAG")
_RUN_ID = ("GRAPHSHIP_RUN_ID", "CI_RUN_ID")
_RUN_URL = ("GRAPHSHIP_RUN_URL", "CI_RUN_URL")

_FULL_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def is_system(_env: Mapping[str, str]) -> bool:
    """Tell that this is a plain shell: always, as the last row."""
    return True


def read_context(env: Mapping[str, str], checkout: Checkout) -> Context:
    """Return the context; see :func:`ci_core.ci.detect.detect` for the errors."""
    event = _event(env)
    return Context(
        system="plain",
        event=event,
        head=_commit(env) or checkout.head(),
        branch=None if event == "tag" else _branch(env, checkout),
        tag=_tag(env) if event == "tag" else None,
        default_branch=env.get("GRAPHSHIP_DEFAULT_BRANCH") or checkout.default_branch(),
        change_request=_change_request(env) if event == "change-request" else None,
        is_trusted=_is_trusted(env),
        run_id=_number(env, _RUN_ID) or 0,
        run_url=_first(env, _RUN_URL)[1],
    )


def _first(env: Mapping[str, str], variables: tuple[str, ...]) -> tuple[str, str | None]:
    """Return the first variable that is set, with its value; with None when none is."""
    return next(((name, env[name]) for name in variables if env.get(name)), (variables[0], None))


def _event(env: Mapping[str, str]) -> Event:
    given = env.get("GRAPHSHIP_EVENT")
    if given:
        for event in EVENTS:
            if given == event:
                return event
        raise InvalidVariableError(
            variable="GRAPHSHIP_EVENT", value=given, expected="the name of an event", choices=EVENTS
        )
    if _first(env, _NUMBER)[1]:
        return "change-request"
    return "tag" if _first(env, _TAG)[1] else "manual"


def _change_request(env: Mapping[str, str]) -> int:
    number = _number(env, _NUMBER)
    if number is None:
        raise MissingVariableError(
            fact="the event is a change request, and nothing says which one", variables=_NUMBER, example="12"
        )
    return number


def _commit(env: Mapping[str, str]) -> CommitId | None:
    variable, text = _first(env, _COMMIT)
    if text is not None and not _FULL_COMMIT.fullmatch(text):
        raise InvalidVariableError(variable=variable, value=text, expected="a full commit id of 40 or 64 hex digits")
    return CommitId(text) if text else None


def _branch(env: Mapping[str, str], checkout: Checkout) -> str:
    branch = _first(env, BRANCH_VARIABLES)[1] or checkout.branch()
    if branch is None:
        raise MissingVariableError(
            fact="a commit is checked out rather than a branch, and nothing says of which branch it is",
            variables=BRANCH_VARIABLES,
            example="main",
        )
    return branch


def _tag(env: Mapping[str, str]) -> str:
    tag = _first(env, _TAG)[1]
    if tag is None:
        raise MissingVariableError(
            fact="the event is a tag, and nothing says which one", variables=_TAG, example="churn#staging#1"
        )
    return tag


def _is_trusted(env: Mapping[str, str]) -> bool:
    text = env.get("GRAPHSHIP_TRUSTED") or "true"
    if text.lower() not in {"true", "false"}:
        raise InvalidVariableError(variable="GRAPHSHIP_TRUSTED", value=text, expected="`true` or `false`")
    return text.lower() == "true"


def _number(env: Mapping[str, str], variables: tuple[str, ...]) -> int | None:
    variable, text = _first(env, variables)
    if text is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text):
        raise InvalidVariableError(variable=variable, value=text, expected="a number, 1 or more")
    return int(text)
