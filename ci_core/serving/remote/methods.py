"""What is known of HTTP's methods; pure."""

from __future__ import annotations

from typing import Final

METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

WITH_BODY: Final = frozenset({"PATCH", "POST", "PUT"})
"""Methods that usually have a body, and say so when they have none (RFC 9110, section 8.6)."""

IDEMPOTENT: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT"})
"""RFC 9110, section 9.2.2: sent twice they do what they do once. TRACE is not ours to send."""
