"""What the tests of an open desk share: a strategy that trades at once, and the exchange's own truth."""

from __future__ import annotations

import json
from typing import Any

from contractdesk.clock import SystemClock
from contractdesk.console.desk import Desk
from contractdesk.desk import embedded
from contractdesk.desk.paths import state_home
from contractdesk.domain.intents import Intent
from contractdesk.strategy import intents
from contractdesk.strategy.base import BarView, Context, Strategy
from contractdesk.strategy.params import Param

BTC = "BTC/USDT:USDT"


class Pendulum(Strategy):
    """Enters at every bar while flat, long and short in turn, and leaves after ``hold`` bars."""

    hold = Param(2, ge=1, le=1000, doc="bars in a position")

    def on_bar(self, bar: BarView, ctx: Context) -> Intent | None:
        position = ctx.position(bar.symbol)
        if position.flat:
            if ctx.entering(bar.symbol):
                return None
            self.state["turn"] = self.state.get("turn", 0) + 1
            self.state["held"] = 0
            enter = intents.enter_long if self.state["turn"] % 2 else intents.enter_short
            return enter(bar.symbol, stop=intents.atr_stop(14, 20))
        self.state["held"] += 1
        return intents.exit_position(bar.symbol) if self.state["held"] >= self.hold else None


class Watcher(Strategy):
    """Subscribes, and wishes nothing."""


def address(desk: Desk) -> str:
    """Of the desk's embedded exchange."""
    running = embedded.find(desk._session.paths.exchange)
    assert running is not None
    return running.address


def end_exchanges() -> None:
    """All that run under the state folder of the moment: they would go on until their idle limit."""
    for folder in state_home().glob("*/exchange"):
        if (running := embedded.find(folder)) is not None:
            embedded.stop(running, SystemClock())


def truth(desk: Desk) -> dict[str, Any]:
    """The exchange's own picture of the desk's account."""
    state = json.loads(embedded.get(address(desk), "/control/state"))
    account: dict[str, Any] = state["accounts"][desk.name]
    return account | {"now_ns": state["now_ns"]}


def walk(desk: Desk, price: str, seconds: float = 0.5) -> None:
    """Lead the generated market of BTC to a price."""
    embedded.post(address(desk), "/control/price", {"symbol": "BTCUSDT", "price": price, "seconds": seconds})


def ready(desk: Desk, symbol: str = BTC) -> None:
    """Wait until the symbol may be traded."""
    desk.wait_for(
        lambda s: symbol in s.symbols and s.symbols[symbol].ready and s.symbols[symbol].book_valid, 30
    )
