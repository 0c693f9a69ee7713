"""The laws bite: with one mistake in the desk, some seed breaks one of them.

Each mutant is what a slip in one place would do to a live desk, at least one for each class of law; the
first seed that notices ends it, and which law it was is part of what is expected.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace

from contractdesk.desk import dispatcher, recovery
from contractdesk.desk.dispatcher import Dispatcher
from contractdesk.desk.host import DeskHost
from contractdesk.domain.commands import ReadVenueState
from contractdesk.domain.events import OutcomeUnknown, VenueStateRead
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import Finding
from contractdesk.domain.orders import OrderRole, OrderStatus
from contractdesk.engine import cancelling, ledger, order_tracker, protection, reconcile, stops
from contractdesk.errors import VenueError
from contractdesk.risk import freshness, size_cap, sizing
from contractdesk.risk import trailing as trailing_rule
from contractdesk.venues.binance import account_feed, accounts
from contractdesk.venues.binance.venue import BinanceVenue
from contractdesk.venues.limits import Limiter
from tests.simulation import deskside
from tests.simulation.plan import plan
from tests.simulation.shrinking import shrink
from tests.simulation.story import Outcome, Story

SEEDS = 200  # at most; most mutants need a few
Patch = pytest.MonkeyPatch


def passing(rule: str) -> Callable[..., Finding]:
    return lambda *_: Finding(rule=rule, found="-", limit="-", passed=True)


def always(value: object) -> Callable[..., Any]:
    return lambda *_, **__: value


# -- orders -------------------------------------------------------------------------------------


def a_lost_create_is_sent_again(patch: Patch) -> None:
    submit = BinanceVenue.submit

    async def twice(self: BinanceVenue, request: Any, wanted: Any) -> Any:
        answer = await submit(self, request, wanted)
        return await submit(self, request, wanted) if isinstance(answer, OutcomeUnknown) else answer

    patch.setattr(BinanceVenue, "submit", twice)


def not_found_means_failed(patch: Patch) -> None:
    patch.setattr(order_tracker, "ABSENT_ANSWERS", 1)
    patch.setattr(order_tracker, "FENCE_MARGIN_NS", -(10**18))


def nobody_asks_for_a_lost_order(patch: Patch) -> None:
    patch.setattr(order_tracker.OrderTracker, "_query", always(None))


def an_entry_does_not_wait_for_the_disk(patch: Patch) -> None:
    async def at_once(self: Dispatcher, _: str) -> str:
        return self.entries_blocked

    patch.setattr(Dispatcher, "_entry_blocked", at_once)


def a_cancel_is_repeated_without_end(patch: Patch) -> None:
    patch.setattr(cancelling, "MAX_REFUSALS", 10**6)
    patch.setattr(cancelling, "LONGEST_WAIT_NS", 10**7)
    patch.setattr(cancelling, "CANCEL_RETRY_NS", 10**7)
    patch.setattr(order_tracker.OrderTracker, "move", _deaf_to_cancels(order_tracker.OrderTracker.move))


def _deaf_to_cancels(move: Any) -> Any:
    def moved(self: Any, tracked: Any, status: OrderStatus, *more: Any, **named: Any) -> None:
        if status is not OrderStatus.CANCELLED or tracked.role is not OrderRole.STOP:
            move(self, tracked, status, *more, **named)

    return moved


# -- halt, caps, freshness, limits ----------------------------------------------------------------
# An entry is looked at twice: by the rules, and once more as it leaves. A mistake shows where both are blind.


def _nobody_looks_as_it_leaves(patch: Patch) -> None:
    patch.setattr(dispatcher, "still_wanted", always(True))


def entries_in_flight_ignore_a_halt(patch: Patch) -> None:
    _nobody_looks_as_it_leaves(patch)
    patch.setattr(DeskHost, "_no_entries", always(""))


def the_cap_forgets_what_is_in_flight(patch: Patch) -> None:
    patch.setattr(size_cap, "exposure", lambda _, item, *__: _held(item))


def _held(item: Any) -> Fraction | None:
    return None if item.mark is None else abs(item.instrument.cost(sizing.net_size(item), item.mark))


def a_stale_book_is_accepted(patch: Patch) -> None:
    for rule in (freshness.BookFresh, freshness.SymbolFresh, freshness.MarkFresh):
        patch.setattr(rule, "review", passing("freshness"))
    _nobody_looks_as_it_leaves(patch)


def an_unreconciled_stream_is_accepted(patch: Patch) -> None:
    patch.setattr(freshness.StreamFresh, "review", passing("freshness_stream"))
    _nobody_looks_as_it_leaves(patch)


def an_ordered_silence_is_not_kept(patch: Patch) -> None:
    patch.setattr(Limiter, "silence", lambda self, *_: 0)


# -- stops --------------------------------------------------------------------------------------


def the_old_stop_goes_first(patch: Patch) -> None:
    place = stops.Stops.place

    def first(self: stops.Stops, market: Any, role: OrderRole, *more: Any) -> None:
        if role is OrderRole.STOP:
            for tracked in self._live(market):
                self._orders.cancel(tracked)
        place(self, market, role, *more)

    patch.setattr(stops.Stops, "place", first)


def the_first_fill_alone_is_guarded(patch: Patch) -> None:
    """Any stop counts as one for all."""
    patch.setattr(protection, "covers", lambda tracked: tracked.order.remaining * 1000)
    patch.setattr(
        stops.Stops, "_fits",
        lambda _, market, tracked: tracked.order.request.trigger_price == market.guard.stop_price,
    )  # fmt: skip


def no_stop_is_placed_and_nothing_is_flattened(patch: Patch) -> None:
    patch.setattr(stops.Stops, "fit", always(None))
    patch.setattr(protection.Protection, "_judge", always(None))


def the_stop_follows_back(patch: Patch) -> None:
    """Always the rule's level, be it looser."""

    def follow(self, instrument, sign, stop, mark, best, atr):
        price = None if best is None or atr is None else self.level(instrument, sign, mark, atr)
        return price if price != stop else None

    patch.setattr(trailing_rule.TrailingStop, "follow", follow)


