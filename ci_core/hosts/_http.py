"""What adapters of hosts on the network share: bounded answers, certificates, and why there was no answer.

Imports requests inside its functions only: it comes with the adapters' libraries.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ci_core.errors import InvalidVariableError
from ci_core.hosts._answers import UnusableAnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import requests

_PIECE_BYTES: Final = 1 << 16


def whole_content(answer: requests.Response, *, limit_bytes: int, limit_s: float) -> bytes:
    """Return the body of an answer, unpacked; neither its size nor a trickle is without a bound.

    Raises:
        UnusableAnswerError: it is too large.
        requests.ReadTimeout: it did not all come in time.
    """
    import requests

    until = time.monotonic() + limit_s
    content = bytearray()
    while piece := answer.raw.read1(_PIECE_BYTES, decode_content=True):
        content += piece
        if len(content) > limit_bytes:
            raise UnusableAnswerError(f"it is larger than {limit_bytes >> 20} MiB")
        if time.monotonic() > until:
            raise requests.ReadTimeout(f"not all of the answer came within {limit_s:.0f} s")
    return bytes(content)


def certificates(env: Mapping[str, str], variables: Sequence[str]) -> str | None:
    """Return the file of certificates to trust that the first variable of these names; None for the usual ones.

    Raises:
        InvalidVariableError: there is nothing at that place.
    """
    variable = next((name for name in variables if env.get(name)), None)
    if variable is None:
        return None
    if not Path(env[variable]).exists():
        raise InvalidVariableError(variable=variable, value=env[variable], expected="a file of certificates")
    return env[variable]


def why_no_answer(error: Exception) -> str:
    """Return why there is no answer, in few words: what requests says names whole addresses and its own classes."""
    from requests import ReadTimeout, Timeout
    from requests.exceptions import ProxyError, SSLError
    from urllib3.exceptions import ReadTimeoutError

    cause = _innermost(error)
    match error:
        case SSLError():
            return f"its certificate is not trusted here ({cause}); name your own with `REQUESTS_CA_BUNDLE`"
        case ProxyError():
            return f"the proxy did not let us through ({cause})"
        case ReadTimeout() | ReadTimeoutError():
            return "the answer did not come in time"
        case Timeout():
            return "no connection in time"
        case _:
            shown = cause.strerror if isinstance(cause, OSError) else None
            return f"the connection failed: {shown or cause}"


def _innermost(error: BaseException) -> BaseException:
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return error
