"""Cancels that are refused, lost or never sent: paced, and not given up while the venue shows the order."""

from __future__ import annotations

from itertools import pairwise

from contractdesk.domain.commands import CancelOrder, PlaceStop, QueryOrder, ReadAccount, ReadVenueState
from contractdesk.domain.events import (
    AccountRead,
    CancelAsked,
    CancelFailed,
    FlattenAsked,
    HaltAsked,
    OrderRead,
    ReadFailed,
    VenueOrder,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import FixedStop, IntentKind
from contractdesk.domain.orders import OrderRole, OrderStatus, OrderType, Side
from contractdesk.engine import client_ids
from contractdesk.engine.engine import Engine
from tests.engine.bench import MARK, NS_PER_S, SYMBOL, Bench, D, wish
from tests.engine.test_order_tracker import row
from tests.engine.test_reconcile import next_picture

LOST, REFUSED, NO_KEY = 0, -2011, -2015


class Outage:
    """A venue that answers a bench's questions, and refuses or loses its cancels while it is told to."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.answers: int | None = None  # to cancels: a code; None: done
        self.reads = True
        self.deaf_to = ""  # the only order whose cancels fail; "" = all
        self.filled = ""  # an order that has filled, though nothing was told of it
        self.cancelled_ns: dict[str, list[int]] = {}
        self._done = len(bench.sent)

    def pass_(self, seconds: float) -> None:
        for _ in range(int(seconds * 5)):
            self.bench.mark(MARK)
            self.bench.advance(0.2)
            self.answer()

    def answer(self) -> None:
        while self._done < len(self.bench.sent):
            command = self.bench.sent[self._done]
            self._done += 1
            match command:
                case CancelOrder(client_id=name):
                    self._cancel(name)
                case PlaceStop(client_id=name):
                    self.bench.accept(name)
                case QueryOrder() | ReadVenueState() | ReadAccount():
                    self._read(command)

    def times(self, client_id: str) -> int:
        return len(self.cancelled_ns.get(client_id, ()))

    def _cancel(self, name: str) -> None:
        bench = self.bench
        self.cancelled_ns.setdefault(name, []).append(bench.now_ns)
        if self.answers is None or (self.deaf_to and name != self.deaf_to):
            bench.cancelled(name)
            return
        failed = CancelFailed(
            ts_ns=bench.now_ns, client_id=name, symbol=SYMBOL, code=self.answers, message="no"
        )
        bench.feed(failed)

    def _read(self, command: QueryOrder | ReadVenueState | ReadAccount) -> None:
        bench, now, size = self.bench, self.bench.now_ns, self.bench.market.position.size
        if not self.reads:
            bench.feed(ReadFailed(ts_ns=now, request_id=command.request_id, what="", reason="503"))
        elif isinstance(command, QueryOrder):
            seen = self._shown(command.client_id)
            bench.feed(OrderRead(ts_ns=now, client_id=command.client_id, symbol=SYMBOL, order=seen))
        elif isinstance(command, ReadVenueState):
            shown = tuple(self._shown(name) for name in bench.market.open_ids)
            bench.picture(command.request_id, size, orders=shown)
        else:
            bench.feed(AccountRead(ts_ns=now, request_id=command.request_id, account=bench.account(size)))

    def _shown(self, name: str) -> VenueOrder:
        order = self.bench.tracked(name).order
        asked, filled = order.request, name == self.filled
        return VenueOrder(
            client_id=name, venue_id=order.venue_id, symbol=SYMBOL, side=asked.side, type=asked.type,
            status=OrderStatus.FILLED if filled else order.status, size=asked.size, price=asked.price,
            filled=asked.size if filled else order.filled, trigger_price=asked.trigger_price,
            reduce_only=asked.reduce_only,
        )  # fmt: skip


def resting() -> tuple[Bench, str, Outage]:
    bench = Bench()
    entry = bench.enter(limit=D(29_990)).approved.request.client_id
    bench.accept(entry)
    return bench, entry, Outage(bench)


def halt(bench: Bench) -> None:
    bench.feed(HaltAsked(ts_ns=bench.now_ns, who="tester", reason=""))


def ask_to_cancel(bench: Bench, entry: str) -> None:
    bench.feed(CancelAsked(ts_ns=bench.now_ns, who="tester", client_id=entry))


def most_in_a_minute(sent_ns: list[int]) -> int:
    return max(sum(1 for ns in sent_ns if since <= ns < since + 60 * NS_PER_S) for since in sent_ns)


def test_a_cancel_that_is_lost_for_ten_minutes_is_paced_and_done_when_the_venue_is_back() -> None:
    bench, entry, venue = resting()
    venue.answers, venue.reads = LOST, False
    halt(bench)
    venue.pass_(600)
    sent_ns = venue.cancelled_ns[entry]
    gaps = [(b - a) / NS_PER_S for a, b in pairwise(sent_ns)]
    assert most_in_a_minute(sent_ns) <= 10
    assert max(gaps) < 11, "it is never given up"
    assert min(gaps[5:]) >= 10
    assert bench.codes.count("cancel_failed") == 1
    venue.answers, venue.reads = None, True
    venue.pass_(11)
    assert bench.tracked(entry).order.status is OrderStatus.CANCELLED


def test_a_refused_cancel_is_tried_three_times_while_no_read_shows_the_order() -> None:
    bench, entry, venue = resting()
    venue.answers, venue.reads = NO_KEY, False
    halt(bench)
    venue.pass_(120)
    assert venue.times(entry) == 3
    assert bench.codes.count("cancel_failed") == 1


def test_it_is_tried_again_as_soon_as_a_read_that_was_asked_since_shows_it() -> None:
    bench, entry, venue = resting()
    venue.answers, venue.reads = NO_KEY, False
    halt(bench)
    venue.pass_(600)
    venue.answers, venue.reads = None, True
    venue.pass_(31)
    assert bench.tracked(entry).order.status is OrderStatus.CANCELLED


def test_one_that_is_refused_for_ever_is_tried_six_times_a_minute() -> None:
    bench, entry, venue = resting()
    venue.answers = REFUSED
    halt(bench)
    venue.pass_(600)
    sent_ns = venue.cancelled_ns[entry]
    assert all(b - a >= 10 * NS_PER_S for a, b in pairwise(sent_ns[2:]))
    assert 40 <= len(sent_ns) <= 62
    assert bench.codes.count("cancel_failed") == 1, "a person is told once"


def test_a_cancel_that_is_refused_because_the_order_has_filled_is_not_repeated() -> None:
    """The read says FILLED, and its fills are still under way."""
    bench, entry, venue = resting()
    venue.answers, venue.filled = REFUSED, entry
    ask_to_cancel(bench, entry)
    venue.answer()
    venue.pass_(60)
    assert venue.times(entry) == 3


def test_a_read_from_before_the_last_cancel_proves_nothing() -> None:
    bench, entry, venue = resting()
    venue.answers, venue.reads = REFUSED, False
    halt(bench)
    venue.pass_(5)
    assert venue.times(entry) == 3
    seen = row(entry, OrderStatus.WORKING)
    bench.engine._orders.merge(bench.tracked(entry), seen, bench.tracked(entry).cancel_sent_ns)
    bench.advance(30)
    assert len(bench.all(CancelOrder)) == 3


def test_one_whose_refusal_is_slow_is_sent_three_times_like_any_other() -> None:
    bench, _, _ = resting()
    halt(bench)
    bench.advance(20)
    assert len(bench.all(CancelOrder)) == 3


def test_a_person_who_cancels_is_heard_however_often_it_was_refused() -> None:
    bench, entry, venue = resting()
    venue.answers, venue.reads = NO_KEY, False
    halt(bench)
    venue.pass_(60)
    ask_to_cancel(bench, entry)
    assert [command.client_id for command in bench.now(CancelOrder)] == [entry]
    for _ in range(20):
        ask_to_cancel(bench, entry)
        assert not bench.now(CancelOrder), "one is under way"


def test_a_person_who_flattens_is_heard_too_and_a_bit_of_patience_is_enough() -> None:
    bench, entry, venue = resting()
    venue.answers, venue.reads = LOST, False
    halt(bench)
    venue.pass_(64)
    venue.answers = None
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester", symbol=None))
    venue.pass_(1)
    assert bench.tracked(entry).order.status is OrderStatus.CANCELLED
    assert bench.market.guard.flatten_reason == ""


def test_an_outage_does_not_outlive_a_checkpoint() -> None:
    bench, entry, venue = resting()
    venue.answers, venue.reads = LOST, False
    halt(bench)
    venue.pass_(300)
    bench.engine = Engine.restore(bench.engine.checkpoint(), {})
    venue.answers = None
    venue.pass_(11)
    assert bench.tracked(entry).order.status is OrderStatus.CANCELLED


def moved_after_trouble(code: int) -> Bench:
    """A stop was replaced while the old one could not be cancelled; then it is moved once more."""
    bench = Bench()
    old = bench.open()
    venue = Outage(bench)
    venue.answers, venue.deaf_to = code, old
    bench.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(price=D(29_100))))
    venue.pass_(150)
    assert len(bench.engine._desk.tracked(bench.market, OrderRole.STOP)) == 2
    venue.answers = None
    venue.pass_(25)
    bench.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(price=D(29_200))))
    venue.pass_(5)
    return bench


def test_a_stop_can_be_moved_again_after_its_predecessor_could_not_be_cancelled() -> None:
    for code in (REFUSED, LOST):
        bench = moved_after_trouble(code)
        (stop,) = bench.engine._desk.tracked(bench.market, OrderRole.STOP)
        assert stop.order.request.trigger_price == D(29_200)
        assert bench.market.stop_price == D(29_200)


def test_a_doubted_stop_whose_cancels_are_lost_is_paced_alike() -> None:
    bench = Bench()
    old = bench.open()
    tracked = bench.tracked(old)
    bench.engine._orders.doubts.doubt(tracked)
    sent = 0
    for _ in range(300):
        for command in bench.advance(0.2):
            if isinstance(command, CancelOrder):
                sent += 1
                bench.feed(
                    CancelFailed(ts_ns=bench.now_ns, client_id=old, symbol=SYMBOL, code=LOST, message="503")
                )
    assert 5 <= sent <= 10


def test_an_orphan_that_is_still_there_is_cancelled_every_ten_seconds_and_told_of_once() -> None:
    bench = Bench()
    orphan = client_ids.make("b0t0", 0, 9, OrderRole.ENTRY)
    shown = VenueOrder(
        client_id=orphan, venue_id="v", symbol=SYMBOL, side=Side.BUY, type=OrderType.LIMIT,
        status=OrderStatus.WORKING, size=D(1), filled=ZERO, price=D(1), trigger_price=None, reduce_only=False,
    )  # fmt: skip
    for _ in range(6):
        next_picture(bench, "0", orders=(shown,))
        sent = len(bench.all(CancelOrder))
        bench.accept(orphan)
        assert len(bench.all(CancelOrder)) == sent, "one was sent just now"
    assert [command.client_id for command in bench.all(CancelOrder)] == [orphan] * 6
    assert bench.codes.count("orphan_entry") == 1
    bench.advance(3700)
    another = client_ids.make("b0t0", 0, 8, OrderRole.ENTRY)
    bench.accept(another)
    assert list(bench.engine._desk.orphans) == [another]
