"""The oracle bites: with one rule taken out of the desk, the stories are not told to their end.

Each mutant is what a mistake in one place would do; the first breach ends it, so most are cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest

from contractdesk.domain.account import Account
from contractdesk.domain.instrument import Rounding
from contractdesk.domain.intents import Finding
from contractdesk.domain.orders import OrderRole
from contractdesk.engine import (
    breaking,
    flattening,
    guarding,
    intents,
    ledger,
    protection,
    stop_intents,
    stops,
    trailing,
)
from contractdesk.engine.core import Core
from contractdesk.risk import margin_guard, rules, size_cap, sizing
from contractdesk.risk import trailing as trailing_rule
from contractdesk.risk.breaker import Breaker
from tests.engine.risk_story import Story

STORIES = 250  # at most; of those, most mutants need a few
STEPS = 90
Patch = pytest.MonkeyPatch


def passing(rule: str) -> Callable[..., Finding]:
    return lambda *_: Finding(rule=rule, found="-", limit="-", passed=True)


def always(value: object) -> Callable[..., object]:
    return lambda *_, **__: value


def cap_always_passes(patch: Patch) -> None:
    patch.setattr(size_cap.SizeCap, "review", passing("size_cap"))


def cap_forgets_what_is_in_flight(patch: Patch) -> None:
    patch.setattr(size_cap, "exposure", lambda _, item, *__: _held(item))


def _held(item: object) -> Fraction | None:
    mark = item.mark  # type: ignore[attr-defined]
    return None if mark is None else abs(item.instrument.cost(sizing.net_size(item), mark))  # type: ignore[attr-defined,arg-type]


def cap_measures_at_the_mark(patch: Patch) -> None:
    mark = lambda item, *_: item.mark  # noqa: E731
    patch.setattr("contractdesk.risk.gate.worst_price", mark)
    patch.setattr(sizing, "worst_of_order", mark)


def cap_ignores_the_leverage(patch: Patch) -> None:
    """A cap by margin permits ten times of what it should."""
    patch.setattr(
        size_cap, "cap_notional", lambda _, allowed, basis: allowed * (10 if basis.value == "margin" else 1)
    )


def any_state_will_do(patch: Patch) -> None:
    patch.setattr(rules.StateRule, "review", passing("trading_state"))


def the_stop_may_be_anywhere(patch: Patch) -> None:
    patch.setattr(rules, "_between", passing("hard_stop"))


def liquidation_is_far_away(patch: Patch) -> None:
    patch.setattr(rules, "liquidation_after", always(None))


def a_moved_stop_may_lie_behind_liquidation(patch: Patch) -> None:
    patch.setattr(stop_intents.StopIntents, "_bound", always(None))


def the_equity_may_be_old(patch: Patch) -> None:
    """Whoever waits is reviewed at once, by the account that there is."""

    def at_once(self: intents.Intents, pending: object, market: object) -> None:
        if self._desk.account is not None:
            self._review(pending, market)  # type: ignore[arg-type]

    patch.setattr(intents.Intents, "_review_or_wait", at_once)
    patch.setattr(rules.EquityRule, "review", passing("equity"))


def the_breaker_never_trips(patch: Patch) -> None:
    patch.setattr(Breaker, "take", always(False))


def the_breaker_latches_and_does_not_halt(patch: Patch) -> None:
    patch.setattr(Core, "enter_state", lambda self, state, reason, old=Core.enter_state: (
        None if reason.startswith("breaker") else old(self, state, reason)
    ))  # fmt: skip


def the_breaker_resets_itself(patch: Patch) -> None:
    take = Breaker.take

    def taken(self: Breaker, *args: object) -> bool:
        tripping = take(self, *args)  # type: ignore[arg-type]
        if not tripping:
            self.reason = ""
        return tripping

    patch.setattr(Breaker, "take", taken)


def the_breaker_forgets_fees(patch: Patch) -> None:
    profit_of = breaking.profit_of
    patch.setattr(breaking, "profit_of", lambda market, mark: profit_of(market, mark) + market.position.fees)


def the_stop_follows_back(patch: Patch) -> None:
    """Always the rule's level, be it looser."""

    def follow(self, instrument, sign, stop, mark, best, atr):
        price = None if best is None or atr is None else self.level(instrument, sign, mark, atr)
        return price if price != stop else None

    patch.setattr(trailing_rule.TrailingStop, "follow", follow)


def the_stop_follows_beyond_the_mark(patch: Patch) -> None:
    def follow(self, instrument, sign, stop, mark, best, atr):
        price = instrument.round_price(mark * (1 + sign * Decimal("0.001")), Rounding.NEAREST)
        return price if sign * (price - stop) > 0 else None

    patch.setattr(trailing_rule.TrailingStop, "follow", follow)


def the_stop_follows_when_told_not_to(patch: Patch) -> None:
    def may(self: trailing.Trailing, market: object) -> bool:
        return market.trail.on and market.guard.stop_price == market.stop_price  # type: ignore[attr-defined]

    patch.setattr(trailing.Trailing, "_may", may)


