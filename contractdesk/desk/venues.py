"""From a profile to the venue that a desk talks to: the only place that names them."""

from __future__ import annotations

import os

from msgspec import Struct

from contractdesk.clock import Clock
from contractdesk.config import Endpoints, Mode, ProductKind, Profile, VenueKind
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
        market = _binance(profile, None, clock, profile.endpoints)
        return Connection(PaperVenue(market, clock, profile.balance, profile.margin_asset), "")
    loaded = load_credentials(profile.venue.value, _key_name(profile), os.environ)
    venue = _binance(profile, loaded, clock, profile.endpoints)
    account = f"{profile.venue.value}:{profile.mode.value}:{profile.account}"
    return Connection(venue, account + _wallet(profile))


def _embedded(profile: Profile, desk: str, paths: DeskPaths, clock: Clock) -> Connection:
    running = embedded.ensure(paths, profile.market, clock)
    key, secret = f"embedded-key-{desk}", f"embedded-secret-{desk}"
    embedded.open_account(running, desk, key, secret, profile.market, profile.margin_asset)
    credentials = Credentials(account=desk, key=Secret(key), secret=Secret(secret))
    venue = _binance(profile, credentials, clock, embedded.endpoints(running))
    return Connection(venue, f"embedded:{desk}:{running.pid}:{running.address}" + _wallet(profile))


def _wallet(profile: Profile) -> str:
    """What tells the coin-m wallets of an account from each other and from the usd-m one, which is ""."""
    return "" if profile.product is ProductKind.USD_M else f":{profile.product.value}:{profile.margin_asset}"


def _key_name(profile: Profile) -> str:
    """A testnet's key is another key, so it has another name."""
    return f"{profile.account}_testnet" if profile.mode is Mode.TESTNET else profile.account


def _binance(
    profile: Profile, credentials: Credentials | None, clock: Clock, chosen: Endpoints | None
) -> Venue:
    from contractdesk.venues.binance import endpoints  # loads the venue only where it is opened
    from contractdesk.venues.binance.product import COINM, USDM
    from contractdesk.venues.binance.venue import BinanceVenue

    product = COINM if profile.product is ProductKind.COIN_M else USDM
    if chosen is not None:
        where = endpoints.Endpoints(rest_url=chosen.rest, ws_url=chosen.stream, wallet_url=chosen.rest)
    else:
        where = product.testnet if profile.mode is Mode.TESTNET else product.production
    return BinanceVenue(where, credentials, clock, product=product, asset=profile.margin_asset)
