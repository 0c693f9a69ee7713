"""Ready exchanges: a generated one with three perpetuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from contractdesk.exchange.core import Exchange
from contractdesk.exchange.flow import FlowSettings, GeneratedMarket
from contractdesk.exchange.listings import default_listings
from contractdesk.exchange.terms import Listing

DEFAULT_FLOW: Mapping[str, FlowSettings] = {
    "BTCUSDT": FlowSettings(opening_price=Decimal("60000")),
    "ETHUSDT": FlowSettings(opening_price=Decimal("3000"), volatility=1.2e-4, level_notional=15_000.0),
    "SOLUSDT": FlowSettings(opening_price=Decimal("150"), volatility=1.6e-4, level_notional=8_000.0),
}


def generated_exchange(
    seed: int,
    start_ns: int,
    *,
    listings: Sequence[Listing] | None = None,
    flow: Mapping[str, FlowSettings] = DEFAULT_FLOW,
    longest_catch_up_ns: int | None = None,
) -> Exchange:
    """An exchange whose markets are generated from ``seed`` and open at ``start_ns``."""
    listed = default_listings() if listings is None else tuple(listings)
    markets = {
        listing.symbol: GeneratedMarket(listing, flow[listing.symbol], seed, start_ns) for listing in listed
    }
    return Exchange(listed, markets, start_ns, longest_catch_up_ns=longest_catch_up_ns)
