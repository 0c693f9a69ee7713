"""The law of the replay, for one world: however it is walked, the engine does the same."""

from __future__ import annotations

from itertools import zip_longest
from random import Random
from typing import Any

import msgspec
import pytest

from contractdesk.replay import tape, telling
from contractdesk.replay.runner import Outcome, Replay
from contractdesk.replay.tape import ROOM
from tests.replay.reference import Reference
from tests.replay.worlds import World, batches, world

EVERY = 0.3  # of the worlds are walked event by event, too


def horizon(known: World, size: int, *, every: bool = False, room: int = ROOM) -> Outcome:
    """The replay, in batches of ``size`` trades; ``room`` is for how many marks a symbol."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tape, "ROOM", room)
        patch.setattr(telling, "ROOM", room)
        return Replay(known.setup, batches(known.trades, size), every=every).run()


def reference(known: World) -> Outcome:
    return Reference(known.setup, known.trades).run()


def told(outcome: Outcome) -> dict[str, list[Any]]:
    """Everything that two runs must have in common."""
    return {
        "commands": outcome.commands,
        "fills": outcome.fills,
        "payments": outcome.payments,
        "refusals": outcome.refusals,
        "notices": outcome.notices,
        "state": state(outcome),
    }


def state(outcome: Outcome) -> list[Any]:
    """The engine's, as it is at the end."""
    desk = outcome.engine._desk
    account = [desk.wallet_balance, desk.state, desk.state_reason, desk.breaker_reason, desk.account]
    measured = [desk.drawdown, desk.day_change, desk.day_open, desk.unwinding, desk.now_ns, desk.orders]
    rows: list[Any] = [*account, *measured[:-1]]
    for symbol, market in desk.symbols.items():
        rows += [symbol, str(market.position), market.external_size, market.guard, market.trail.best]
        rows += [market.stop_price, market.guarded, market.mark, market.mark_ns, market.last]
        rows += [market.book.best_bid, market.book.best_ask, market.book_alive_ns]
        rows += list(desk.orders(symbol))
    return rows


def compare(expected: Outcome, found: Outcome, who: str) -> None:
    ours, theirs = told(found), told(expected)
    for name, rows in theirs.items():
        if enc(rows) == enc(ours[name]):
            continue
        for place, (wanted, got) in enumerate(zip_longest(rows, ours[name])):
            if enc(wanted) != enc(got):
                raise AssertionError(f"{who}: {name}[{place}]: {_differing(wanted, got)}")


def _differing(wanted: object, got: object) -> str:
    """Both, from shortly before they part."""
    first, second = enc(wanted).decode(), enc(got).decode()
    pairs = enumerate(zip_longest(first, second))
    at = next((place for place, (a, b) in pairs if a != b), 0)
    begin, end = max(0, at - 160), at + 80
    return f"{first[:60]} ...\n  wanted {first[begin:end]}\n  got    {second[begin:end]}"


def enc(value: object) -> bytes:
    return msgspec.json.encode(value)


def check(seed: int) -> Outcome:
    """Walk one world in several ways; AssertionError where two of them differ."""
    known, dice = world(seed), Random(seed)  # noqa: S311  (a world's dice, not a secret)
    wanted = reference(known)
    small, room = dice.randint(1, 60), dice.choice([1, 2, 10])
    compare(wanted, horizon(known, len(known.trades)), "in one piece")
    compare(wanted, horizon(known, small, room=room), f"in batches of {small}, with room for {room} marks")
    if dice.random() < EVERY:
        compare(wanted, horizon(known, 100, every=True), "event by event")
    return wanted
