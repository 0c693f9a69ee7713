"""From a profile to the venue that a desk talks to: the only place that names them."""

from __future__ import annotations

import os

from contractdesk.clock import Clock
from contractdesk.config import Endpoints, Mode, Profile, VenueKind
from contractdesk.desk import embedded
from contractdesk.desk.paths import DeskPaths
from contractdesk.venues.base import Venue
from contractdesk.venues.credentials import Credentials, Secret, load_credentials


def make_venue(profile: Profile, desk: str, paths: DeskPaths, clock: Clock) -> Venue:
    """The venue of a profile, not opened yet. UserError for a missing key or an exchange that fails."""
    if profile.venue is VenueKind.EMBEDDED:
        return _embedded(profile, desk, paths, clock)
    credentials = load_credentials(profile.venue.value, _key_name(profile), os.environ)
    return _binance(clock, credentials, profile.mode, profile.endpoints)


def _embedded(profile: Profile, desk: str, paths: DeskPaths, clock: Clock) -> Venue:
    running = embedded.ensure(paths, profile.market, clock)
    key, secret = f"embedded-key-{desk}", f"embedded-secret-{desk}"
    embedded.open_account(running, key, secret, profile.market)
    credentials = Credentials(account=desk, key=Secret(key), secret=Secret(secret))
    return _binance(clock, credentials, Mode.LIVE, embedded.endpoints(running))


def _key_name(profile: Profile) -> str:
    """A testnet's key is another key, so it has another name."""
    return f"{profile.account}_testnet" if profile.mode is Mode.TESTNET else profile.account


def _binance(clock: Clock, credentials: Credentials, mode: Mode, endpoints: Endpoints | None) -> Venue:
    from contractdesk.venues.binance.venue import BinanceVenue  # ccxt costs a second of import

    raise NotImplementedError(BinanceVenue, clock, credentials, mode, endpoints)
