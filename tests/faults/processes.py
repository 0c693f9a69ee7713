"""Desks in processes of their own on the exchange of the scenario, and what the exchange says of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.rules.venue import Hand, Seat, StillVenue, eventually

DIES_S = 60.0


class Trader:
    """One process; ``ask`` waits for its answer."""

    def __init__(self, name: str, url: str, point: str = "") -> None:
        wish = json.dumps({"name": name, "url": url, "point": point})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.trader", wish],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def hear(self) -> dict[str, Any]:
        """Its next answer, past what it tells a person; AssertionError with its last words at its end."""
        assert self.process.stdout is not None
        for line in iter(self.process.stdout.readline, ""):
            if line.startswith("{"):
                said: dict[str, Any] = json.loads(line)
                return said
        assert self.process.stderr is not None
        raise AssertionError(f"it has ended: {self.process.stderr.read()[-2_000:]}")

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def ask(self, command: str) -> dict[str, Any]:
        self.tell(command)
        return self.hear()

    def killed(self) -> bool:
        """Wait for its end; True where that was SIGKILL."""
        return self.process.wait(DIES_S) == -9

    def end(self) -> None:
        """At whatever it is."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DIES_S)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


def does(trader: Trader, command: str, within_s: float = 20.0) -> None:
    """It does that, at once or as soon as it may: what is unknown counts, and marks have to come."""
    eventually(lambda: trader.ask(command), lambda said: said["done"], within_s)


class Outside(Seat):
    """An account whose desks live in processes of their own."""

    def __init__(self, venue: StillVenue, name: str) -> None:
        venue.admit(name, "10000")
        self.venue = venue
        self.name = name
        self.second = Hand(venue, f"{name}-second", name)
        self._since = venue.asked()
        self._traders: list[Trader] = []

    def trader(self, point: str = "") -> Trader:
        """A new process with a desk; it is open once it says so."""
        self._traders.append(Trader(self.name, self.venue.address, point))
        return self._traders[-1]

    def opened(self, point: str = "") -> Trader:
        trader = self.trader(point)
        assert trader.hear() == {"open": True}
        return trader

    def end(self) -> None:
        for trader in self._traders:
            trader.end()


@contextmanager
def outside(venue: StillVenue, patch: pytest.MonkeyPatch, name: str) -> Iterator[Outside]:
    """An account, and the keys to it in the environment of whoever is started."""
    patch.setenv(f"CONTRACTDESK_BINANCE_{name.upper()}_TESTNET_KEY", f"{name}-key")
    patch.setenv(f"CONTRACTDESK_BINANCE_{name.upper()}_TESTNET_SECRET", f"{name}-secret")
    at = Outside(venue, name)
    try:
        yield at
    finally:
        at.end()
