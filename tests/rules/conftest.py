"""One still exchange a module; a desk on an account of its own for whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from tests.rules.venue import Hand, Seat, StillVenue
from tests.unguarded import unguarded

_numbers = count(1)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[StillVenue]:
    """As the module's ``EXCHANGE`` says, where it has one."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTRACTDESK_STATE", str(folder))
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        unguarded(folder)
        still = StillVenue(**getattr(request.module, "EXCHANGE", {}))
        yield still
        still.close()


@pytest.fixture
def seat(venue: StillVenue, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Seat]]:
    """``seat(balance="10000", risk={...})``: a new account and its desk, closed after the test.

    ``there`` is what another client of the account holds already: ``{BTC: Decimal("-0.1")}``.
    """
    opened: list[Seat] = []

    def take(balance: str = "10000", there: Mapping[str, Decimal] | None = None, **options: Any) -> Seat:
        name = f"seat{next(_numbers)}"
        monkeypatch.setenv(f"CONTRACTDESK_BINANCE_{name.upper()}_TESTNET_KEY", f"{name}-key")
        monkeypatch.setenv(f"CONTRACTDESK_BINANCE_{name.upper()}_TESTNET_SECRET", f"{name}-secret")
        venue.admit(name, balance)
        second = Hand(venue, f"{name}-second", name)
        for symbol, size in (there or {}).items():
            second.trade(symbol, "BUY" if size > 0 else "SELL", str(abs(size)))
        since = venue.asked()
        opened.append(Seat(venue, venue.open(name, **options), second, since))
        return opened[-1]

    yield take
    venue.forgive()
    for symbol in venue.symbols:
        venue.thicken(symbol)
        venue.silence(symbol, silent=False)
    for one in opened:
        one.desk.close(leave="flatten")
    venue.restore()