def an_addition_loosens_the_stop(patch: Patch) -> None:
    patch.setattr(protection, "_tighter", lambda size, known, new: new)


def the_old_stop_goes_first(patch: Patch) -> None:
    place = stops.Stops.place

    def first(self: stops.Stops, market: object, role: OrderRole, *more: object) -> None:
        if role is OrderRole.STOP:
            for tracked in self._live(market):  # type: ignore[arg-type]
                self._orders.cancel(tracked)
        place(self, market, role, *more)  # type: ignore[arg-type]

    patch.setattr(stops.Stops, "place", first)


def stops_are_too_large(patch: Patch) -> None:
    under_way = flattening.Flattening.under_way
    patch.setattr(
        flattening.Flattening, "under_way", lambda self, market, **more: under_way(self, market, **more) - 1
    )


def nothing_is_flattened_in_time(patch: Patch) -> None:
    patch.setattr(protection.Protection, "_judge", always(None))


def the_guard_sees_nothing(patch: Patch) -> None:
    patch.setattr(guarding.Guarding, "_exposed", always(False))


def the_guard_never_acts(patch: Patch) -> None:
    patch.setattr(guarding.Guarding, "look", always(None))


def the_guard_cancels_and_closes_nothing(patch: Patch) -> None:
    patch.setattr(guarding, "smallest_position", always(""))


def the_guard_closes_the_largest(patch: Patch) -> None:
    patch.setattr(
        guarding, "smallest_position", lambda held: max(held, key=lambda name: held[name], default="")
    )


def the_guard_is_content_too_early(patch: Patch) -> None:
    def exceeded(self: margin_guard.MarginGuard, account: Account) -> bool:
        return account.initial_margin > Decimal("1.5") * self.limit * account.equity

    patch.setattr(margin_guard.MarginGuard, "exceeded", exceeded)


def a_repeated_fill_is_booked(patch: Patch) -> None:
    patch.setattr(ledger.Ledger, "is_new", always(True))


def money_is_cut(patch: Patch) -> None:
    """Bookings are rounded to a cent."""
    cent = lambda above, below: Decimal(round(Fraction(above, below) * 100)).scaleb(-2)  # noqa: E731
    patch.setattr("contractdesk.domain.instrument.cash_ratio", cent)


def a_refusal_does_not_say_what_would_pass(patch: Patch) -> None:
    patch.setattr(rules, "failed", lambda rule, found, limit, _: Finding(
        rule=rule, found=found, limit=limit, passed=False
    ))  # fmt: skip


def exits_are_asked_for_the_state(patch: Patch) -> None:
    objection = intents.Intents._objection

    def strict(self: intents.Intents, pending: object, market: object) -> Finding | None:
        if self._desk.breaker_reason:
            return intents._failed("breaker", "tripped", "not tripped", "reset it")
        return objection(self, pending, market)  # type: ignore[arg-type]

    patch.setattr(intents.Intents, "_objection", strict)


MUTANTS: dict[Callable[[Patch], None], str] = {
    cap_always_passes: "beyond the cap",
    cap_forgets_what_is_in_flight: "beyond the cap",
    cap_measures_at_the_mark: "beyond the cap",
    cap_ignores_the_leverage: "beyond the cap",
    any_state_will_do: "an entry while",
    the_stop_may_be_anywhere: "beyond the mark|beyond the entry|liquidated before its stop",
    liquidation_is_far_away: "liquidated before its stop",
    a_moved_stop_may_lie_behind_liquidation: "behind liquidation",
    the_equity_may_be_old: "on an equity of",
    the_breaker_never_trips: "the breaker has not tripped",
    the_breaker_latches_and_does_not_halt: "ACTIVE, though",
    the_breaker_resets_itself: "the breaker has not tripped|ACTIVE, though|an entry while",
    the_breaker_forgets_fees: "the breaker has",
    the_stop_follows_back: "the stop loosens",
    the_stop_follows_beyond_the_mark: "beyond the mark",
    the_stop_follows_when_told_not_to: "though none is to",
    an_addition_loosens_the_stop: "the stop loosens",
    the_old_stop_goes_first: "its only stop is cancelled",
    stops_are_too_large: "would flip|nothing is held|an exit closes|nobody closes",
    nothing_is_flattened_in_time: "naked",
    the_guard_sees_nothing: "nobody unwinds|does not go on|has not ended",
    the_guard_never_acts: "nobody unwinds",
    the_guard_cancels_and_closes_nothing: "the unwinding (does not go on|has not ended)",
    the_guard_closes_the_largest: "is not the smallest",
    the_guard_is_content_too_early: "nobody unwinds",
    a_repeated_fill_is_booked: ": size|: cost|: money|naked|overfilled",
    money_is_cut: ": money",
    a_refusal_does_not_say_what_would_pass: "does not say what would pass",
    exits_are_asked_for_the_state: "an exit was refused",
}


@pytest.mark.mutants
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_caught(mutant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    mutant(monkeypatch)
    with pytest.raises(AssertionError, match=MUTANTS[mutant]):
        told(STORIES)


def told(stories: int) -> None:
    for seed in range(stories):
        Story(seed).tell(STEPS)
