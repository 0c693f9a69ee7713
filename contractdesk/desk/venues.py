"""From a profile to the venue that a desk talks to: the only place that names them."""

from __future__ import annotations

import os

from contractdesk.clock import Clock
from contractdesk.config import Endpoints, Mode, Profile, VenueKind
from contractdesk.desk import embedded
from contractdesk.desk.paper import PaperVenue
from contractdesk.desk.paths import DeskPaths
from contractdesk.venues.base import Venue
from contractdesk.venues.credentials import Credentials, Secret, load_credentials


def make_venue(profile: Profile, desk: str, paths: DeskPaths, clock: Clock) -> Venue:
    """The venue of a profile, not opened yet. UserError for a missing key or an exchange that fails."""
    if profile.venue is VenueKind.EMBEDDED:
        running = embedded.ensure(paths, profile.market, clock)
        key, secret = f"embedded-key-{desk}", f"embedded-secret-{desk}"
        embedded.open_account(running, desk, key, secret, profile.market)
        credentials = Credentials(account=desk, key=Secret(key), secret=Secret(secret))
        return _binance(clock, credentials, profile.mode, embedded.endpoints(running))
    if profile.mode is Mode.PAPER:
        market = _binance(clock, None, profile.mode, profile.endpoints)
        return PaperVenue(market, clock, profile.market.balance)
    loaded = load_credentials(profile.venue.value, _key_name(profile), os.environ)
    return _binance(clock, loaded, profile.mode, profile.endpoints)


def _key_name(profile: Profile) -> str:
    """A testnet's key is another key, so it has another name."""
    return f"{profile.account}_testnet" if profile.mode is Mode.TESTNET else profile.account


def _binance(clock: Clock, credentials: Credentials | None, mode: Mode, chosen: Endpoints | None) -> Venue:
    from contractdesk.venues.binance import endpoints  # loads the venue only where it is opened
    from contractdesk.venues.binance.venue import BinanceVenue

    if chosen is not None:
        where = endpoints.Endpoints(rest_url=chosen.rest, ws_url=chosen.stream, wallet_url=chosen.rest)
    else:
        where = endpoints.TESTNET if mode is Mode.TESTNET else endpoints.PRODUCTION
    return BinanceVenue(where, credentials, clock)
