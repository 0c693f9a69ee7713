"""How values read on the screen: the instrument's precision, a true minus sign, units that fit."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from contractdesk.domain.instrument import ContractKind, Instrument

NONE = "\u2013"  # an en dash
MINUS = "\u2212"  # as wide as a plus sign
_NS_PER_S = 1_000_000_000


def decimals_of(step: Decimal) -> int:
    """Digits after the point that a grid of ``step`` needs: 1 for 0.1 and 0.5, 2 for 0.25, 0 for 10."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def mantissa_of(step: Decimal) -> int:
    """``step`` as an integer of its last digit: 5 for 0.5, 25 for 0.25, 10 for 10."""
    return int(step.scaleb(decimals_of(step)))


def fixed(value: Decimal | None, places: int) -> str:
    """``12,345.60``; a negative value carries a true minus sign, zero never does."""
    if value is None or not value.is_finite():
        return NONE
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    return f"{abs(rounded):,f}" if rounded >= 0 else f"{MINUS}{abs(rounded):,f}"


def signed(value: Decimal | None, places: int = 2) -> str:
    """Like ``fixed``, with a plus sign where it is positive."""
    text = fixed(value, places)
    return f"+{text}" if text[0].isdigit() and text.strip("0.,") else text


def price(instrument: Instrument, value: Decimal | None) -> str:
    """In quote, to the tick's digits."""
    return fixed(value, decimals_of(instrument.tick_size))


def size(instrument: Instrument, contracts: Decimal | None) -> str:
    """In contracts, to the lot's digits."""
    return fixed(contracts, decimals_of(instrument.lot_size))


def signed_size(instrument: Instrument, contracts: Decimal) -> str:
    return signed(contracts, decimals_of(instrument.lot_size))


def unit(instrument: Instrument) -> str:
    """What a size counts: the base currency where one contract is one of it, else contracts."""
    plain = instrument.kind is ContractKind.LINEAR and instrument.contract_size == 1
    return instrument.base if plain else "contracts"


def cash_places(asset: str) -> int:
    """Digits that an amount of ``asset`` is shown with: cents for stablecoins, 6 for coins."""
    return 2 if asset in {"USDT", "USDC", "USD", "BUSD", "FDUSD"} else 6


def percent(fraction: Decimal | None, places: int = 1) -> str:
    """0.0312 as ``3.1 %``."""
    return NONE if fraction is None else f"{fixed(fraction * 100, places)} %"


def signed_percent(fraction: Decimal | None, places: int = 2) -> str:
    return NONE if fraction is None else f"{signed(fraction * 100, places)} %"


def duration(ms: float) -> str:
    """An age or a lag in the unit that fits: ``3.2 ms``, ``140 ms``, ``2.4 s``, ``7 min``, ``3 h``."""
    if ms != ms or ms < 0 or ms > 1e12:  # NaN is the one value that differs from itself
        return NONE
    if ms < 10:
        return f"{ms:.1f} ms"
    if ms < 1_000:
        return f"{ms:.0f} ms"
    if ms < 120_000:
        return f"{ms / 1_000:.1f} s"
    return f"{ms / 60_000:.0f} min" if ms < 7_200_000 else f"{ms / 3_600_000:.0f} h"


@lru_cache(maxsize=32)
def zone_of(name: str) -> tzinfo:
    """The time zone of a name; UTC for "UTC", whatever the host has installed."""
    return UTC if name == "UTC" else ZoneInfo(name)


def clock(ts_ns: int, zone: tzinfo = UTC, *, millis: bool = False) -> str:
    """``14:03:07`` in ``zone``, with milliseconds on request; a dash for 0, which means never."""
    if ts_ns <= 0:
        return NONE
    text = datetime.fromtimestamp(ts_ns // _NS_PER_S, zone).strftime("%H:%M:%S")
    return f"{text}.{ts_ns % _NS_PER_S // 1_000_000:03d}" if millis else text


def date(ts_ns: int, zone: tzinfo = UTC) -> str:
    return NONE if ts_ns <= 0 else datetime.fromtimestamp(ts_ns // _NS_PER_S, zone).strftime("%Y-%m-%d")


def moment(ts_ns: int, now_ns: int, zone: tzinfo = UTC, *, millis: bool = False) -> str:
    """``clock``, with month and day in front where it is of another day than ``now_ns``."""
    text = clock(ts_ns, zone, millis=millis)
    other = ts_ns > 0 and date(ts_ns, zone) != date(now_ns, zone)
    return f"{date(ts_ns, zone)[5:]} {text}" if other else text


def suffix(ts_ns: int, zone: tzinfo = UTC) -> str:
    """What times around ``ts_ns`` are called in ``zone``: ``UTC``, ``CEST``, ``+0530``."""
    return datetime.fromtimestamp(max(0, ts_ns) // _NS_PER_S, zone).strftime("%Z")


def offset_ns(ts_ns: int, zone: tzinfo = UTC) -> int:
    """How far the clocks of ``zone`` are ahead of UTC at ``ts_ns``."""
    ahead = datetime.fromtimestamp(max(0, ts_ns) // _NS_PER_S, zone).utcoffset()
    return 0 if ahead is None else int(ahead.total_seconds()) * _NS_PER_S
