"""From a profile to the venue that a desk talks to: this and ``custody`` alone name them."""

from __future__ import annotations

import os

from msgspec import Struct

from contractdesk.clock import Clock
from contractdesk.config import Endpoints, Mode, ProductKind, Profile, VenueKind
from contractdesk.desk import embedded
from contractdesk.desk.custody import Permit, place
from contractdesk.desk.guardian_words import Access
from contractdesk.desk.paper import PaperVenue
from contractdesk.desk.paths import DeskPaths
from contractdesk.venues.base import Venue
from contractdesk.venues.credentials import Credentials, Secret, load_credentials


class Connection(Struct, frozen=True):
    """A venue that is not opened yet, and whose account it is: another account recovers nothing."""

    venue: Venue
    account: str  # "" for one that ends with the desk
    access: Access | None = None  # for whoever else must reach the account; None: nobody can


def make_venue(profile: Profile, desk: str, paths: DeskPaths, clock: Clock, permit: Permit) -> Connection:
    """The venue of a profile. UserError for a missing key or an exchange that does not start.

    ``permit`` is asked before everything that is sent but reads.
    """
    if profile.venue is VenueKind.EMBEDDED:
        return _embedded(profile, desk, paths, clock, permit)
    if profile.mode is Mode.PAPER:
        market = _binance(profile, None, clock, profile.endpoints, permit)
        return Connection(PaperVenue(market, clock, profile.balance, profile.margin_asset), "")
    loaded = load_credentials(profile.venue.value, _key_name(profile), os.environ)
    venue = _binance(profile, loaded, clock, profile.endpoints, permit)
    account = f"{profile.venue.value}:{profile.mode.value}:{profile.account}"
    return Connection(venue, account + _wallet(profile), _access(profile, loaded, profile.endpoints))


def _access(profile: Profile, credentials: Credentials, chosen: Endpoints | None) -> Access:
    return Access(
        venue=profile.venue.value,
        mode=profile.mode,
        product=profile.product,
        asset=profile.margin_asset,
        account=credentials.account,
        key=credentials.key.reveal(),
        secret=credentials.secret.reveal(),
        rest_url=chosen.rest if chosen else "",
        stream_url=chosen.stream if chosen else "",
        ephemeral=profile.venue is VenueKind.EMBEDDED,
    )


def _embedded(profile: Profile, desk: str, paths: DeskPaths, clock: Clock, permit: Permit) -> Connection:
    running = embedded.ensure(paths, profile.market, clock)
    key, secret = f"embedded-key-{desk}", f"embedded-secret-{desk}"
    embedded.open_account(running, desk, key, secret, profile.market, profile.margin_asset)
    credentials = Credentials(account=desk, key=Secret(key), secret=Secret(secret))
    where = embedded.endpoints(running)
    venue = _binance(profile, credentials, clock, where, permit)
    account = f"embedded:{desk}:{running.pid}:{running.address}" + _wallet(profile)
    return Connection(venue, account, _access(profile, credentials, where))


def _wallet(profile: Profile) -> str:
    """What tells the coin-m wallets of an account from each other and from the usd-m one, which is ""."""
    return "" if profile.product is ProductKind.USD_M else f":{profile.product.value}:{profile.margin_asset}"


def _key_name(profile: Profile) -> str:
    """A testnet's key is another key, so it has another name."""
    return f"{profile.account}_testnet" if profile.mode is Mode.TESTNET else profile.account


def _binance(
    profile: Profile, credentials: Credentials | None, clock: Clock, chosen: Endpoints | None, permit: Permit
) -> Venue:
    from contractdesk.venues.binance.venue import BinanceVenue  # loads the venue only where it is opened

    product, where = place(profile.product, profile.mode, chosen)
    return BinanceVenue(where, credentials, clock, product=product, asset=profile.margin_asset, permit=permit)
