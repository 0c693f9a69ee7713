"""Settings are typed, and every error names what is wrong and what there is."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from contractdesk.config import (
    MarketOptions,
    Mode,
    ProductKind,
    Profile,
    Settings,
    VenueKind,
    load_settings,
    profile_of,
)
from contractdesk.desk.opening import account_key
from contractdesk.errors import ConfigError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def test_a_profile_is_typed(tmp_path: Path) -> None:
    settings = load_settings(
        written(
            tmp_path,
            'display_tz = "Europe/Berlin"\n[profiles.main]\nvenue = "binance"\nmode = "testnet"\n'
            'risk = { size_cap = "0.02" }\n[profiles.main.endpoints]\nrest = "http://a"\nstream = "ws://a"\n',
        )
    )
    profile = profile_of("main", "x", "paper", settings)
    assert (profile.venue, profile.mode, profile.label) == (VenueKind.BINANCE, Mode.TESTNET, "TESTNET")
    assert profile.endpoints is not None
    assert profile.risk == {"size_cap": "0.02"}
    assert settings.display_tz == "Europe/Berlin"


def test_a_guardian_is_on_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    assert Settings().guardian.on
    assert (Settings().guardian.uncovered_s, Settings().guardian.covered_s) == (1.5, 10.0)
    settings = load_settings(
        written(tmp_path, "[guardian]\non = false\n[profiles.main]\nguardian = { flatten_s = 600 }\n")
    )
    assert not settings.guardian.on
    chosen = settings.profiles["main"].guardian
    assert chosen is not None
    assert (chosen.on, chosen.flatten_s) == (True, 600)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[guardian]\nalert_s = 0", "guardian"),
        ('[profiles.main]\nvenu = "binance"', "venu"),
        ('[profiles.main]\nmode = "real"', "real"),
        ("not toml", "config.toml"),
        ("[profiles.main.market]\nspeed = 0", "speed"),
        ('[profiles.main]\nsecret = "x"', "secret"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        load_settings(written(tmp_path, text))


def test_no_file_is_no_error_unless_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTRACTDESK_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_settings() == Settings()
    with pytest.raises(ConfigError, match="nowhere"):
        load_settings(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("venue", "mode", "word"), [("kraken", "paper", "binance"), ("binance", "real", "live")]
)
def test_an_unknown_venue_or_mode_lists_what_there_is(venue: str, mode: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        profile_of(venue, "main", mode, Settings())


def test_the_label_says_how_real_the_money_is() -> None:
    assert Profile().label == "EMBEDDED"
    assert [Profile(venue=VenueKind.BINANCE, mode=mode).label for mode in Mode] == [
        "PAPER",
        "TESTNET",
        "LIVE",
    ]


def test_a_profile_says_in_what_its_account_is_kept() -> None:
    coin = Profile(product=ProductKind.COIN_M)
    assert (Profile().margin_asset, Profile().balance) == ("USDT", 10_000)
    assert (coin.margin_asset, coin.balance) == ("BTC", 1)
    ether = Profile(product=ProductKind.COIN_M, asset="ETH", market=MarketOptions(balance=Decimal(30)))
    assert (ether.margin_asset, ether.balance) == ("ETH", 30)
    with pytest.raises(ConfigError, match="coin-m"):
        Profile(asset="BTC")


def test_the_products_of_an_account_are_two_accounts() -> None:
    for venue in VenueKind:
        linear, coin = Profile(venue=venue), Profile(venue=venue, product=ProductKind.COIN_M)
        assert account_key(linear, "x") + ":coin-m" == account_key(coin, "x")


@pytest.mark.parametrize(
    "options", [{"speed": 0}, {"balance": Decimal(0)}, {"idle_limit_s": 1}, {"recording": "/nowhere"}]
)
def test_market_options_have_ranges(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        MarketOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", ""])
def test_a_time_zone_that_does_not_exist_is_said_when_the_settings_are_read(
    tmp_path: Path, zone: str
) -> None:
    with pytest.raises(ConfigError, match="no time zone"):
        load_settings(written(tmp_path, f'display_tz = "{zone}"\n'))
