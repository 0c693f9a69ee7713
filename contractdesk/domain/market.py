"""Public market facts that several events carry: bars, and the packed levels of a book."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from decimal import Decimal
from functools import cache

from msgspec import Struct

NS_PER_S = 1_000_000_000
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Bar(Struct, frozen=True, kw_only=True):
    """Open, high, low, close and volume over [open_ns, open_ns + timeframe)."""

    open_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal  # contracts


@cache
def timeframe_ns(timeframe: str) -> int:
    """Length of a timeframe such as ``1s``, ``5m``, ``4h``, ``1d``; ``ValueError`` for others."""
    count, unit = timeframe[:-1], timeframe[-1:]
    if unit not in _UNIT_S or not count.isdecimal() or int(count) == 0:
        raise ValueError(f"timeframe {timeframe!r} is not a number and one of s, m, h, d")
    return int(count) * _UNIT_S[unit] * NS_PER_S


def as_floats(bar: Bar) -> tuple[float, float, float, float, float]:
    """Open, high, low, close, volume."""
    return (
        as_float(bar.open), as_float(bar.high), as_float(bar.low), as_float(bar.close), as_float(bar.volume),
    )  # fmt: skip


def as_float(amount: Decimal) -> float:
    """``float`` of it, sooner: a quotient of whole numbers is rounded correctly, too."""
    try:
        above, below = amount.as_integer_ratio()
        return above / below
    except (OverflowError, ValueError):  # not a number, not finite, or beyond a float's range
        return float(amount)


def pack_levels(levels: Iterable[tuple[int, int]]) -> bytes:
    """(ticks, lots) pairs as little-endian int64: the form in which levels travel and rest."""
    flat = [number for level in levels for number in level]
    return struct.pack(f"<{len(flat)}q", *flat)


def unpack_levels(packed: bytes) -> list[tuple[int, int]]:
    flat = struct.unpack(f"<{len(packed) // 8}q", packed)
    return list(zip(flat[::2], flat[1::2], strict=True))
