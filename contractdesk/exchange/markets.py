"""Ready exchanges: a generated one with four perpetuals, a recorded one with its own symbol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from contractdesk.errors import ConfigError
from contractdesk.exchange import captures
from contractdesk.exchange.core import Exchange
from contractdesk.exchange.flow import FlowSettings, GeneratedMarket
from contractdesk.exchange.listings import default_listings
from contractdesk.exchange.playing import marked, repeated
from contractdesk.exchange.recording import RecordedMarket
from contractdesk.exchange.terms import Listing

DEFAULT_FLOW: Mapping[str, FlowSettings] = {
    "BTCUSDT": FlowSettings(opening_price=Decimal("60000")),
    "ETHUSDT": FlowSettings(opening_price=Decimal("3000"), volatility=1.2e-4, level_notional=15_000.0),
    "SOLUSDT": FlowSettings(opening_price=Decimal("150"), volatility=1.6e-4, level_notional=8_000.0),
    "BTCUSD_PERP": FlowSettings(opening_price=Decimal("60000")),
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


def recorded_exchange(
    path: str,
    start_ns: int,
    *,
    speed: Decimal | float = 1,
    history_s: float = 60,
    repeat: bool = False,
    listings: Sequence[Listing] | None = None,
    longest_catch_up_ns: int | None = None,
) -> Exchange:
    """An exchange that lists what ``path`` has recorded: a capture, a pattern or a folder of them.

    The first ``history_s`` seconds are history; then the market opens, at ``start_ns``. At its end it
    stands still, or with ``repeat`` begins again. Without marks it gets some (``playing.marked``).
    ConfigError for a recording that is missing, unreadable or of a symbol without a listing.
    """
    paths = captures.find(path)
    symbol = captures.recorded_symbol(paths[0])
    known = {one.symbol: one for one in (default_listings() if listings is None else listings)}
    if symbol not in known:
        raise ConfigError(f"{paths[0].name} records {symbol}, the exchange lists {', '.join(known)}")
    listing = known[symbol]
    frames = repeated(lambda: captures.frames(paths, listing)) if repeat else captures.frames(paths, listing)
    played = marked(frames, listing.instrument.tick_size)
    market = RecordedMarket(played, start_ns, speed=speed, history_s=history_s)
    return Exchange([listing], {symbol: market}, start_ns, longest_catch_up_ns=longest_catch_up_ns)
