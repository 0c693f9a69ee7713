"""HMAC-SHA256 over query and body exactly as sent, and the recvWindow rule.

https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info
"""

from __future__ import annotations

import hashlib
import hmac

DEFAULT_WINDOW_MS = 5_000
MAX_WINDOW_MS = 60_000
MAX_AHEAD_MS = 1_000  # a timestamp may run this far ahead of the server's time


def signature(secret: str, payload: str) -> str:
    """Lower-case hex HMAC-SHA256 of ``payload``."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def split_signature(encoded: str) -> tuple[str, str]:
    """``encoded`` without its ``signature`` parameter, and that parameter's value ("" when absent)."""
    kept, found = [], ""
    for part in encoded.split("&") if encoded else ():
        name, _, value = part.partition("=")
        if name == "signature":
            found = value
        else:
            kept.append(part)
    return "&".join(kept), found


def authentic(secret: str, query: str, body: str) -> bool:
    """True when the signature, in the query or in the body, covers query + body as they were sent.

    A mixed request is signed over the plain concatenation, without an ``&`` between the two.
    """
    signed_query, in_query = split_signature(query)
    signed_body, in_body = split_signature(body)
    expected = signature(secret, signed_query + signed_body)
    return hmac.compare_digest(expected, (in_body or in_query).lower())


def timely(timestamp_ms: int, window_ms: int, server_ms: int) -> bool:
    """The venue's rule: not 1 s or more ahead of the server, and not older than the window."""
    return timestamp_ms < server_ms + MAX_AHEAD_MS and server_ms - timestamp_ms <= window_ms
