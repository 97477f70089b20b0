"""What GitHub says instead of doing what was asked, as our errors.

From GitHub's documentation: "Troubleshooting the REST API", "Rate limits for the REST API", "Best practices for using
the REST API". The sentences of permissions and limits are matched as GitHub writes them; there is nothing else to tell
a missing permission from a limit by, both being 403.

==========================================================  =====================================================
answer                                                      error
==========================================================  =====================================================
401; 403 of single sign-on                                  :class:`HostTokenError`
403 or 404 for lack of a permission, scope or role          :class:`HostPermissionError`
429; 403 of a limit                                         :class:`HostLimitError`
404                                                         :class:`NotFoundOnHostError`
422 of something that is there already                      :class:`AlreadyExistsOnHostError`
3xx, 400, 403 otherwise, 409, 410, 422 otherwise, 451       :class:`HostRefusedError`
5xx; no answer                                              :class:`HostUnreachableError`
a page, a part of an answer, an answer of another shape     :class:`HostAnswerError`
==========================================================  =====================================================
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
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
from ci_core.hosts.github.permissions import Permission, Token, accepted, line_for_jobs
from ci_core.masking import Masker
from ci_core.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_REASON: Final = 300
_PERMISSION_SENTENCE: Final = "resource not accessible by"
_SCOPES_ENOUGH: Final = frozenset({"repo", "public_repo"})
_LIMIT_SENTENCES: Final = ("rate limit", "abuse detection", "retry your request again later", "before you try again")
_NO_COMMIT: Final = "no commit found for"
_ACTIONS_MAY_NOT_OPEN: Final = "github actions is not permitted to create"
_ACTIONS_SETTING: Final = "Allow GitHub Actions to create and approve pull requests"
_PRIVATE: Final = "a private repository answers so to a token that may not read it: check the token, then the name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """What a request is for."""

    action: str
    """Completes "the host did not …"."""
    needs: Permission
    kind: str = "repository"
    """What is not there when GitHub says 404."""
    name: str = ""
    page: str = ""
    """Where to look at what exists already."""


@dataclass(slots=True, kw_only=True)
class Answer:
    """An answer with an error's status."""

    status: int
    message: str = ""
    details: tuple[Mapping[str, object], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    """With lower-case names."""

    @property
    def reason(self) -> str:
        """Return all that it says, in one line."""
        said = [self.message, *map(_detail, self.details)]
        return ": ".join(part for part in said if part) or f"it answered {self.status}"


@dataclass(slots=True, kw_only=True)
class Refusals:
    """Translates for one repository and one token."""

    place: str
    """``github.com/acme/flights``: where an error happened."""
    repository: str
    token: Token
    login: str | None = None
    """Who we are, once that is known."""
    is_known_to_exist: bool = False
    """Whether the repository answered us before: then a 404 is not about the token."""

    def translate(self, answer: Answer, doing: Doing) -> HostError:  # noqa: PLR0911 - a table, in order
        """Return the error that an answer stands for."""
        if answer.status >= 500:  # noqa: PLR2004 - the host's own mistakes
            return HostUnreachableError(host=self.place, action=doing.action, reason=f"it answered {answer.status}")
        if answer.status == 401:  # noqa: PLR2004 - who are you?
            return self.token_error(doing)
        if answer.status in {403, 404}:
            denied = self._denied(answer, doing)
            if denied is not None:
                return denied
        if answer.status in {403, 429} and _is_limit(answer):
            return HostLimitError(host=self.place, action=doing.action, wait_s=_wait_s(answer.headers))
        if answer.status in {403, 404} and self.token.shape == "classic" and _lacks_scope(answer.headers):
            return self.lacks(doing.needs, doing)
        if answer.message.lower().startswith(_NO_COMMIT):
            name = answer.message[len(_NO_COMMIT) :].strip(" :").rpartition(" ")[2]
            return NotFoundOnHostError(host=self.place, kind="commit", name=name or doing.name)
        if answer.status == 404:  # noqa: PLR2004 - not found
            return self.missing(doing)
        if answer.status == 422 and _exists(answer):  # noqa: PLR2004 - not as the host wants it
            return AlreadyExistsOnHostError(host=self.place, kind=doing.kind, name=doing.name, url=doing.page)
        return self.refused(doing, answer.reason, hint=_hint(answer))

    def missing(self, doing: Doing) -> NotFoundOnHostError:
        """Return that what was asked for is not there, as far as our token sees."""
        hint = None if self.is_known_to_exist else _PRIVATE
        if doing.needs.level == "write" and self.token.shape != "installation":
            hint = (
                f"if it is there, the token may read it and not write: {self.token.how_to_get(doing.needs, self.login)}"
            )
        return NotFoundOnHostError(host=self.place, kind=doing.kind, name=doing.name or self.repository, hint=hint)

    def refused(self, doing: Doing, reason: str, hint: str | None = None) -> HostRefusedError:
        """Return that the host said no."""
        return HostRefusedError(host=self.place, action=doing.action, reason=self._shown(reason), hint=hint)

    def unreachable(self, doing: Doing, reason: str) -> HostUnreachableError:
        """Return that there was no answer."""
        return HostUnreachableError(host=self.place, action=doing.action, reason=self._shown(reason))

    def unusable(self, doing: Doing, reason: str) -> HostAnswerError:
        """Return that the answer is none."""
        return HostAnswerError(host=self.place, action=doing.action, reason=self._shown(reason))

    def token_error(self, doing: Doing) -> HostTokenError:
        """Return that GitHub does not know our token, or that there is none."""
        variable = self.token.variable or "GITHUB_TOKEN"
        if self.token.value is None:
            reason = "there is no token"
            hint = f"give this step one, `env: {{GITHUB_TOKEN: ${{{{ github.token }}}}}}`; {line_for_jobs(doing.needs)}"
        elif not self.token.is_sendable:
            reason = f"what is in `{variable}` is no token: there is a blank or a line end inside"
            hint = f"put the token alone into `{variable}`"
        elif self.token.kind(self.login) == "job":
            reason = f"the token in `{variable}` is not known to it"
            hint = "the token of a job ends with the job: use it in the job that it was made for"
        else:
            reason = f"the token in `{variable}` is wrong, has expired, or was revoked"
            hint = f"make a new one and put it into `{variable}`"
        return HostTokenError(host=self.place, action=doing.action, reason=reason, hint=hint)

    def lacks(self, permission: Permission, doing: Doing) -> HostPermissionError:
        """Return that our token lacks one permission."""
        return HostPermissionError(
            host=self.place,
            action=doing.action,
            permission=self.token.spelled(permission),
            hint=self.token.how_to_get(permission, self.login),
        )

    def _denied(self, answer: Answer, doing: Doing) -> HostError | None:
        """Return what our token lacks; None when the answer is about something else."""
        said = answer.message.lower()
        sign_on = answer.headers.get("x-github-sso", "")
        if answer.status == 403 and sign_on.startswith("required"):  # noqa: PLR2004
            reason = "the organization takes tokens only that were authorized for its single sign-on"
            hint = "authorize the token for the organization: its settings, `Configure SSO`"
            return HostTokenError(host=self.place, action=doing.action, reason=reason, hint=hint)
        if said.startswith(_ACTIONS_MAY_NOT_OPEN):
            return HostPermissionError(
                host=self.place,
                action=doing.action,
                permission=_ACTIONS_SETTING,
                hint=f"tick `{_ACTIONS_SETTING}` under Settings, Actions, General, Workflow permissions; or use the "
                "token of an App",
            )
        if said.startswith(_PERMISSION_SENTENCE):
            return self.lacks(_one_of(answer.headers.get("x-accepted-github-permissions", ""), doing.needs), doing)
        if said.startswith(("must have", "you must have", "you need")):
            return HostPermissionError(
                host=self.place,
                action=doing.action,
                permission="the role `Write`",
                hint="give the token's account the role `Write` in the repository",
            )
        return None

    def _shown(self, reason: str) -> str:
        """Return what somebody else said so that it can be shown: one line, without our token."""
        return one_line(Masker([self.token.value] if self.token.value else []).text(reason), max_chars=_LONGEST_REASON)


def _one_of(header: str, ours: Permission) -> Permission:
    """Return the permission to name: ours, or the first that GitHub says would do when ours would not."""
    theirs = list(accepted(header))
    return ours if not theirs or ours in theirs else theirs[0]


def _lacks_scope(headers: Mapping[str, str]) -> bool:
    scopes = headers.get("x-oauth-scopes")
    return scopes is not None and not _SCOPES_ENOUGH & {scope.strip() for scope in scopes.split(",")}


def _is_limit(answer: Answer) -> bool:
    said = answer.message.lower()
    return (
        answer.status == 429  # noqa: PLR2004 - too many requests
        or "retry-after" in answer.headers
        or answer.headers.get("x-ratelimit-remaining") == "0"
        or any(sentence in said for sentence in _LIMIT_SENTENCES)
    )


def _wait_s(headers: Mapping[str, str]) -> float | None:
    """Return how long GitHub asks to wait; None when it does not say. Times are compared by its own clock, not ours."""
    after = headers.get("retry-after", "")
    now = _seconds(headers.get("date", ""))
    if after.isdecimal():
        return float(after)
    until = _seconds(after)
    if until is None and headers.get("x-ratelimit-remaining") == "0":
        reset = headers.get("x-ratelimit-reset", "").partition(".")[0]
        until = float(reset) if reset.isdecimal() else None
    return None if until is None else max(until - (time.time() if now is None else now), 0.0)


def _seconds(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


def _exists(answer: Answer) -> bool:
    return any(
        detail.get("code") == "already_exists" or "already exists" in str(detail.get("message", "")).lower()
        for detail in answer.details
    )


def _detail(detail: Mapping[str, object]) -> str:
    message = detail.get("message")
    if isinstance(message, str) and message:
        return message
    return " ".join(str(detail[key]) for key in ("field", "code") if isinstance(detail.get(key), str))


def _hint(answer: Answer) -> str | None:
    if answer.status == 410 and "issues" in answer.message.lower():  # noqa: PLR2004 - gone
        return "switch on `Issues` under Settings, General, Features"
    return None
