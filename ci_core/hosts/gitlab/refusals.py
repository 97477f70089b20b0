"""What GitLab says instead of doing what was asked, as our errors.

From GitLab's documentation: "REST API troubleshooting" (status codes), "User and IP rate limits" (headers), and for the
bodies of refused tokens RFC 6750, which GitLab follows.

=============================================================  =====================================================
answer                                                         error
=============================================================  =====================================================
401; a job token where GitLab takes none                       :class:`HostTokenError`
403, with ``insufficient_scope`` or without                    :class:`HostPermissionError`
404                                                            :class:`NotFoundOnHostError`
409 of a merge request that is there already                   :class:`AlreadyExistsOnHostError`
409 of a lock; 429                                             :class:`HostLimitError`
3xx, 400, 404 of a commit without branch, 409, 422, others     :class:`HostRefusedError`
5xx; no answer                                                 :class:`HostUnreachableError`
a page, a part of an answer, an answer of another shape        :class:`HostAnswerError`
=============================================================  =====================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ci_core.errors import (
    AlreadyExistsOnHostError,
    HostAnswerError,
    HostError,
    HostLimitError,
    HostPermissionError,
    HostRefusedError,
    HostTokenError,
    HostUnreachableError,
    NotFoundOnHostError,
)
from ci_core.hosts.gitlab.tokens import how_to_get
from ci_core.masking import Masker
from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci_core.hosts.gitlab.tokens import Need, Token

_LONGEST_REASON: Final = 300
_OTHER_REQUEST: Final = re.compile(r"!(\d+)\b")
_LOCKS: Final = ("is in progress", "resource lock")
_LOCK_WAIT_S: Final = 1.0
_NO_BRANCH: Final = "references for commit"
_HIDDEN: Final = (
    "GitLab answers so as well when the token may not see it: in a private project that takes at least the role {role}"
)
_MOVED: Final = "name the project, and its host, by the present name: `GRAPHSHIP_REPOSITORY`, `GRAPHSHIP_API_URL`"
_OF_JOB: Final = "GitLab lets no job token (`CI_JOB_TOKEN`) do that, whatever the project's settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """What a request is for."""

    action: str
    """Completes "the host did not …"."""
    need: Need
    kind: str = "project"
    """What is not there when GitLab says 404."""
    name: str = ""
    page: str = ""
    """Where merge requests are shown, for one that is there already."""
    for_jobs: bool = False
    """Whether GitLab lets job tokens do it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer with an error's status."""

    status: int
    body: object
    """Parsed; None when it is no JSON."""

    @property
    def message(self) -> str:
        """Return all that it says, in one line."""
        body = self.body if isinstance(self.body, dict) else {}
        said = [body.get(name) for name in ("message", "error", "error_description")]
        return ": ".join(part for value in said for part in _flat(value)) or f"it answered {self.status}"

    def says(self, name: str) -> str:
        """Return one text of the body."""
        value = self.body.get(name) if isinstance(self.body, dict) else None
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Translates for one project and one token."""

    place: str
    """``gitlab.com/acme/flights``: where an error happened."""
    project: str
    token: Token

    def translate(self, answer: Answer, doing: Doing) -> HostError:
        """Return the error that an answer stands for."""
        if answer.status >= 500:  # noqa: PLR2004 - the host's own mistakes
            return self.unreachable(doing, f"it answered {answer.status}")
        if answer.body is None and answer.status in {401, 403, 404}:
            return self.unusable(
                doing, f"it is a page with status {answer.status}, and GitLab's interface has no pages"
            )
        told = {401: self._unknown, 403: self._forbidden, 404: self._not_found, 409: self._conflict}
        if answer.status in told:
            return told[answer.status](answer, doing)
        if 300 <= answer.status < 400:  # noqa: PLR2004 - redirects
            return self.refused(doing, "it is at another address now", hint=_MOVED)
        return self.refused(doing, answer.message)

    def refused(self, doing: Doing, reason: str, hint: str | None = None) -> HostRefusedError:
        """Return that the host said no."""
        return HostRefusedError(host=self.place, action=doing.action, reason=self._shown(reason), hint=hint)

    def unreachable(self, doing: Doing, reason: str) -> HostUnreachableError:
        """Return that there was no answer."""
        return HostUnreachableError(host=self.place, action=doing.action, reason=self._shown(reason))

    def unusable(self, doing: Doing, reason: str) -> HostAnswerError:
        """Return that the answer is none."""
        return HostAnswerError(host=self.place, action=doing.action, reason=self._shown(reason))

    def limit(self, doing: Doing, wait_s: float | None) -> HostLimitError:
        """Return that it lets us ask no more for a while."""
        return HostLimitError(host=self.place, action=doing.action, wait_s=wait_s)

    def lacks(self, doing: Doing, permission: str, hint: str | None = None) -> HostPermissionError:
        """Return that our token lacks a scope, or its user a role."""
        return HostPermissionError(
            host=self.place, action=doing.action, permission=permission, hint=hint or how_to_get(doing.need)
        )

    def token_error(self, doing: Doing, said: str = "") -> HostTokenError:
        """Return that GitLab does not know our token, or that there is none."""
        variable = self.token.shown_variable
        hint = how_to_get(doing.need)
        if self.token.value is None:
            reason = "there is no token"
        elif not self.token.is_sendable:
            reason = f"what is in `{variable}` is no token: there is a blank or a line end inside"
            hint = f"put the token alone into `{variable}`"
        elif self.token.kind == "job":
            reason = f"the job token in `{variable}` is not known to it"
            hint = f"a job token ends with its job; otherwise {hint}"
        else:
            reason = self._shown(said) or f"the token in `{variable}` is wrong, has expired, or was revoked"
        return HostTokenError(host=self.place, action=doing.action, reason=reason, hint=hint)

    def not_for_jobs(self, doing: Doing) -> HostTokenError:
        """Return that a job token cannot do this; known before GitLab is asked."""
        return HostTokenError(
            host=self.place,
            action=doing.action,
            reason=_OF_JOB,
            hint=how_to_get(doing.need),
        )

    def _unknown(self, answer: Answer, doing: Doing) -> HostError:
        return self.token_error(doing, answer.says("error_description"))

    def _forbidden(self, answer: Answer, doing: Doing) -> HostError:
        if answer.says("error") == "insufficient_scope":
            wanted = answer.says("scope").split()
            scope = doing.need.scope if doing.need.scope in wanted or not wanted else wanted[0]
            return self.lacks(doing, f"scope {self._shown(scope)}")
        _, _, why = answer.message.partition(" - ")
        if why:
            return self.refused(doing, why)
        return self.lacks(
            doing,
            f"role {doing.need.role}",
            hint=f"give its user that role or a higher one, or {how_to_get(doing.need)}",
        )

    def _not_found(self, answer: Answer, doing: Doing) -> HostError:
        said = answer.message.lower()
        if _NO_BRANCH in said:
            return self.refused(doing, "no branch of this project has that commit")
        hint = _HIDDEN.format(role=doing.need.role)
        if "project not found" in said:
            return NotFoundOnHostError(host=self.place, kind="project", name=self.project, hint=hint)
        kind = "commit" if "commit not found" in said else doing.kind
        return NotFoundOnHostError(host=self.place, kind=kind, name=doing.name or self.project, hint=hint)

    def _conflict(self, answer: Answer, doing: Doing) -> HostError:
        said = answer.message
        if any(sign in said.lower() for sign in _LOCKS):
            return self.limit(doing, _LOCK_WAIT_S)
        other = _OTHER_REQUEST.search(said)
        if doing.page and (other is not None or "already exists" in said.lower()):
            url = f"{doing.page}/{other[1]}" if other else doing.page
            return AlreadyExistsOnHostError(host=self.place, kind=doing.kind, name=doing.name, url=url)
        return self.refused(doing, said)

    def _shown(self, text: str) -> str:
        """Return text of the host as it may be shown: masked, on one line, not without end."""
        secrets = [self.token.value] if self.token.value else []
        return one_line(Masker(secrets).text(text), max_chars=_LONGEST_REASON)


def _flat(value: object) -> Iterator[str]:
    """Yield the texts in an error's message, which is a text, a list, or a record of lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for entry in value:
            yield from _flat(entry)
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield f"{name} {', '.join(_flat(entry))}"
