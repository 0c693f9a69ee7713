"""One exchange with many accounts, and the processes that hold desks on them: its state is the judge."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contractdesk.clock import SystemClock
from contractdesk.config import MarketOptions, Mode, Profile, VenueKind
from contractdesk.desk import embedded
from contractdesk.desk.lock import AccountLock
from contractdesk.desk.opening import account_key, bot_of
from contractdesk.desk.paths import DeskPaths, locks_home
from contractdesk.domain.orders import OrderRole
from contractdesk.engine import client_ids

ROOT = Path(__file__).parents[2]
BTCUSDT = "BTCUSDT"
STOP = 30_000  # far from the market: it never triggers
PATIENCE_S = 60.0


def eventually(holds: Callable[[], bool], what: object = "", within_s: float = PATIENCE_S) -> None:
    """Wait until it holds; AssertionError with ``what`` (called, if it can be) after ``within_s``."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.02)


@contextmanager
def exchange_of_its_own(folder: Path) -> Iterator[Exchange]:
    """One, and a home for desks and settings in ``folder``, for as long as this lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTRACTDESK_STATE", str(folder))
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        exchange = Exchange()
        try:
            yield exchange
        finally:
            exchange.close()


class Exchange:
    """A loopback exchange in a process of its own; a ``Hand`` can trade on it."""

    asset, api = "USDT", "/fapi/v1"

    def __init__(self) -> None:
        self.market = MarketOptions(seed=9, idle_limit_s=60)
        self.running = embedded.ensure(DeskPaths.of("venue"), self.market, SystemClock())

    def close(self) -> None:
        embedded.stop(self.running, SystemClock())

    @property
    def endpoints(self) -> dict[str, str]:
        where = embedded.endpoints(self.running)
        return {"rest": where.rest, "stream": where.stream}

    @property
    def address(self) -> str:
        return self.running.address

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return json.loads(embedded.post(self.address, f"/control/{path}", body))

    def fault(self, kind: str, **fields: Any) -> int:
        return int(self.post("fault", {"kind": kind, **fields})["id"])

    def faults(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(embedded.get(self.address, "/control/fault"))
        return found

    def forgive(self) -> None:
        """What the desks before have used of the venue's limits: they share an address."""
        self.post("limits", {})

    def heal(self) -> None:
        """Remove every fault."""
        request = urllib.request.Request(f"{self.address}/control/fault", method="DELETE")  # noqa: S310
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5):
            pass

    def requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(embedded.get(self.address, "/control/requests?limit=100000"))
        return found

    def account(self, name: str) -> Account:
        return Account(self, name)