def a_stop_is_placed_at_each_look(patch: Patch) -> None:
    patch.setattr(stops, "MAX_LIVE_STOPS", 50)
    patch.setattr(stops.Stops, "_fits", always(False))


def a_stop_may_open(patch: Patch) -> None:
    request_of = dispatcher.stop_request
    patch.setattr(dispatcher, "stop_request", lambda command: replace(request_of(command), reduce_only=False))


# -- books --------------------------------------------------------------------------------------


def a_repeated_fill_is_booked(patch: Patch) -> None:
    patch.setattr(ledger.Ledger, "is_new", always(True))


def fees_are_forgotten(patch: Patch) -> None:
    book = ledger.Ledger.book
    patch.setattr(
        ledger.Ledger, "book", lambda self, fill, tracked: book(self, replace(fill, fee=ZERO), tracked)
    )


def a_reconnection_reads_nothing(patch: Patch) -> None:
    """Fills are heard, and never read."""

    async def nothing(*_: Any) -> Any:
        return []

    patch.setattr(account_feed.AccountFeed, "_read_fills", nothing)
    patch.setattr(accounts.Accounts, "_fills", nothing)


def a_failed_question_means_empty(patch: Patch) -> None:
    """Whatever could not be read is not there; and nobody asks twice."""
    patch.setattr(reconcile.Reconciliation, "_confirmed", always(True))

    async def read_state(self: Dispatcher, command: ReadVenueState) -> None:
        try:
            state = await self._venue.read_state(command.fills_since_ns, command.symbols)
            account, orders, fills = state.account, state.orders, state.fills
        except VenueError:
            account, orders, fills = replace(EMPTY[-1], positions=()), (), ()
        else:
            EMPTY.append(account)
        self._emit(
            VenueStateRead(
                ts_ns=self._clock.now_ns(),
                request_id=command.request_id,
                account=account,
                orders=orders,
                fills=fills,
            )
        )

    patch.setattr(Dispatcher, "_read_state", read_state)


