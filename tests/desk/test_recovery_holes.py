"""A kill may cost the last of the market data: what is known afterwards of what was sent because of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from contractdesk.desk.paths import DeskPaths
from contractdesk.desk.recorder import Recorder
from contractdesk.domain.commands import Command, Notify, OrderCommand, PlaceStop, ReduceOrder, Severity
from contractdesk.domain.events import Event, TimePassed
from contractdesk.domain.intents import FixedStop, IntentKind
from contractdesk.domain.orders import OrderRequest, OrderRole, OrderStatus
from contractdesk.domain.requests import created_by
from contractdesk.domain.views import TradingState
from contractdesk.engine import client_ids
from contractdesk.engine.breaking import TRIPPED
from contractdesk.engine.protection import CLOSING
from contractdesk.engine.state import Desk
from contractdesk.storage.tape import Tape
from tests.desk.left_behind import ACCOUNT, known
from tests.engine.bench import CONFIG, START, Bench, wish
from tests.engine.test_trailing import bars, mark

D = Decimal
EPOCH = 1


class Recorded(Bench):
    """A session on a bench that is written down as a desk writes it; what is fed while ``losing`` is not."""

    def __init__(self, paths: DeskPaths, *before: Event) -> None:
        self.recorder: Recorder | None = None
        self.losing = False
        super().__init__()
        for event in before:
            self.feed(event)
        self.stop = self.open("0.02", "29000")
        self.recorder = Recorder(paths)
        self.recorder.begin(replace(CONFIG, epoch=EPOCH), ACCOUNT, START)
        self.recorder.rotate(START, self.engine.checkpoint)

    def feed(self, event: Event) -> list[Command]:
        if self.recorder is not None:
            if self.losing:
                self.recorder.seq += 1
            else:
                self.recorder.event(event)
        commands = super().feed(event)
        if self.recorder is not None:
            self.recorder.commands(event.ts_ns, commands)
        return commands

    def killed(self) -> None:
        assert self.recorder is not None
        self.recorder.close()

    def move_stop(self, price: str) -> PlaceStop:
        self.ask(wish(IntentKind.MOVE_STOP, stop=FixedStop(price=D(price))))
        return self.last(PlaceStop)

    @property
    def created(self) -> list[OrderRequest]:
        """Every order that was sent, as it was sent last."""
        requests = [created_by(command) for command in self.sent]
        return [request for request in requests if request is not None]


@pytest.fixture
def paths(tmp_path: Path) -> DeskPaths:
    return DeskPaths(tmp_path)


def knows(desk: Desk | None, bench: Recorded) -> Desk:
    """Each id names what it named, nothing is known that nobody has sent, and no id will be given again."""
    assert desk is not None
    assert bench.created
    sent = {request.client_id: request for request in bench.created}
    for client_id, request in sent.items():
        ours = desk.orders_by_id[client_id].order.request
        assert replace(ours, intent_id=0) == replace(request, intent_id=0)
    assert not [each for each in desk.orders_by_id if each not in sent]
    assert bench.engine._desk.sequence <= desk.sequence < client_ids.GUARDIAN
    return desk


def test_a_stop_that_was_moved_last_is_not_forgotten(paths: DeskPaths) -> None:
    bench = Recorded(paths)
    bench.losing = True
    moved = bench.move_stop("29500")
    bench.killed()
    (market,) = knows(known(paths, EPOCH + 1), bench).symbols.values()
    assert market.guard.stop_price == moved.trigger_price == D(29_500)


def test_what_followed_is_about_the_order_that_was_sent(paths: DeskPaths) -> None:
    bench = Recorded(paths)
    bench.losing = True
    moved = bench.move_stop("29500")
    bench.losing = False
    bench.accept(moved.client_id)
    bench.cancelled(bench.stop)
    entry = bench.enter("0.01", "29200").approved.request.client_id
    bench.fill(entry, "0.01")
    resized = bench.last(PlaceStop)
    assert resized.client_id != moved.client_id
    bench.accept(resized.client_id)
    bench.killed()
    desk = knows(known(paths, EPOCH + 1), bench)
    (market,) = desk.symbols.values()
    assert market.position.size == bench.market.position.size == D("0.03")
    assert market.guard.stop_price == bench.market.guard.stop_price == D(29_500)
    assert not market.guard.losses  # nobody has taken a stop away
    standing = {
        each for each in market.open_ids if desk.orders_by_id[each].order.status is OrderStatus.WORKING
    }
    assert resized.client_id in standing


def test_no_id_names_two_orders_where_the_repetition_comes_to_something_else(paths: DeskPaths) -> None:
    """The lost input closed a part: the next stop gets a number that without it another order would get."""
    bench = Recorded(paths)
    bench.losing = True
    bench.ask(wish(IntentKind.EXIT, size=D("0.01")))
    closing = bench.last(ReduceOrder)
    bench.losing = False
    bench.fill(closing.client_id, "-0.01")
    fitted = bench.last(PlaceStop)
    bench.accept(fitted.client_id)
    bench.killed()
    desk = knows(known(paths, EPOCH + 1), bench)
    (market,) = desk.symbols.values()
    assert market.position.size == D("0.01")
    assert desk.orders_by_id[closing.client_id].order.status is OrderStatus.FILLED


def test_a_lost_entry_keeps_where_its_fills_are_stopped(paths: DeskPaths) -> None:
    bench = Recorded(paths)
    bench.losing = True
    entry = bench.enter("0.01", "29300")
    bench.losing = False
    bench.fill(entry.approved.request.client_id, "0.01")
    bench.killed()
    (market,) = knows(known(paths, EPOCH + 1), bench).symbols.values()
    assert market.position.size == D("0.03")
    assert market.guard.stop_price == D(29_300)


def test_a_lost_entry_keeps_its_profit_its_end_and_how_its_stop_follows(paths: DeskPaths) -> None:
    bench = Recorded(paths)
    bench.losing = True
    entry = bench.enter(
        "0.01", "29300", limit=D(29_900), take_profit=D(31_000), expire_s=60.0, trail=True
    ).approved.request.client_id
    bench.losing = False
    bench.accept(entry)
    bench.killed()
    ours, known_now = bench.tracked(entry), knows(known(paths, EPOCH + 1), bench).orders_by_id[entry]
    assert (ours.take_profit, ours.trail.on) == (D(31_000), True)
    assert (known_now.take_profit, known_now.expire_ns, known_now.trail) == (
        ours.take_profit, ours.expire_ns, ours.trail,
    )  # fmt: skip


def test_what_the_repetition_makes_up_moves_no_stop_and_takes_no_place(paths: DeskPaths) -> None:
    """The stop was told to stay; without that word a later mark would have moved it."""
    bench = Recorded(paths, bars())
    bench.losing = True
    bench.ask(wish(IntentKind.MOVE_STOP, trail=False))
    bench.losing = False
    assert not mark(bench, "31000")
    bench.killed()
    (market,) = knows(known(paths, EPOCH + 1), bench).symbols.values()
    assert market.guard.stop_price == bench.market.guard.stop_price == D(29_000)
    assert list(market.open_ids) == list(bench.market.open_ids)


@pytest.mark.parametrize("closing", [False, True])
def test_what_was_not_being_closed_is_not_closed_and_what_was_is(paths: DeskPaths, *, closing: bool) -> None:
    """That the stop was accepted is lost: by what is left, the mark is beyond a stop that nobody has."""
    bench = Recorded(paths)
    entry = bench.enter("0.01", "29000").approved.request.client_id
    bench.fill(entry, "0.01")
    stop = bench.last(PlaceStop)
    if not closing:
        bench.losing = True
        bench.accept(stop.client_id)
        bench.losing = False
    else:
        assert bench.recorder is not None
        bench.recorder.seq += 1
    mark(bench, "28900")
    assert (CLOSING in bench.codes) is closing
    bench.killed()
    (market,) = knows(known(paths, EPOCH + 1), bench).symbols.values()
    assert bool(market.guard.flatten_reason) is closing


def test_a_breaker_that_tripped_by_marks_that_are_lost_stays_tripped(paths: DeskPaths) -> None:
    bench = Recorded(paths)
    assert bench.recorder is not None
    bench.recorder.seq += 1
    told = "the breaker has tripped: P fell; entries are cancelled, stops are kept; reset it"
    bench.recorder.commands(START, [Notify(severity=Severity.ALARM, code=TRIPPED, message=told)])
    bench.killed()
    desk = known(paths, EPOCH + 1)
    assert desk is not None
    assert (desk.state, desk.breaker.reason) == (TradingState.HALTED, "P fell")
    assert desk.state_reason.startswith("breaker: P fell; ")


def test_behind_a_hole_that_had_no_consequence_all_is_as_it_was(paths: DeskPaths) -> None:
    bench = Recorded(paths)
    bench.losing = True
    bench.feed(TimePassed(ts_ns=bench.now_ns))
    bench.losing = False
    entry = bench.enter("0.01", "29300").approved.request.client_id
    bench.fill(entry, "0.01")
    bench.killed()
    desk = knows(known(paths, EPOCH + 1), bench)
    assert set(desk.orders_by_id) == set(bench.engine._desk.orders_by_id)
    (market,) = desk.symbols.values()
    assert list(market.open_ids) == list(bench.market.open_ids)
    assert market.guard == bench.market.guard


def test_what_was_sent_has_its_cause_on_the_disk_before_more_is_gathered(
    paths: DeskPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    barrier = Tape.barrier
    monkeypatch.setattr(Tape, "barrier", lambda tape: (asked.append(1), barrier(tape))[1])
    bench = Recorded(paths)
    bench.alive()
    assert not asked  # what sends nothing may be gathered
    bench.move_stop("29500")
    sending = sum(isinstance(each, OrderCommand) for each in bench.commands)
    assert bool(asked) == bool(sending) is True
    bench.killed()


def test_an_id_of_a_role_is_given_for_that_role_alone() -> None:
    core, roles = Bench().engine._core, (OrderRole.STOP, OrderRole.EXIT)
    core.sent_ids = [client_ids.make("b0t0", 1, 77, role) for role in roles]
    given = [client_ids.parse(core.client_id(role)) for role in (*reversed(roles), OrderRole.STOP)]
    assert [parsed.role for parsed in given if parsed] == [OrderRole.EXIT, OrderRole.STOP, OrderRole.STOP]
    assert [parsed.sequence for parsed in given if parsed] == [77, 77, client_ids.NEVER_SENT + 1]
    assert client_ids.never_sent(core.client_id(OrderRole.ENTRY))
    assert not client_ids.never_sent(client_ids.make("b0t0", 1, client_ids.GUARDIAN + 9, OrderRole.STOP))
