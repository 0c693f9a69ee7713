"""The exchange's own truth, event by event: what is the desk's, what is somebody else's, what guards it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from contractdesk.exchange.model import AlgoOrder, Event, Fill, OrderChanged, Side
from contractdesk.exchange.server import Server
from contractdesk.exchange.words import AlgoType
from tests.simulation.deskside import ACCOUNT, BOT

ZERO = Decimal(0)
OWN = f"cd{BOT}"
STOP, ENTRY = "s", "e"  # the role's letter in an id of the desk's
ROLE_AT = 16


class Books:
    """By the venue's symbol. ``own`` plus ``external`` is the account's position."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.own: dict[str, Decimal] = dict.fromkeys(server.exchange.listings, ZERO)
        self.external: dict[str, Decimal] = dict.fromkeys(server.exchange.listings, ZERO)
        self.changed_ns: dict[str, int] = dict.fromkeys(server.exchange.listings, 0)
        self.opened_ns: dict[str, int] = dict.fromkeys(server.exchange.listings, 0)
        self.closed_ns: dict[str, int] = dict.fromkeys(server.exchange.listings, 0)  # the one before
        self.fills = 0
        self.flips: list[Fill] = []  # by which a closing order of the desk's has turned the position over

    def on_events(self, events: Sequence[Event], now_ns: int) -> bool:
        """Take in what happened; True when a position has changed."""
        moved = False
        for event in events:
            if isinstance(event, OrderChanged) and event.fill is not None and event.fill.account == ACCOUNT:
                self._book(event.fill, now_ns)
                moved = True
        return moved

    def size(self, symbol: str) -> Decimal:
        """The account's position as the core has it."""
        lots = self._server.exchange._floor.accounts[ACCOUNT].holdings[symbol].lots
        return (
            self._server.exchange.listings[symbol].quantity(lots)
            if lots >= 0
            else -(self._server.exchange.listings[symbol].quantity(-lots))
        )

    def stops(self, symbol: str) -> list[AlgoOrder]:
        """Live protective stops of the desk's position, on its closing side."""
        side = Side.SELL if self.own[symbol] > 0 else Side.BUY
        return [
            algo
            for algo in self._server.exchange.open_algos(ACCOUNT, symbol)
            if algo.side is side
            and algo.type is AlgoType.STOP_MARKET
            and (algo.reduce_only or algo.close_position)
        ]

    def of_this_position(self, symbol: str, sent_ns: int, told_ns: int) -> bool:
        """What was sent then was meant for the position there is, not for one that it followed at once.

        News need up to ``told_ns``: until then whoever sends may still mean the one before.
        """
        opened_ns = self.opened_ns[symbol]
        followed = opened_ns - self.closed_ns[symbol] < told_ns
        return sent_ns >= opened_ns + (told_ns if followed else 0)

    def covered(self, symbol: str) -> bool:
        """Every contract of the desk's stands under a stop."""
        stops = self.stops(symbol)
        whole = any(algo.close_position for algo in stops)
        return whole or sum((algo.quantity for algo in stops), ZERO) >= abs(self.own[symbol])

    def split_anew(self, symbol: str, own: Decimal, external: Decimal) -> None:
        """The same position, of which another part is the desk's."""
        assert own + external == self.own[symbol] + self.external[symbol]
        self.own[symbol], self.external[symbol] = own, external
        self.opened_ns[symbol] = self.changed_ns[symbol]

    def _book(self, fill: Fill, now_ns: int) -> None:
        symbol, signed = fill.symbol, fill.quantity * fill.side.sign
        self.fills += 1
        self.changed_ns[symbol] = now_ns
        before = self.own[symbol]
        if is_own(fill.client_id):
            self.own[symbol] += signed
            self._net(symbol)
            if before * self.own[symbol] < 0 and role_of(fill.client_id) != ENTRY:
                self.flips.append(fill)
        else:
            self._foreign(symbol, signed)
        if before and before * self.own[symbol] <= 0:
            self.closed_ns[symbol] = now_ns
        if before * self.own[symbol] <= 0:
            self.opened_ns[symbol] = now_ns

    def _net(self, symbol: str) -> None:
        """The account has one position: what the desk opens against somebody else's closes that."""
        gone = _closing(self.own[symbol], self.external[symbol])
        self.own[symbol] += gone
        self.external[symbol] -= gone

    def _foreign(self, symbol: str, signed: Decimal) -> None:
        """Somebody else's execution first closes what is external, then what is the desk's."""
        for held in (self.external, self.own):
            closing = _closing(held[symbol], signed)
            held[symbol] += closing
            signed -= closing
        self.external[symbol] += signed


def is_own(client_id: str) -> bool:
    return client_id.startswith(OWN)


def role_of(client_id: str) -> str:
    """The letter of the role, "" of an id that is not the desk's."""
    return client_id[ROLE_AT] if is_own(client_id) and len(client_id) > ROLE_AT else ""


def _closing(size: Decimal, change: Decimal) -> Decimal:
    if not size or (size > 0) == (change > 0):
        return ZERO
    closed = min(abs(size), abs(change))
    return closed if change > 0 else -closed
