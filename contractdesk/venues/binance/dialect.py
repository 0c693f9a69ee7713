"""What Binance's status lines, headers and error codes mean.

https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info and /error-code
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import msgspec
from msgspec import Struct

from contractdesk.errors import OutcomeLost, RateLimited, VenueError, VenueRejected, VenueUnreachable
from contractdesk.venues.limits import Usage

DEFAULT_SILENCE_S = {418: 120.0, 429: 10.0}  # where Retry-After is missing
FIREWALL_SILENCE_S = 10.0  # a 403 without a code of the venue's is its web firewall's limit
# The one 503 that says "not executed". "Unknown error, please check your request" may have been executed, and
# so may whatever something between us and the venue answers: its own words, a page, or nothing.
NOT_EXECUTED = "service unavailable"


class Code(IntEnum):
    """Error codes that something here depends on."""

    UNKNOWN = -1000
    DISCONNECTED = -1001
    UNEXPECTED_RESPONSE = -1006  # execution status unknown
    TIMEOUT = -1007  # execution status unknown
    OVERLOADED = -1008  # throttled, not executed; reduce-only orders and cancels are exempt
    BAD_TIMESTAMP = -1021
    BAD_SIGNATURE = -1022
    LISTEN_KEY_GONE = -1125
    CANCEL_REJECTED = -2011
    BAD_KEY_FORMAT = -2014
    BAD_KEY = -2015  # the key, its IP list or its permissions
    NO_SUCH_ORDER = -2013
    WOULD_TRIGGER = -2021  # a conditional order whose trigger the price has passed already
    NO_SUCH_ALGO = -20124
    WOULD_TAKE = -5022  # a post-only order that would not rest
    NO_NEED_TO_CHANGE_MARGIN_TYPE = -4046
    NO_NEED_TO_CHANGE_POSITION_SIDE = -4059
    SYMBOL_CLOSED = -4108  # delivering, settling, closed
    DUPLICATE_CLIENT_ID = -4116
    ONLY_REDUCING = -4140  # "invalid symbol status for opening position"


AMBIGUOUS = frozenset({Code.UNKNOWN, Code.DISCONNECTED, Code.UNEXPECTED_RESPONSE, Code.TIMEOUT})
BAD_KEY = frozenset({Code.BAD_SIGNATURE, Code.BAD_KEY_FORMAT, Code.BAD_KEY})
UNHEARD = frozenset({Code.OVERLOADED, Code.BAD_TIMESTAMP})  # refused before the order itself was looked at
TERMS = frozenset(  # tick, lot, least and largest size, least notional: ours may be old
    {-1111, -4003, -4004, -4005, -4014, -4023, -4164}
)
NOT_TRADING = frozenset({Code.SYMBOL_CLOSED, Code.ONLY_REDUCING})
ABSENT = frozenset({Code.NO_SUCH_ORDER, Code.NO_SUCH_ALGO, Code.CANCEL_REJECTED})


class _Problem(Struct):
    code: int = 0
    msg: str = ""


_problem = msgspec.json.Decoder(_Problem, strict=False)


class BinanceDialect:
    """The venue's words as the caller's duties."""

    def classify(self, status: int, headers: Mapping[str, str], body: str) -> VenueError | None:
        """See ``rest.Dialect``."""
        if status < 400:
            return None
        if status in DEFAULT_SILENCE_S:
            return RateLimited(status, _retry_after_s(headers, DEFAULT_SILENCE_S[status]))
        problem = _read(body)
        if not problem.code and status == 403:
            return RateLimited(status, _retry_after_s(headers, FIREWALL_SILENCE_S))
        if not problem.code:
            return _bare(status, problem.msg)
        if problem.code in AMBIGUOUS:
            return OutcomeLost(f"{status} {problem.code}: {problem.msg}")
        if status >= 500 and problem.code != Code.OVERLOADED:
            return _bare(status, problem.msg)
        return VenueRejected(problem.code, problem.msg)

    def usage(self, headers: Mapping[str, str]) -> Usage:
        """The venue's counters; see ``limits.Usage``."""
        return Usage(
            weight_1m=_count(headers, "x-mbx-used-weight-1m"),
            orders_10s=_count(headers, "x-mbx-order-count-10s"),
            orders_1m=_count(headers, "x-mbx-order-count-1m"),
        )


def _bare(status: int, text: str) -> VenueError:
    """An answer without a code of the venue's: of its gateway, or of something in between."""
    if status == 503 and text.lower().startswith(NOT_EXECUTED):
        return VenueUnreachable(f"HTTP 503: {text[:80]}")
    if status >= 500 or status == 408:
        return OutcomeLost(f"HTTP {status}")
    return VenueRejected(-status, f"HTTP {status}")


def _read(body: str) -> _Problem:
    """Without a code where the venue gave none; ``msg`` is the whole body where it is not JSON."""
    try:
        return _problem.decode(body)
    except msgspec.DecodeError:
        return _Problem(msg=body.strip())


def _retry_after_s(headers: Mapping[str, str], default_s: float) -> float:
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return default_s


def _count(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name, "")
    return int(value) if value.isdecimal() else None
