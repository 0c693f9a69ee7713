"""Who uses the desk: starts the strategy, trades a little by hand, halts, resumes, flattens."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from random import Random

from contractdesk.desk.host import DeskHost
from contractdesk.domain.events import (
    FlattenAsked,
    HaltAsked,
    IntentAsked,
    ResumeAsked,
    StrategyStarted,
    StrategyStopped,
)
from contractdesk.domain.instrument import Rounding
from contractdesk.domain.intents import Intent
from contractdesk.domain.orders import OrderRole, OrderStatus
from contractdesk.engine.state import HostStatus, Market
from contractdesk.strategy.intents import enter_long, enter_short, exit_position, move_stop
from contractdesk.strategy.loader import source_of
from tests.simulation.deskside import DeskProcess
from tests.simulation.gambler import Gambler

WHO = "person"
STRATEGY = "gambler"
TRADED, BY_HAND = "BTC/USDT:USDT", "ETH/USDT:USDT"
HALTED_S = (1.5, 4.0)
BETWEEN_ACTS_S = (0.5, 2.2)
EAGER = 0.85


class Person:
    """One for a story; it goes on with whichever desk is open. What it asked for is known to the oracle."""

    def __init__(self, seed: int, random: Random) -> None:
        self._seed = seed
        self._random = random
        self.halted_ns = 0  # when the desk confirmed a halt that still stands; 0: none does
        self.halt_kept = True  # on the disk, so that it outlives a crash
        self.moved_ns: dict[str, int] = {}  # symbol -> when it last named a stop
        self.named: dict[str, Decimal] = {}  # symbol -> which, until another stop has come
        self.acts = 0

    async def live(self, desk: DeskProcess) -> None:
        """Trade, for as long as the desk lives."""
        host = desk.host
        await self.start(desk)
        host.look_at(BY_HAND, "1m", 60)
        while True:
            await asyncio.sleep(self._random.uniform(*BETWEEN_ACTS_S))
            await self.act(desk)
            self.acts += 1

    async def start(self, desk: DeskProcess) -> None:
        """Start the strategy, unless it runs already."""
        host = desk.host
        for symbol in (TRADED, BY_HAND):
            await host.list_symbol(symbol)
        hosted = host.state.strategies.get(STRATEGY)
        if hosted is not None and hosted.status is HostStatus.RUNNING:
            return
        source, digest = source_of(Gambler)
        desk.classes[digest] = Gambler
        host.recorder.source(source)
        await host.ask(
            StrategyStarted(
                ts_ns=desk.clock.now_ns(), who=WHO, strategy_id=STRATEGY, class_name=Gambler.__name__,
                source_hash=digest, params={"seed": self._seed, "eager": EAGER}, symbols=(TRADED,),
                timeframe="1s",
            )
        )  # fmt: skip

    async def act(self, desk: DeskProcess) -> None:
        """One thing that a person does."""
        host, market = desk.host, desk.host.state.symbols[BY_HAND]
        roll = self._random.random()
        if roll < 0.08:
            await self._halt(desk)
        elif roll < 0.14:
            await host.ask(FlattenAsked(ts_ns=desk.clock.now_ns(), who=WHO))
            await asyncio.sleep(self._random.uniform(*HALTED_S))
            await self.resume(desk)
        elif roll < 0.20:
            await self.resume(desk)
        elif market.mark is None:
            return
        elif not market.position.size:
            await self._wish(desk, self._entry(market))
        elif roll < 0.55:
            await self._wish(desk, exit_position(BY_HAND))
        elif roll < 0.75:
            price = self._stop(market, 1 if market.position.size > 0 else -1)
            self.moved_ns[BY_HAND], self.named[BY_HAND] = desk.world.timeline.now_ns, price
            await self._wish(desk, move_stop(BY_HAND, price))
        else:
            await self._wish(desk, self._entry(market))

    async def resume(self, desk: DeskProcess) -> None:
        self.halted_ns = 0
        await desk.host.ask(ResumeAsked(ts_ns=desk.clock.now_ns(), who=WHO))

    async def leave(self, desk: DeskProcess) -> None:
        """The day ends: no strategy, no position, and the desk may trade again."""
        host, now_ns = desk.host, desk.clock.now_ns()
        await host.ask(StrategyStopped(ts_ns=now_ns, who=WHO, strategy_id=STRATEGY))
        await host.ask(FlattenAsked(ts_ns=now_ns, who=WHO))

    async def _halt(self, desk: DeskProcess) -> None:
        """Now, or in the very moment in which an entry is on its way."""
        if self._random.random() < 0.7:
            await desk.host.until(lambda: _entering(desk.host) or None, 2.0)
        await desk.host.ask(HaltAsked(ts_ns=desk.clock.now_ns(), who=WHO, reason="a look"))
        self.halted_ns = desk.world.timeline.now_ns
        self.halt_kept = not (desk.world.disk.hanging or desk.world.disk.failing)
        await asyncio.sleep(self._random.uniform(*HALTED_S))
        await self.resume(desk)

    async def _wish(self, desk: DeskProcess, intent: Intent) -> None:
        await desk.host.ask(IntentAsked(ts_ns=desk.clock.now_ns(), who=WHO, intent=intent))

    def _entry(self, market: Market) -> Intent:
        held = market.position.size
        sign = (1 if held > 0 else -1) if held else self._random.choice((1, -1))
        make = enter_long if sign > 0 else enter_short
        notional = Decimal(self._random.choice((200, 500, 900)))
        return make(BY_HAND, stop=self._stop(market, sign), notional=notional)

    def _stop(self, market: Market, sign: int) -> Decimal:
        assert market.mark is not None
        distance = Decimal(repr(self._random.uniform(0.001, 0.004)))
        return market.instrument.round_price(market.mark * (1 - sign * distance), Rounding.NEAREST)


def _entering(host: DeskHost) -> bool:
    """An entry has been decided and has no answer yet."""
    return any(
        tracked.role is OrderRole.ENTRY and tracked.order.status is OrderStatus.IN_FLIGHT
        for tracked in host.state.orders_by_id.values()
    )


def settled(host: DeskHost) -> bool:
    """Nothing is held, and nothing of ours may still fill."""
    return not any(market.position.size or market.open_ids for market in host.state.symbols.values())
