"""Numbers and times as the venue writes them: decimals as strings, times in milliseconds."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache

from contractdesk.domain.instrument import Instrument
from contractdesk.exchange.wire.binance.product import product_of

NS_PER_MS = 1_000_000
MONEY = Decimal("0.00000001")
AVERAGE = Decimal("0.00001")

Json = dict[str, object]


class Face:
    """The clock's face that clients see: the exchange's own time, off by an injected shift."""

    def __init__(self) -> None:
        self.shift_ns = 0

    def ms(self, ns: int) -> int:
        """Exchange nanoseconds as the client's milliseconds; 0 ("never") stays 0."""
        return (ns + self.shift_ns) // NS_PER_MS if ns else 0

    def bars(self, length_ns: int) -> Face:
        """The face of bars of that length: a minute begins with its second 0, however a clock is off."""
        face = Face()
        face.shift_ns = round(self.shift_ns / length_ns) * length_ns
        return face

    def ns(self, ms: int) -> int:
        """A client's milliseconds as exchange nanoseconds."""
        return ms * NS_PER_MS - self.shift_ns


def plain(value: Decimal) -> str:
    """Without an exponent and without trailing zeros: ``0``, ``0.1``, ``27000``."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(value: Decimal) -> str:
    """Eight decimals."""
    return f"{value.quantize(MONEY, rounding=ROUND_HALF_EVEN):f}"


def average(value: Decimal) -> str:
    """An average price: at least five decimals, more where the value has them."""
    return f"{value.quantize(AVERAGE):f}" if value == value.quantize(AVERAGE) else money(value)


def price(terms: Instrument, value: Decimal) -> str:
    """On the venue's decimals: those of the tick size, and at USDⓈ-M at least two."""
    return f"{value:.{price_decimals(terms)}f}"


def size(terms: Instrument, value: Decimal) -> str:
    """On the decimals of the lot size."""
    return f"{value:.{decimals(terms.lot_size)}f}"


def level(terms: Instrument, tick: int, lots: int) -> list[str]:
    """One book level."""
    return [price(terms, terms.tick_size * tick), size(terms, terms.lot_size * lots)]


def price_decimals(terms: Instrument) -> int:
    """``pricePrecision``."""
    return max(product_of(terms).least_price_decimals, decimals(terms.tick_size))


@cache
def decimals(step: Decimal) -> int:
    """Digits after the point of a grid step."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
