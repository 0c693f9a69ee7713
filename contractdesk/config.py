"""Typed settings from a TOML file. Secrets never stand in it: they come from the keyring or the environment.

::

    display_tz = "Europe/Berlin"

    [profiles.main]
    venue = "binance"
    account = "main"
    mode = "testnet"
    risk = { size_cap = "0.02" }
    guardian = { flatten_s = 600 }

    [profiles.coin]
    venue = "binance"
    product = "coin-m"
    asset = "ETH"

    [profiles.lab.endpoints]
    rest = "http://127.0.0.1:8001"
    stream = "ws://127.0.0.1:8001"
"""

from __future__ import annotations

import glob
import os
from decimal import Decimal
from enum import Enum
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Struct

from contractdesk.errors import ConfigError


class Mode(Enum):
    """How real the money is."""

    PAPER = "paper"
    TESTNET = "testnet"
    LIVE = "live"


class VenueKind(Enum):
    """The venues that a desk can open."""

    EMBEDDED = "embedded"  # the loopback exchange, in a process of its own
    BINANCE = "binance"


class ProductKind(Enum):
    """Which contracts of a venue a desk trades, and so in which currency its account is kept."""

    USD_M = "usd-m"  # linear, margined in USDT
    COIN_M = "coin-m"  # inverse, margined in their coin


MARGIN_ASSETS = {ProductKind.USD_M: "USDT", ProductKind.COIN_M: "BTC"}  # unless another is asked for
BALANCES = {"USDT": Decimal(10_000)}  # of made-up accounts; of any other asset one


class Endpoints(Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses that replace the venue's own, without a path."""

    rest: str
    stream: str


class MarketOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The market of the embedded exchange: generated from a seed, or a recording."""

    seed: int = 7
    recording: str = ""
    speed: float = 1.0
    start: float = 60.0  # seconds of the recording that are history when the market opens
    repeat: bool = False  # begin the recording again at its end, instead of standing still
    balance: Decimal | None = None  # in the margin asset; None: 10,000 USDT, or one coin
    idle_limit_s: float = 600.0
    fresh: bool = False  # end the exchange that runs, with all its accounts, and begin anew

    def opening_balance(self, asset: str) -> Decimal:
        """What an account that is kept in ``asset`` begins with."""
        return BALANCES.get(asset, Decimal(1)) if self.balance is None else self.balance

    def __post_init__(self) -> None:
        if not 0 < self.speed <= 1000:
            raise ConfigError(f"speed={self.speed}: must lie between 0 (excluded) and 1000")
        if self.balance is not None and self.balance <= 0:
            raise ConfigError(f"balance={self.balance}: must be positive")
        if self.idle_limit_s < 5:
            raise ConfigError(f"idle_limit_s={self.idle_limit_s}: must be at least 5")
        if self.recording and not glob.glob(self.recording):  # noqa: PTH207  # an absolute pattern
            raise ConfigError(f"recording {self.recording!r} names no file, folder or pattern of files")


class GuardianOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The process that protects what a desk leaves uncovered when it falls silent; times in seconds."""

    on: bool = True
    uncovered_s: float = 1.5  # of silence, while a fill has no stop or an entry is on the wire
    covered_s: float = 10.0  # of silence, else
    alert_s: float = 60.0  # alone for so long: somebody is told
    flatten_s: float | None = None  # alone for so long: the desk's positions are closed; None: never

    def __post_init__(self) -> None:
        times = (self.uncovered_s, self.covered_s, self.alert_s, self.flatten_s)
        if any(seconds is not None and not 0 < seconds <= 86_400 for seconds in times):
            raise ConfigError("guardian: times are seconds, more than 0 and at most a day")
        if self.uncovered_s > self.covered_s:
            raise ConfigError("guardian: uncovered_s must not be longer than covered_s")


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account on one venue, and how the desk treats it."""

    venue: VenueKind = VenueKind.EMBEDDED
    account: str = "main"
    mode: Mode = Mode.PAPER
    product: ProductKind = ProductKind.USD_M
    asset: str = ""  # the coin whose account a coin-m desk trades; "": BTC
    endpoints: Endpoints | None = None
    market: MarketOptions = MarketOptions()
    risk: dict[str, str | int | float | bool] = {}
    guardian: GuardianOptions | None = None  # None: as the settings say

    def __post_init__(self) -> None:
        if self.asset and self.product is ProductKind.USD_M:
            raise ConfigError(f'asset={self.asset!r} goes with product="coin-m": a usd-m account is in USDT')

    @property
    def margin_asset(self) -> str:
        """In what the account is kept."""
        return self.asset or MARGIN_ASSETS[self.product]

    @property
    def balance(self) -> Decimal:
        """What an embedded or a paper account begins with, in the margin asset."""
        return self.market.opening_balance(self.margin_asset)

    @property
    def label(self) -> str:
        """What every panel and repr says: EMBEDDED, PAPER, TESTNET or LIVE."""
        return "EMBEDDED" if self.venue is VenueKind.EMBEDDED else self.mode.name


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file; every entry has a default, so that there need not be one."""

    display_tz: str = "UTC"
    guardian: GuardianOptions = GuardianOptions()  # of profiles that do not say otherwise
    profiles: dict[str, Profile] = {}

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.display_tz)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            if self.display_tz != "UTC":
                raise ConfigError(
                    f"display_tz={self.display_tz!r} is no time zone: take a name such as Europe/Berlin"
                ) from error


def settings_path() -> Path:
    """``CONTRACTDESK_CONFIG``, or ``$XDG_CONFIG_HOME/contractdesk/config.toml``."""
    if chosen := os.environ.get("CONTRACTDESK_CONFIG"):
        return Path(chosen)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "contractdesk" / "config.toml"


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings; ``ConfigError`` says which entry is wrong. A missing default file is no error."""
    chosen = path or settings_path()
    if not chosen.exists():
        if path is not None or "CONTRACTDESK_CONFIG" in os.environ:
            raise ConfigError(f"no settings file at {chosen}")
        return Settings()
    try:
        return msgspec.toml.decode(chosen.read_bytes(), type=Settings)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{chosen}: {error}") from error


def profile_of(venue: str, account: str, mode: str, settings: Settings) -> Profile:
    """The profile that is called ``venue``, or a plain one; ``ConfigError`` names what there is."""
    if (found := settings.profiles.get(venue)) is not None:
        return found
    wish = {"venue": venue, "account": account, "mode": mode}
    if venue not in [kind.value for kind in VenueKind]:
        known = ", ".join([kind.value for kind in VenueKind] + sorted(settings.profiles))
        raise ConfigError(f"venue {venue!r} is not known; there are: {known}")
    if mode not in [kind.value for kind in Mode]:
        raise ConfigError(f'mode {mode!r} is not known; there are "paper", "testnet" and "live"')
    return msgspec.convert(wish, type=Profile)
