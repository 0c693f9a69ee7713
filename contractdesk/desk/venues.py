"""From a profile to the venue that a desk talks to: the only place that names them."""

from __future__ import annotations

import os

from msgspec import Struct

from contractdesk.clock import Clock
from contractdesk.config import Endpoints, Mode, Profile, VenueKind
from contractdesk.desk import embedded
from contractdesk.desk.paper import PaperVenue
from contractdesk.desk.paths import DeskPaths
from contractdesk.venues.base import Venue
from contractdesk.venues.credentials import Credentials, Secret, load_credentials


class Connection(Struct, frozen=True):
    """A venue that is not opened yet, and whose account it is: another account recovers nothing."""

    venue: Venue
    account: str  # "" for one that ends with the desk


def make_venue(profile: Profile, desk: str, paths: DeskPaths, clock: Clock) -> Connection:
    """The venue of a profile. UserError for a missing key or an exchange that does not start."""
    if profile.venue is VenueKind.EMBEDDED:
        return _embedded(profile, desk, paths, clock)
    if profile.mode is Mode.PAPER:
        market = _binance(clock, None, profile.mode, profile.endpoints)
        return Connection(PaperVenue(market, clock, profile.market.balance), "")
    loaded = load_credentials(profile.venue.value, _key_name(profile), os.environ)
    venue = _binance(clock, loaded, profile.mode, profile.endpoints)
    return Connection(venue, f"{profile.venue.value}:{profile.mode.value}:{profile.account}")


def _embedded(profile: Profile, desk: str, paths: DeskPaths, clock: Clock) -> Connection:
    running = embedded.ensure(paths, profile.market, clock)
    key, secret = f"embedded-key-{desk}", f"embedded-secret-{desk}"
    embedded.open_account(running, desk, key, secret, profile.market)
    credentials = Credentials(account=desk, key=Secret(key), secret=Secret(secret))
    venue = _binance(clock, credentials, profile.mode, embedded.endpoints(running))
    return Connection(venue, f"embedded:{desk}:{running.pid}:{running.address}")


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
