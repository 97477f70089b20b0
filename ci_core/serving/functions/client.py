"""How a function in another process is called and asked about itself: HTTP on a Unix socket, or on TCP between pods.

Nothing is sent twice: whether the steps of a segment may be repeated is said by the graph, where they run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from ci_core.errors import FunctionAddressError
from ci_core.serving.functions.models import RemoteModel
from ci_core.serving.problems import DependencyError, DependencyTimeoutError
from ci_core.serving.remote.client import HttpClient
from ci_core.serving.remote.connection import AnswerLimits
from ci_core.serving.remote.failures import CallError, CallTimeoutError, WordError
from ci_core.serving.remote.headers import header_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_core.serving.functions.split import Segment

logger = logging.getLogger(__name__)

SEGMENTS_PATH: Final = "/segments"
DIGEST_HEADER: Final = "x-graphship-segment"
MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""Of a request or reply: eight times what a client may send as JSON, as arrays of numbers are larger inside."""
_RETRY_AFTER_S: Final = 1.0
_POLL_S: Final = 0.2
_ABOUT_TIMEOUT_S: Final = 2.0
_OK: Final = 200


class FunctionClient:
    """One child function, as its caller sees it.

    Args:
        function: its name.
        url: ``unix:/path`` or ``http://host:port``.
        segments: that are called.

    Attributes:
        models: of its routers, by key; what they read is known once the function is ready.
        reason: why it is not ready yet; empty once it was. A function that ends later is one whose calls fail, and no
            reason to take the whole server out of service.

    Raises:
        FunctionAddressError: the URL is none.
    """

    def __init__(self, function: str, url: str, segments: Sequence[Segment]) -> None:
        self.function = function
        routes = [route for segment in segments for route in segment.spec.routes]
        self.models = {route.key: RemoteModel(route) for route in routes}
        self.reason = "not reached yet"
        self._targets = {segment.name: f"{SEGMENTS_PATH}/{quote(segment.name, safe='')}" for segment in segments}
        self._headers = {segment.name: header_line(DIGEST_HEADER, segment.digest) for segment in segments}
        self._watching: asyncio.Task[None] | None = None
        try:
            self._client = HttpClient(url, limits=AnswerLimits(body_bytes=MESSAGE_BYTES))
        except WordError as error:
            raise FunctionAddressError(function=function, reason=str(error)) from error

    def start(self) -> None:
        """Begin to ask whether the function is ready; on the running loop."""
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def close(self) -> None:
        """Close the connections."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self._client.close()

    async def send(self, segment: Segment, request: bytes, timeout_s: float) -> bytes:
        """Return the reply to a request for a segment.

        Raises:
            DependencyError: there is none.
        """
        name = segment.name
        try:
            answer = await self._client.request(
                "POST",
                self._targets[name],
                timeout_s=timeout_s,
                headers=self._headers[name],
                body=request,
                is_repeatable=False,
            )
        except CallTimeoutError as error:
            raise DependencyTimeoutError(f"the function `{self.function}` did not answer in time") from error
        except CallError as error:
            # it is being restarted, as a rule
            message = f"the function `{self.function}` cannot be reached"
            raise DependencyError(message, retry_after_s=_RETRY_AFTER_S) from error
        if answer.status != _OK:
            logger.warning("call refused function=%s segment=%s status=%d", self.function, name, answer.status)
            message = f"the function `{self.function}` refused the call (status {answer.status})"
            raise DependencyError(message, retry_after_s=_RETRY_AFTER_S)
        return answer.body

    async def _watch(self) -> None:
        while self.reason:
            with contextlib.suppress(CallError, ValueError, KeyError, TypeError):
                answer = await self._client.request("GET", SEGMENTS_PATH, timeout_s=_ABOUT_TIMEOUT_S)
                if answer.status == _OK:
                    self._take(orjson.loads(answer.body))
            await asyncio.sleep(_POLL_S)

    def _take(self, about: dict[str, Any]) -> None:
        """Take note of what the function says about itself."""
        for key, model in self.models.items():
            model.describe(about["models"][key])
        missing = [name for name in self._targets if name not in about["segments"]]
        if missing:
            self.reason = f"serves another release: it has no `{missing[0]}`"
            return
        self.reason = str(about["reason"])
