"""How a remote step can be written wrongly, and how one attempt to call a service can fail."""

from __future__ import annotations


class WordError(Exception):
    """A word of a remote step makes no sense; the text follows "the step"."""


class CallError(Exception):
    """A call has no answer.

    Attributes:
        may_have_arrived: whether the service may have seen the request; False proves that it did not.
        may_pass: whether the same call may succeed a moment later.
    """

    may_have_arrived = True
    may_pass = True


class NotConnectedError(CallError):
    """No connection could be opened, so nothing was sent."""

    may_have_arrived = False

    def __init__(self, reason: str, *, may_pass: bool = True) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


class ConnectionLostError(CallError):
    """The connection ended before the answer was complete.

    Attributes:
        has_begun: whether some of the answer had come.
    """

    def __init__(self, *, has_begun: bool, may_have_arrived: bool = True) -> None:
        self.has_begun, self.may_have_arrived = has_begun, may_have_arrived
        super().__init__("the connection was closed " + ("in the middle of the answer" if has_begun else "unanswered"))


class MalformedAnswerError(CallError):
    """What came back is no answer that we take: no HTTP/1.1, or too large."""

    may_pass = False


class CallTimeoutError(CallError):
    """The answer was not complete in time."""

    def __init__(self, *, may_have_arrived: bool) -> None:
        self.may_have_arrived = may_have_arrived
        super().__init__("no answer in time" if may_have_arrived else "no connection in time")
