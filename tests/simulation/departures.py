"""The laws of what leaves the desk's transport: judged at the moment when it leaves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from contractdesk.clock import NS_PER_S
from contractdesk.exchange.faults import Facts, Role
from contractdesk.exchange.model import Event, OrderChanged, Side
from contractdesk.exchange.trail import facts_of
from contractdesk.exchange.wire.binance.api import Ask, Reply
from contractdesk.exchange.wire.binance.params import Params
from tests.simulation.books import Books, is_own
from tests.simulation.deskside import ACCOUNT
from tests.simulation.network import Watcher
from tests.simulation.oracle import Oracle, Verdict
from tests.simulation.person import Person
from tests.simulation.world import World

CAP = Decimal("0.03")
MEANWHILE = Decimal("1.02")  # the mark and the equity move between a decision and its order
BOOK_NS = 3 * NS_PER_S  # its age at a decision is 2 s at most
DECIDED_NS = NS_PER_S  # from a decision to its departure: the disk's 250 ms, and a turn in the queue
MARK_NS = 6 * NS_PER_S
GONE_NS = 4_500_000_000  # its window of 2.5 s, and 2 s for what nobody can know: it never will arrive
RESEND = -1021  # the one refusal after which an id may be sent again: it was never looked at
IDS = re.compile(rb"cd[a-z0-9]{17}")
UNKNOWN = b"Unknown error"  # of the one refusal after which it may have been accepted
DEPTH = re.compile(rb'"stream":"(\w+)@depth@100ms".*?"u":(\d+),"pu":(\d+)')
MARK = re.compile(rb'"stream":"(\w+)@markPrice')
LAST_ID = re.compile(rb'"lastUpdateId":(\d+)')


class UnderWay(Struct):
    """An entry that has left and has not been seen at the exchange."""

    symbol: str
    sign: int
    size: Decimal
    price: Decimal | None
    left_ns: int


class Departures(Watcher):
    """Judges creates and cancels; knows what the desk can have heard of the market."""

    def __init__(self, world: World, books: Books, oracle: Oracle, person: Person, verdict: Verdict) -> None:
        self._world = world
        self._books = books
        self._oracle = oracle
        self._person = person
        self._verdict = verdict
        self._posts: Counter[str] = Counter()
        self._accepted: Counter[str] = Counter()
        self._resend: set[str] = set()
        self._under_way: dict[str, UnderWay] = {}
        self._silent_until_ns = 0
        self._silent_desk = 0
        self._durable: set[bytes] = set()
        self._read = 0  # of what is on the disk
        self._up: Counter[str] = Counter()  # sockets that are open, by path
        self._down_ns: dict[str, int] = {}  # when the last one ended
        self._book_ns: dict[str, int] = {}
        self._book_id: dict[str, int] = {}
        self._whole_id: dict[str, int] = {}  # of the newest whole book
        self._gap_ns: dict[str, int] = {}
        self._mark_ns: dict[str, int] = {}
        self.entries = 0
        world.network.watchers.append(self)
        world.server.listeners.append(self)

    @property
    def _now_ns(self) -> int:
        return self._world.timeline.now_ns

    # -- what leaves -----------------------------------------------------------------------

    def left(self, ask: Ask) -> None:
        desk = self._world.desk
        if desk is None:
            self._verdict.found("WRITER", f"{ask.method} {ask.path}, and no desk lives")
            return
        if self._now_ns < self._silent_until_ns and desk.number == self._silent_desk:
            left_s = (self._silent_until_ns - self._now_ns) / NS_PER_S
            self._verdict.found("RATE", f"{ask.method} {ask.path} {left_s:.3f} s before the silence is over")
        params = ask.params()
        facts = facts_of(ask, params)
        if facts.role is not Role.OTHER:
            self._create(facts, params, desk.lock.epoch)
        elif ask.method == "DELETE":
            self._oracle.cancelled(facts.client_id)

    def _create(self, facts: Facts, params: Params, epoch: int) -> None:
        name = facts.client_id
        self._oracle.sent(name, facts.symbol, entry=facts.role is Role.ENTRY)
        self._posts[name] += 1
        if self._posts[name] > 1 and name not in self._resend:
            self._verdict.found("ONCE", f"{name} was sent {self._posts[name]} times")
        self._resend.discard(name)
        if not is_own(name):
            self._verdict.found("ONCE", f"{name!r} is no id of this desk")
        elif not self._of_this_writer(name, epoch):
            self._verdict.found("WRITER", f"{name} is not of the epoch {epoch}")
        if facts.role is Role.ENTRY:
            self._entry(facts, params)

    @staticmethod
    def _of_this_writer(name: str, epoch: int) -> bool:
        digits = "0123456789abcdefghjkmnpqrstvwxyz"
        number = 0
        for letter in name[6:9]:
            number = number * 32 + digits.index(letter)
        return number == epoch

    def _entry(self, facts: Facts, params: Params) -> None:
        name, symbol = facts.client_id, facts.symbol
        self.entries += 1
        if self._person.halted_ns:
            self._verdict.found("HALT", f"the entry {name} left after a halt was confirmed")
        if not self._on_disk(name):
            self._verdict.found("ONCE", f"the entry {name} left before it was on the disk")
        self._fresh(name, symbol)
        quantity, price = params.decimal("quantity"), params.decimal("price")
        sign = 1 if params.text("side") == Side.BUY.value else -1
        assert quantity is not None
        row = UnderWay(symbol=symbol, sign=sign, size=quantity, price=price, left_ns=self._now_ns)
        self._under_way[name] = row
        self._capped(name, row)

    def _on_disk(self, name: str) -> bool:
        for payload in self._world.disk.written[self._read :]:
            self._durable.update(IDS.findall(payload))
        self._read = len(self._world.disk.written)
        return name.encode() in self._durable

    def _fresh(self, name: str, symbol: str) -> None:
        """Whatever it was decided on was not old, and its streams were there."""
        now = self._now_ns
        for path in ("public", "market", "private"):
            if not self._up[path] and now - self._down_ns.get(path, 0) > DECIDED_NS:
                self._verdict.found("FRESH", f"the entry {name} left without a {path} stream")
        if now - self._book_ns.get(symbol, 0) > BOOK_NS:
            age_s = (now - self._book_ns.get(symbol, 0)) / NS_PER_S
            self._verdict.found("FRESH", f"the entry {name} left on a book of {age_s:.1f} s")
        if now - self._gap_ns.get(symbol, now) > DECIDED_NS:
            self._verdict.found("FRESH", f"the entry {name} left on a book with a gap")
        if now - self._mark_ns.get(symbol, 0) > MARK_NS:
            self._verdict.found("FRESH", f"the entry {name} left on an old mark")

    def _capped(self, name: str, row: UnderWay) -> None:
        """Were all that is held, rests and is under way in this direction filled: still within the cap."""
        exchange, symbol = self._world.server.exchange, row.symbol
        mark = exchange.mark(symbol).mark_price
        held = max(Decimal(0), row.sign * self._books.own[symbol]) * mark
        side = Side.BUY if row.sign > 0 else Side.SELL
        resting = sum(
            order.remaining * max(order.price, mark)
            for order in exchange.open_orders(ACCOUNT, symbol)
            if order.side is side and not order.reduce_only and is_own(order.client_id)
        )
        self._under_way = {n: r for n, r in self._under_way.items() if self._now_ns - r.left_ns < GONE_NS}
        wire = sum(
            other.size * max(other.price or mark, mark)
            for other in self._under_way.values()
            if other.symbol == symbol and other.sign == row.sign
        )
        equity = exchange.account(ACCOUNT).balances[0].margin_balance
        worst, limit = held + resting + wire, CAP * equity * MEANWHILE
        if worst > limit:
            self._verdict.found(
                "CAP", f"with {name} {symbol} may come to {worst:.2f}, the cap is {limit:.2f}"
            )

    # -- what comes back -------------------------------------------------------------------

    def answered(self, ask: Ask, reply: Reply) -> None:
        if reply.status in (403, 418, 429):
            seconds = float(reply.headers.get("Retry-After", "0"))
            self._silent_until_ns = self._now_ns + int(seconds * NS_PER_S)
            self._silent_desk = self._world.desk.number if self._world.desk is not None else 0
        if ask.path == "/fapi/v1/depth" and reply.status == 200:
            self._spliced(ask, reply)
        facts = facts_of(ask, ask.params())
        if facts.role is not Role.OTHER and reply.code == RESEND:
            self._resend.add(facts.client_id)
        if reply.status >= 400 and UNKNOWN not in reply.body:
            self._under_way.pop(facts.client_id, None)

    def on_events(self, events: Sequence[Event]) -> None:
        for event in events:
            if not isinstance(event, OrderChanged) or event.order.account != ACCOUNT:
                continue
            order = event.order
            self._under_way.pop(order.client_id, None)
            if event.kind.value == "NEW" and is_own(order.client_id):
                self._accepted[order.client_id] += 1
                if self._accepted[order.client_id] > 1:
                    self._verdict.found("ONCE", f"{order.client_id} was accepted twice")
        if self._world.server.api.limits.bans:
            self._verdict.found("RATE", "the exchange had to ban the desk")

    # -- what the desk can know of the market ------------------------------------------------

    def connected(self, path: str) -> None:
        self._up[path] += 1
        if path == "public":  # until the whole book has been read, there is none
            self._gap_ns = dict.fromkeys(self._books.own, self._now_ns)

    def disconnected(self, path: str) -> None:
        self._up[path] -= 1
        self._down_ns[path] = self._now_ns
        if path == "public":
            self._book_id.clear()

    def heard(self, path: str, frame: bytes) -> None:
        if path == "public" and (found := DEPTH.search(frame)) is not None:
            symbol = found[1].decode().upper()
            last, previous = int(found[2]), int(found[3])
            if self._book_id.get(symbol, previous) != previous:
                self._gap_ns.setdefault(symbol, self._now_ns)
            if previous <= self._whole_id.get(symbol, -1) <= last:
                self._gap_ns.pop(symbol, None)  # the ids say so, whichever connection it has come by
            self._book_id[symbol] = last
            self._book_ns[symbol] = self._now_ns
        elif path == "market" and (found := MARK.search(frame)) is not None:
            self._mark_ns[found[1].decode().upper()] = self._now_ns

    def _spliced(self, ask: Ask, reply: Reply) -> None:
        """A whole book has been read: a gap before it is closed."""
        params = ask.params()
        if params.text("limit") == "1000":
            symbol = params.text("symbol") or ""
            self._gap_ns.pop(symbol, None)
            found = LAST_ID.search(reply.body)
            self._whole_id[symbol] = int(found[1]) if found else -1
