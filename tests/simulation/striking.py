"""Makes a plan's faults happen in a world, each at its time, and counts those that did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from contractdesk.clock import NS_PER_MS, NS_PER_S
from contractdesk.exchange.faults import Cut, Freeze, Installed, Role
from contractdesk.exchange.model import AlgoChanged, Event, ExecutionKind, OrderChanged, Refused, Transfer
from contractdesk.exchange.requests import NewOrder
from contractdesk.exchange.trail import facts_of
from contractdesk.exchange.wire.binance.api import Ask, Reply
from contractdesk.exchange.wire.binance.keys import Owner
from contractdesk.exchange.wire.binance.product import PRODUCTS
from contractdesk.exchange.words import AlgoStatus, OrderType, Side, TimeInForce
from tests.simulation.deskside import ACCOUNT
from tests.simulation.network import Watcher
from tests.simulation.plan import Planned
from tests.simulation.world import World

LONGEST_WAIT_S = 6.0  # for the moment of a crash; then it happens at once


class Strikes(Watcher):
    """Belongs to one world. ``troubled_until_ns``: when the last fault so far is, or will be, over."""

    def __init__(self, world: World, faults: Sequence[Planned], reboot: Callable[[], None]) -> None:
        self._world = world
        self._reboot = reboot
        self._installed: dict[int, Installed] = {}
        self._moments: list[tuple[str, Callable[[], None]]] = []
        self._coming = 0  # crashes that are certain, and have not happened yet
        self.struck: Counter[str] = Counter()
        self.troubled_until_ns = 0
        self.external = False  # something was executed on the account that was not the desk's
        world.network.watchers.append(self)
        world.server.listeners.append(self)
        for planned in faults:
            world.control.call_at(planned.at_s, self._begin, planned)

    def trouble(self, seconds: float) -> None:
        """From now on, for so long, what the desk sees is not what is."""
        until_ns = self._world.timeline.now_ns + int(seconds * NS_PER_S)
        self.troubled_until_ns = max(self.troubled_until_ns, until_ns)

    def lift(self) -> None:
        """All faults cease."""
        self._moments.clear()
        for number in list(self._installed):
            self._remove(number)

    @property
    def waiting(self) -> bool:
        """Some crash is still to come."""
        return bool(self._moments or self._coming)

    @property
    def injected(self) -> int:
        """Faults that have struck, each time counted."""
        return self.struck.total() + sum(row.injected for row in self._installed.values())

    # -- beginning and end -----------------------------------------------------------------

    def _begin(self, planned: Planned) -> None:
        self.trouble(planned.for_s)
        if planned.fault is not None:
            self._install(planned)
        else:
            self._own(planned)

    def _install(self, planned: Planned) -> None:
        server, fault = self._world.server, planned.fault
        assert fault is not None
        server.step()
        row = server.faults.install(fault, server.clock.monotonic_ns())
        self._installed[planned.number] = row
        match fault:
            case Cut():
                row.injected = server.hub.cut(fault.concerns)
            case Freeze():
                row.injected = server.hub.freeze(fault.concerns, planned.for_s)
            case _:
                server.face.shift_ns = server.faults.shift_ns
        if "cut" in planned.terms:
            server.hub.cut(lambda path: path == planned.terms["cut"])
        self.trouble(planned.for_s + planned.terms.get("silent_s", 0.0))
        self._world.control.call_later(planned.for_s, self._remove, planned.number)

    def _remove(self, number: int) -> None:
        row = self._installed.pop(number, None)
        if row is None:
            return
        server = self._world.server
        server.faults.remove(row.id)
        server.face.shift_ns = server.faults.shift_ns
        if row.injected:
            self.struck[str(row.fault.__struct_config__.tag)] += row.injected

    # -- the world's own -------------------------------------------------------------------

    def _own(self, planned: Planned) -> None:
        act = getattr(self, "_" + planned.kind.replace(" ", "_"))
        try:
            act(planned.for_s, **planned.terms)
        except Refused:
            return  # nothing there that it could strike
        if planned.kind not in ("crash", "crash in recovery"):
            self.struck[planned.kind] += 1

    def _stops_expire(self, _: float, symbol: str) -> None:
        self._told(self._world.server.exchange.levers.expire_algos(ACCOUNT, symbol))

    def _listen_key_gone(self, _: float) -> None:
        server = self._world.server
        for product in PRODUCTS:
            key = server.api.listen_keys.close(Owner(ACCOUNT, product.name))
            if key is not None:
                server.hub.end_listen_key(key, server.clock.now_ns())

    def _closed_elsewhere(self, _: float, symbol: str, part: float) -> None:
        """Somebody closes a part of the position, or all of it, by hand and elsewhere."""
        server = self._world.server
        server.step()
        lots = server.exchange._floor.accounts[ACCOUNT].holdings[symbol].lots
        listing = server.exchange.listings[symbol]
        closing = max(1, int(abs(lots) * part * 1.3)) if lots else 0
        order = NewOrder(
            account=ACCOUNT, symbol=symbol, side=Side.SELL if lots > 0 else Side.BUY, type=OrderType.MARKET,
            quantity=listing.quantity(min(closing, abs(lots)) or 1), reduce_only=True, client_id="",
            time_in_force=TimeInForce.GTC,
        )  # fmt: skip
        self._told(server.exchange.handle(order, server.clock.now_ns()).events)
        self.external = True

    def _price_jumps(self, for_s: float, symbol: str, by: float) -> None:
        exchange = self._world.server.exchange
        price = exchange.mark(symbol).mark_price * Decimal(repr(1 + by))
        exchange.levers.walk_to(symbol, price, for_s)

    def _funding(self, _: float, symbol: str, rate: str) -> None:
        server = self._world.server
        server.step()
        self._told(server.exchange.levers.settle_funding(symbol, Decimal(rate)))

    def _transfer(self, _: float, amount: str) -> None:
        server = self._world.server
        server.step()
        ask = Transfer(account=ACCOUNT, asset="USDT", amount=Decimal(amount))
        self._told(server.exchange.handle(ask, server.clock.now_ns()).events)

    def _stall(self, for_s: float) -> None:
        """A C call holds the interpreter."""
        if self._world.desk is not None:
            self._world.desk.loop.stalled_until_ns = self._world.timeline.now_ns + int(for_s * NS_PER_S)

    def _sleep(self, for_s: float) -> None:
        """The host is suspended: its sockets are gone when it wakes."""
        self._stall(for_s)
        self._world.network.down_until_ns = self._world.timeline.now_ns + int(for_s * NS_PER_S)

    def _host_clock_set(self, for_s: float, ms: int) -> None:
        clock = self._world.host_clock
        clock.step(ms * NS_PER_MS)
        self._world.control.call_later(for_s, clock.step, -ms * NS_PER_MS)

    def _disk_hangs(self, for_s: float) -> None:
        self._world.disk.hanging_until_ns = self._world.timeline.now_ns + int(for_s * NS_PER_S)

    def _disk_full(self, for_s: float) -> None:
        self._world.disk.failing_until_ns = self._world.timeline.now_ns + int(for_s * NS_PER_S)

    def _network_down(self, for_s: float) -> None:
        self._world.network.down_until_ns = self._world.timeline.now_ns + int(for_s * NS_PER_S)

    def _told(self, events: Any) -> None:
        self._world.server.publish(events)

    # -- crashes ---------------------------------------------------------------------------

    def _crash(self, down_s: float, moment: str) -> None:
        self._at(moment, lambda: self._die(down_s))

    def _crash_in_recovery(self, down_s: float, moment: str, again_s: float) -> None:
        def twice() -> None:
            self._die(down_s)
            self._certain(down_s + 0.01 + again_s * 0.4, lambda: self._die(down_s))

        self._at(moment, twice)

    def _at(self, moment: str, act: Callable[[], None]) -> None:
        if moment == "now":
            act()
            return
        waiting = (moment, act)
        self._moments.append(waiting)
        self._world.control.call_later(LONGEST_WAIT_S, self._no_longer, waiting)

    def _no_longer(self, waiting: tuple[str, Callable[[], None]]) -> None:
        if waiting in self._moments:
            self._moments.remove(waiting)
            waiting[1]()

    def _came(self, moment: str) -> None:
        for waiting in [each for each in self._moments if each[0] == moment]:
            self._moments.remove(waiting)
            self._certain(0.0, waiting[1])

    def _certain(self, in_s: float, act: Callable[[], None]) -> None:
        def strike() -> None:
            self._coming -= 1
            act()

        self._coming += 1
        self._world.control.call_later(in_s, strike)

    def _die(self, down_s: float) -> None:
        if self._world.desk is None:
            return
        self.trouble(down_s)
        self._world.kill()
        self.struck["crash"] += 1
        self._world.control.call_later(down_s, self._reboot)

    # -- moments ---------------------------------------------------------------------------

    def left(self, ask: Ask) -> None:
        if not self._moments:
            return
        role = facts_of(ask, ask.params()).role
        if role is not Role.OTHER:
            self._came("create left")
        elif ask.method == "DELETE":
            self._came("cancel left")

    def answered(self, ask: Ask, reply: Reply) -> None:
        if self._moments and facts_of(ask, ask.params()).role is not Role.OTHER:
            self._came("create answered")

    def on_events(self, events: Sequence[Event]) -> None:
        if not self._moments:
            return
        for event in events:
            match event:
                case OrderChanged(kind=ExecutionKind.NEW):
                    self._came("create arrived")
                case OrderChanged(kind=ExecutionKind.TRADE):
                    self._came("filled")
                case AlgoChanged(algo=algo) if algo.status is AlgoStatus.NEW:
                    self._came("stop arrived")
