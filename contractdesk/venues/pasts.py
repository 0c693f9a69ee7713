"""From a venue's name to its past: the only place that names them."""

from __future__ import annotations

from urllib.parse import urlsplit

from contractdesk.clock import Clock
from contractdesk.errors import UserError
from contractdesk.venues.past import Past

VENUES = ("binance",)


def past_of(venue: str, symbol: str, clock: Clock, base_url: str | None = None) -> Past:
    """The history of the venue that lists ``symbol``; not opened yet.

    ``base_url`` is another place that speaks the venue's protocol. UserError for a venue without one.
    """
    if venue not in VENUES:
        raise UserError(
            f"no history is fetched from {venue!r}, only from {', '.join(VENUES)}: download the venue's "
            "dumps, and use contractdesk import"
        )
    from contractdesk.venues.binance import endpoints  # loads a venue only where it is asked
    from contractdesk.venues.binance.past import BinancePast
    from contractdesk.venues.binance.product import COINM, USDM

    product = COINM if _settles_in_coin(symbol) else USDM
    where = product.production if base_url is None else endpoints.at(_checked(base_url))
    return BinancePast(where, product, clock)


def _settles_in_coin(symbol: str) -> bool:
    """By either of its names: ``BTC/USD:BTC``, ``BTCUSD_PERP``, ``BTCUSD_261225``."""
    pair, _, settle = symbol.partition(":")
    quote = pair.partition("/")[2]
    if quote:
        return bool(settle) and settle.partition("-")[0] != quote
    return pair.upper().partition("_")[0].endswith("USD")


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{url!r} is no base URL: give one such as http://127.0.0.1:9800")
    return url
