"""One cycle: a kernel trades and is killed at a crash point, another opens the desk, the exchange judges."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import kills_judge as judge
from kernels import Kernel
from kills_points import POINTS
from kills_witness import Witness
from msgspec import Struct, field

from contractdesk.clock import SystemClock
from contractdesk.desk import embedded
from contractdesk.desk.lock import AccountLock

CONVERGES_WITHIN_S = 15.0
GIVEN_UP_AFTER_S = 40.0  # what takes longer than it may is still told how long
HOLDS_S = 0.5  # the books stay equal for so long
POLL_S = 0.1
NAME = "kills"
MOST_HELD = 0.2  # BTC; more than that is trimmed before the next cycle
ENTRY = "0.020"
LATE_ARRIVAL_MS = 500.0  # a stop that was on the wire at the kill may so long stand beside its guardian's two
STOP_AWAY = 0.15  # of the price: no stop triggers
TRIES = 8
FIRST_CELL = "import sys; sys.path.insert(0, {here!r}); import kills_desk as kd"

Row = dict[str, Any]


class NeverOpened(Exception):
    """The desk cannot be opened again."""


class Result(Struct, kw_only=True):
    """What one cycle has shown."""

    point: str
    variant: str
    converged_s: float = GIVEN_UP_AFTER_S
    naked_ms: float = 0.0
    stops: int = 0
    duplicates: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # what is open that no desk has opened
    differs: list[str] = field(default_factory=list)  # in the end; empty: it has converged
    refused: list[str] = field(default_factory=list)  # why the desk could not be opened at first


class House:
    """One exchange, one account, one desk; its kernels come and go."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.kernel = self.successor()
        began = time.monotonic()
        opened = self.kernel.run(self.opening())
        self.opens_s = time.monotonic() - began
        if "error" in opened:
            raise SystemExit(opened["error"])
        self.witness = Witness(opened["address"], NAME)
        self.desk_folder = opened["folder"]
        self.opening_balance = Decimal(self.witness.account()["balances"]["USDT"]["wallet"])
        self.sent: set[str] = set()
        self.epochs: set[int] = set()
        self.spares: list[Kernel] = []
        self.stop = 0.0
        self.buys = True

    def opening(self) -> str:
        return f"kd.start({self.seed})"

    def successor(self) -> Kernel:
        """A kernel of its own that is ready to open the desk."""
        with (self.folder / "kernels.log").open("ab") as log:
            made = Kernel(self.folder, log)
        made.ready()
        made.run(FIRST_CELL.format(here=str(Path(__file__).parent)))
        return made

    def end(self) -> None:
        """Kill its kernels, end its exchange."""
        for kernel in (self.kernel, *self.spares):
            kernel.kill()
            kernel.bury()
        AccountLock.acquire(f"embedded:{NAME}", NAME).release()  # whatever guardian is left goes
        running = embedded.find(Path(self.desk_folder) / "exchange")
        if running is not None:
            embedded.stop(running, SystemClock())