class Account:
    """One account of it, its keys, and what the exchange says of it."""

    def __init__(self, venue: Exchange, name: str) -> None:
        self.venue, self.name = venue, name
        venue.forgive()
        self.key, self.secret = f"{name}-canary-key", f"{name}-canary-secret"
        embedded.open_account(venue.running, name, self.key, self.secret, venue.market)
        self.profile = Profile(venue=VenueKind.BINANCE, account=name, mode=Mode.TESTNET)

    @property
    def environment(self) -> dict[str, str]:
        head = f"CONTRACTDESK_BINANCE_{self.name.upper()}_TESTNET"
        return {f"{head}_KEY": self.key, f"{head}_SECRET": self.secret}

    @property
    def bot(self) -> str:
        return bot_of(account_key(self.profile, self.name))

    def prefix(self, epoch: int) -> str:
        """What the client ids of that epoch begin with."""
        return client_ids.make(self.bot, epoch, 0, OrderRole.ENTRY)[:9]

    @property
    def lock(self) -> Path:
        """Of the account; it is there as soon as a desk was."""
        (path,) = locks_home().glob(f"binance-testnet-{self.name}-*.lock")
        return path

    @property
    def epoch(self) -> int:
        """The one in force."""
        return int.from_bytes(self.lock.with_suffix(".epoch").read_bytes()[:8], "big")

    @property
    def truth(self) -> dict[str, Any]:
        state = json.loads(embedded.get(self.venue.address, "/control/state"))
        found: dict[str, Any] = state["accounts"][self.name]
        return found

    @property
    def held(self) -> Decimal:
        return Decimal(self.truth["positions"].get(BTCUSDT, {}).get("size", "0"))

    @property
    def entries(self) -> list[str]:
        return [row["client_id"] for row in self.truth["open_orders"]]

    @property
    def stops(self) -> list[dict[str, Any]]:
        return list(self.truth["open_algo_orders"])

    def stopped(self, size: Decimal, price: int = STOP) -> bool:
        """Exactly one live stop, for exactly so many contracts, reduce-only."""
        found = [
            (Decimal(row["quantity"]), Decimal(row["trigger_price"]), row["reduce_only"])
            for row in self.stops
        ]
        return found == [(abs(size), Decimal(price), True)]

    def sent(self, epoch: int | None = None) -> list[dict[str, Any]]:
        """Creates of this account's desk and its guardians, of one epoch or all."""
        head = client_ids.PREFIX + self.bot if epoch is None else self.prefix(epoch)
        return [
            row
            for row in self.venue.requests()
            if row["client_id"].startswith(head) and row["method"] == "POST"
        ]

    def no_stop_of(self, epoch: int) -> int:
        """From now on stops of that epoch do not reach the exchange."""
        match = {"method": "POST", "role": "stop", "client_id": self.prefix(epoch)}
        return self.venue.fault("drop_request", when="before", count=0, match=match)

    def slow(self, role: str, ms: int, epoch: int | None = None) -> int:
        """Its next create of that role is executed so much later."""
        head = client_ids.PREFIX + self.bot if epoch is None else self.prefix(epoch)
        match = {"method": "POST", "role": role, "client_id": head}
        return self.venue.fault("delay", when="before", ms=ms, match=match)

    def guardian_log(self) -> list[dict[str, Any]]:
        path = DeskPaths.of(self.name).guardian_log
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def codes(self) -> list[str]:
        return [line.get("event", {}).get("code", "") for line in self.guardian_log()]


class Trader:
    """A process that holds the desks of some accounts, as a kernel does."""

    def __init__(self, accounts: dict[Account, dict[str, Any]]) -> None:
        """Each with the options of its guardian."""
        some = next(iter(accounts))
        options = {account.name: guardian or True for account, guardian in accounts.items()}
        told = json.dumps({"endpoints": some.venue.endpoints, "guardians": options})
        environment = dict(os.environ)
        for account in accounts:
            environment |= account.environment
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.desk.guarded_trader", told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        self.answer()
        for account in accounts:
            account.venue.forgive()
            self.ask(f"{account.name} open")
            eventually(lambda name=account.name: self.ask(f"{name} tell")["guardian"] == "watching")  # type: ignore[misc]
        self.epochs = {account.name: account.epoch for account in accounts}
        self.guardians = {account.name: int(self.ask(f"{account.name} tell")["pid"]) for account in accounts}

    def say(self, words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("> "):
                told: dict[str, Any] = json.loads(line[2:])
                return told
        raise AssertionError("the trader has ended")

    def ask(self, words: str) -> dict[str, Any]:
        self.say(words)
        return self.answer()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def end(self) -> None:
        """However the test has gone."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def alive(pid: int) -> bool:
    """A process that runs, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def trading(accounts: dict[str, Account], stories: dict[str, dict[str, Any]]) -> Iterator[Trader]:
    """A process that holds a desk for each story; after it no guardian is left."""
    trader = Trader({accounts[name]: options for name, options in stories.items()})
    try:
        yield trader
    finally:
        trader.end()
        for account in accounts.values():
            supersede(account)


def supersede(account: Account) -> None:
    """A newer owner of the account: whatever guardian is left goes."""
    AccountLock.acquire(account_key(account.profile, account.name), account.name).release()
