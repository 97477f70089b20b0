"""Which host a repository lives on, by which address and token (pure).

Asked in this order: ``GRAPHSHIP_HOST`` (``github``, ``gitlab``, ``local``, ``none``), the CI system's own variables,
the address of the Git remote. Addresses and tokens come from the environment of the job alone, never from a file of the
repository, which a change request could change.

========================  ===================================================================================
variable                  meaning
========================  ===================================================================================
``GRAPHSHIP_HOST``        ``github``, ``gitlab``, ``local`` or ``none``; for own servers outside their CI
``GRAPHSHIP_API_URL``     ``https://git.example.com/api/v3`` (Enterprise), ``https://example.com/gitlab``
``GRAPHSHIP_REPOSITORY``  ``owner/name``; GitLab: full path of the project
``GRAPHSHIP_TOKEN``       used before all others
``GITHUB_TOKEN``          or ``GH_TOKEN``, on GitHub
``GITLAB_TOKEN``          on GitLab; without it ``CI_JOB_TOKEN``, which can read and little else
========================  ===================================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args
from urllib.parse import urlsplit

from ci_core.errors import InvalidVariableError, MissingVariableError

if TYPE_CHECKING:
    from collections.abc import Mapping

HostKind = Literal["github", "gitlab", "local"]

_TOKENS: Final[Mapping[HostKind, tuple[str, ...]]] = {
    "github": ("GRAPHSHIP_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"),
    "gitlab": ("GRAPHSHIP_TOKEN", "GITLAB_TOKEN", "CI_JOB_TOKEN"),
    "local": (),
}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SCP_LIKE: Final = re.compile(r"(?:[^/@:]+@)?(?P<host>[^/:]+):(?!//)(?P<path>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostChoice:
    """Where to find the repository, and with what."""

    kind: HostKind
    api_url: str = ""
    """GitHub: ``https://api.github.com``; GitLab: the server's address, with a sub-path if it has one. No ``/`` at the
    end."""
    web_url: str = ""
    """Where people look at it: ``https://github.com``. No ``/`` at the end."""
    repository: str = ""
    """``owner/name``; on GitLab the full path, ``group/subgroup/name``."""
    token: str | None = field(default=None, repr=False)
    token_variable: str | None = None
    """The variable that the token was in; ``CI_JOB_TOKEN`` and Actions' own token have limits of their own."""


def choose_host(env: Mapping[str, str], remote_url: str | None) -> HostChoice | None:
    """Return the host; None when nothing names one, or ``GRAPHSHIP_HOST`` says ``none``.

    Args:
        env: environment variables of the job.
        remote_url: address of the Git remote, without credentials.

    Raises:
        InvalidVariableError: ``GRAPHSHIP_HOST`` names no host, or an address is not a safe one.
        MissingVariableError: the host is known, and not where its interface or the repository is.
    """
    kind = _kind(env, remote_url)
    if kind is None or kind == "local":
        return None if kind is None else HostChoice(kind="local")
    api_url, web_url = (_github if kind == "github" else _gitlab)(env, remote_url)
    variable = next((name for name in _TOKENS[kind] if env.get(name)), None)
    return HostChoice(
        kind=kind,
        api_url=api_url,
        web_url=web_url,
        repository=_repository(kind, env, remote_url, web_url),
        token=env[variable] if variable else None,
        token_variable=variable,
    )


def _kind(env: Mapping[str, str], remote_url: str | None) -> HostKind | None:
    given = env.get("GRAPHSHIP_HOST")
    if given == "none":
        return None
    if given:
        for kind in get_args(HostKind):
            if given == kind:
                return kind  # type: ignore[no-any-return] # one of the literals
        choices = (*get_args(HostKind), "none")
        raise InvalidVariableError(
            variable="GRAPHSHIP_HOST", value=given, expected="the name of a host", choices=choices
        )
    if env.get("GITHUB_ACTIONS") == "true":
        return "github"
    if env.get("GITLAB_CI") == "true":
        return "gitlab"
    place = _place(remote_url)
    if place is None:
        return "local" if remote_url else None
    known: Mapping[str, HostKind] = {"github.com": "github", "gitlab.com": "gitlab"}
    return known.get(place[0])


def _github(env: Mapping[str, str], remote_url: str | None) -> tuple[str, str]:
    api = _address(env, "GRAPHSHIP_API_URL") or _address(env, "GITHUB_API_URL")
    web = _address(env, "GITHUB_SERVER_URL")
    place = _place(remote_url)
    if api is None and place is not None:
        api = "https://api.github.com" if place[0] == "github.com" else f"https://{place[0]}/api/v3"
    if api is None:
        raise _missing_address("https://git.example.com/api/v3")
    if web is None:
        web = "https://github.com" if api == "https://api.github.com" else api.removesuffix("/api/v3")
    return api, web


def _gitlab(env: Mapping[str, str], remote_url: str | None) -> tuple[str, str]:
    api = _address(env, "GRAPHSHIP_API_URL") or _address(env, "CI_API_V4_URL") or _address(env, "CI_SERVER_URL")
    place = _place(remote_url)
    if api is None and place is not None:
        api = f"https://{place[0]}"
    if api is None:
        raise _missing_address("https://example.com/gitlab")
    server = api.removesuffix("/api/v4")
    return server, _address(env, "CI_SERVER_URL") or server


def _repository(kind: HostKind, env: Mapping[str, str], remote_url: str | None, web_url: str) -> str:
    own = ("GITHUB_REPOSITORY",) if kind == "github" else ("CI_MERGE_REQUEST_PROJECT_PATH", "CI_PROJECT_PATH")
    given = next((env[name] for name in ("GRAPHSHIP_REPOSITORY", *own) if env.get(name)), None)
    if given:
        return given
    place = _place(remote_url)
    if place is None:
        raise MissingVariableError(
            fact="the host is known, and nothing says which repository on it this is",
            variables=("GRAPHSHIP_REPOSITORY",),
            example="owner/name",
        )
    prefix = urlsplit(web_url).path.strip("/")  # of a server below a path: https://example.com/gitlab
    return place[1].removeprefix(f"{prefix}/") if prefix else place[1]


def _place(remote_url: str | None) -> tuple[str, str] | None:
    """Return host name and path of a remote's address; None for a folder, or without one."""
    if not remote_url or remote_url.startswith("file:"):
        return None
    if "://" in remote_url:
        parts = urlsplit(remote_url)
        name, path = parts.hostname or "", parts.path
    else:
        found = _SCP_LIKE.fullmatch(remote_url)
        if found is None:
            return None
        name, path = found["host"], found["path"]
    return (name.lower(), path.strip("/").removesuffix(".git")) if name else None


def _address(env: Mapping[str, str], variable: str) -> str | None:
    """Return an address that a token may be sent to: encrypted, or on this machine."""
    value = env.get(variable)
    if not value:
        return None
    try:
        parts = urlsplit(value)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        is_plain = bool(parts.hostname) and not (parts.username or parts.password or parts.query or parts.fragment)
        _ = parts.port
    except ValueError:
        is_safe = is_plain = False
    if not (is_safe and is_plain):
        expected = "an address that begins with `https://`, without user, password or query"
        raise InvalidVariableError(variable=variable, value=value, expected=expected)
    return value.rstrip("/")


def _missing_address(example: str) -> MissingVariableError:
    return MissingVariableError(
        fact="the host is known, and nothing says where its interface is",
        variables=("GRAPHSHIP_API_URL",),
        example=example,
    )