class Cycle:
    """A ``kills_points.Scene``."""

    def __init__(self, house: House, point: str, random: Random) -> None:
        self.house = house
        self.point = point
        self.random = random
        self.witness = house.witness
        self.kernel = house.kernel
        self.size = ENTRY
        self.variant = ""
        self.states: tuple[str, ...] = ("ACTIVE",)
        self.wishes = 0
        self.told: Row = {}
        self.refused: list[str] = []  # why the desk could not be opened, each time
        self._quiet_s = 0.0
        self._since_ns = 0

    # -- what a crash point needs --------------------------------------------------------------

    @property
    def buys(self) -> bool:
        return self.house.buys

    @property
    def recovers_s(self) -> float:
        return self.house.opens_s * 1.2

    def entry(self, *, limit: float | None = None, size: str | None = None) -> str:
        self.wishes += 1
        verb = "buy" if self.house.buys else "sell"
        more = "" if limit is None else f", limit={limit}"
        return f"kd.act({verb!r}, kd.BTC, size={size or self.size!r}, stop={self.house.stop}{more})"

    def moved(self) -> str:
        self.house.stop += 10 if self.house.buys else -10
        return f"kd.act('move_stop', kd.BTC, {self.house.stop})"

    def quiet_after(self, ms: float) -> None:
        self._quiet_s = max(self._quiet_s, time.monotonic() + ms / 1000)

    def successor(self) -> Kernel:
        return self.house.spares.pop() if len(self.house.spares) > 1 else self.house.successor()

    def opening(self) -> str:
        return self.house.opening()

    # -- the cycle -----------------------------------------------------------------------------

    def run(self) -> Result:
        """NeverSeen where the crash point was not reached."""
        self.witness.begin()
        if not self.house.spares:
            self.house.spares.append(self.house.successor())
        self._since_ns = self.witness.account()["now_ns"]
        self._hold()
        self.witness.mark()
        POINTS[self.point](self)
        self.kernel.bury()
        self.witness.heal()
        time.sleep(self.random.choice((0.0, 0.0, self.random.uniform(0.2, 2.5))))
        self.kernel = self.house.kernel = self.house.spares.pop()
        return self._judged(self._reopened())

    def _hold(self) -> None:
        """A position under its stop; the desk and the exchange agree."""
        self._say("kd.ready()")
        if self.told["state"] != "ACTIVE":
            self._act("kd.act('resume')")
        size = judge.held(self.witness.account())
        if abs(size) > MOST_HELD:
            self._act(f"kd.act('close_position', kd.BTC, size='{abs(size) - Decimal(ENTRY)}')")
        elif not size:
            self.house.buys = self.random.random() < 0.5
            mark = float(self.told["positions"][judge.SYMBOL]["mark"])
            self.house.stop = round(mark * (1 - STOP_AWAY if self.house.buys else 1 + STOP_AWAY))
            self._act(self.entry())
        end = time.monotonic() + CONVERGES_WITHIN_S
        while self._differences():
            if time.monotonic() > end:
                raise SystemExit(f"no cycle can begin: {self._differences()}")
            time.sleep(POLL_S)

    def _act(self, cell: str) -> None:
        """Again where an entry is refused, for a feed that is late on a busy machine."""
        for _ in range(TRIES):
            answer = self.kernel.run(cell)
            if answer["done"]:
                return
            time.sleep(0.5)
        raise SystemExit(f"{cell}: {answer['said']}")

    def _reopened(self) -> float:
        """Seconds from the cell that opens the desk again to when it agrees with the exchange for good."""
        began = time.monotonic()
        while "error" in (opened := self.kernel.run(self.house.opening())):
            self.refused.append(opened["error"])
            if time.monotonic() - began > GIVEN_UP_AFTER_S:
                raise NeverOpened(opened["error"])
        self.house.opens_s = time.monotonic() - began
        equal = 0.0
        while True:
            now = time.monotonic()
            equal = 0.0 if self._differences() else equal or now
            if equal and now - equal >= HOLDS_S and now >= self._quiet_s:
                return equal - began
            if now - began > GIVEN_UP_AFTER_S:
                return now - began
            time.sleep(POLL_S)

    def _say(self, cell: str) -> None:
        self.told = self.kernel.run(cell)
        self.house.epochs.add(self.told["epoch"])

    def _differences(self) -> list[str]:
        self._say("kd.tell()")
        opening = self.house.opening_balance
        return judge.differences(self.witness.account(), self.told, opening, self.states, self._since_ns)

    # -- the verdict ---------------------------------------------------------------------------

    def _judged(self, converged_s: float) -> Result:
        account, rows, since_ns = self.witness.account(), self.witness.rows(), self._since_ns
        result = Result(
            point=self.point,
            variant=self.variant,
            converged_s=converged_s,
            naked_ms=judge.longest_naked_ms(account, since_ns),
            stops=judge.most_stops(account, rows, since_ns, LATE_ARRIVAL_MS),
            duplicates=judge.duplicates(rows, self.house.sent, account, since_ns, self.wishes),
            lost=judge.lost_fills(account, self.told, since_ns),
            others=judge.opened_by_others(rows, self.house.epochs),
            differs=self._differences(),
            refused=self.refused,
        )
        self.house.sent |= judge.sent(rows)
        return result

    def evidence(self, path: Path, result: Result | None) -> None:
        """What there is to look at where something is violated."""
        path.parent.mkdir(parents=True, exist_ok=True)
        account = self.witness.account()
        recent = {
            name: [
                row for row in account[name] if row.get("created_ns", row.get("ts_ns", 0)) >= self._since_ns
            ]
            for name in ("orders", "algo_orders", "fills")
        }
        found = {
            "result": None
            if result is None
            else {name: getattr(result, name) for name in Result.__struct_fields__},
            "since_ns": self._since_ns,
            "told": self.told,
            "positions": account["positions"],
            **recent,
            "requests": [row for row in self.witness.rows() if row["method"] != "GET"],
        }
        path.write_text(json.dumps(found, indent=1))