EMPTY: list[Any] = []


def a_restart_forgets(patch: Patch) -> None:
    patch.setattr(deskside, "recovered", always(None))


def a_restart_keeps_the_old_epoch(patch: Patch) -> None:
    begin = recovery._begin_anew

    def anew(state: Any, config: Any) -> None:
        begin(state, replace(config, epoch=state.config.epoch))

    patch.setattr(recovery, "_begin_anew", anew)


# Which laws may notice it, and the faults without which it does no harm; () where none are needed.
MUTANTS: dict[Callable[[Patch], None], tuple[str, tuple[str, ...]]] = {
    a_lost_create_is_sent_again: ("ONCE", ("lost after", "lost before", "unknown error")),
    an_entry_does_not_wait_for_the_disk: ("ONCE", ()),
    not_found_means_failed: ("CAP|MONOTONE|BOUNDED|LEDGER|LIVENESS", ("lost and late",)),
    nobody_asks_for_a_lost_order: ("LIVENESS|PROTECT", ("lost before", "unknown error")),
    a_cancel_is_repeated_without_end: ("BOUNDED", ()),
    entries_in_flight_ignore_a_halt: ("HALT", ()),
    the_cap_forgets_what_is_in_flight: ("CAP", ()),
    a_stale_book_is_accepted: ("FRESH", ("refuse", "freeze")),
    an_unreconciled_stream_is_accepted: ("FRESH", ("refuse", "listen key gone")),
    an_ordered_silence_is_not_kept: ("RATE", ("limited",)),
    the_old_stop_goes_first: ("PROTECT", ()),
    the_first_fill_alone_is_guarded: ("PROTECT|MONOTONE", ()),
    no_stop_is_placed_and_nothing_is_flattened: ("PROTECT", ()),
    the_stop_follows_back: ("MONOTONE", ()),
    a_stop_is_placed_at_each_look: ("BOUNDED", ()),
    a_stop_may_open: ("NO-FLIP", ()),
    a_repeated_fill_is_booked: ("LEDGER|BOUNDED|PROTECT|LIVENESS|FAULT", ()),
    fees_are_forgotten: ("CASH", ()),
    a_reconnection_reads_nothing: ("LEDGER|LIVENESS|PROTECT|CASH", ("cut", "event lost", "network down")),
    a_failed_question_means_empty: ("LEDGER|PROTECT|CASH|MONOTONE", ("reads fail", "reads hang")),
    a_restart_forgets: ("RECOVERY", ("crash", "crash in recovery")),
    a_restart_keeps_the_old_epoch: ("WRITER|ONCE", ("crash", "crash in recovery")),
}


@pytest.mark.mutants
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_caught(mutant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    laws, kinds = MUTANTS[mutant]
    mutant(monkeypatch)
    caught = first_breach(kinds)
    assert caught is not None, f"{SEEDS} seeds, and no law broke"
    assert re.match(laws, caught.breach), caught.breach


def first_breach(kinds: tuple[str, ...]) -> Outcome | None:
    """Of the seeds, in whose plans these faults are come first."""
    strikes = {seed: {planned.kind for planned in plan(seed)} for seed in range(1, SEEDS + 1)}
    for seed in sorted(strikes, key=lambda seed: (strikes[seed].isdisjoint(kinds), seed)):
        outcome = Story(seed).tell()
        if outcome.breach:
            return outcome
    return None


@pytest.mark.mutants
@pytest.mark.timeout(600)
def test_a_failing_seed_is_cut_down_and_told_again_alike(monkeypatch: Patch) -> None:
    a_lost_create_is_sent_again(monkeypatch)
    seed = 2
    cut = shrink(seed)
    assert cut is not None
    assert cut.outcome.breach.startswith("ONCE")
    assert len(cut.faults) == 1 < len(plan(seed))
    assert f"--seed {seed} --only {cut.faults[0].number}" in cut.command
    assert Story(seed, cut.faults, cut.lasts_s).tell() == cut.outcome
