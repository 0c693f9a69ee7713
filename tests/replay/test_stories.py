"""The report on a session's replay says the same only of what is the same, to the last amendment."""

from __future__ import annotations

from decimal import Decimal

import pytest

from contractdesk.domain.commands import AmendStop, CancelOrder, Command, PlaceStop
from contractdesk.domain.events import TimePassed
from contractdesk.domain.orders import OrderType, Side
from contractdesk.replay.models import Models
from contractdesk.replay.session import Session
from contractdesk.replay.twin_report import TwinReport, compared
from tests.engine.bench import SYMBOL, Bench

D = Decimal
PLACED = PlaceStop(
    client_id="s1", symbol=SYMBOL, side=Side.SELL, size=D(1), trigger_price=D(100), type=OrderType.STOP_MARKET
)
CANCEL = CancelOrder(client_id="s1", symbol=SYMBOL, conditional=True)


def amend(trigger: int, size: int = 1, venue_id: str = "") -> AmendStop:
    return AmendStop(
        client_id="s1",
        symbol=SYMBOL,
        side=Side.SELL,
        size=D(size),
        trigger_price=D(trigger),
        venue_id=venue_id,
    )


def report(live: list[Command], replayed: list[Command]) -> TwinReport:
    bench = Bench()
    stamped = [
        [(bench.now_ns + number, each) for number, each in enumerate(given)] for given in (live, replayed)
    ]
    session = Session(
        checkpoint=bench.engine.checkpoint(),
        start_ns=bench.now_ns,
        classes={},
        inputs=(TimePassed(ts_ns=bench.now_ns),),
        commands=tuple(stamped[0]),
    )
    return compared(session, Models(), stamped[1], (), what_if=False, engine=bench.engine, wallet=D(0))


@pytest.mark.parametrize(
    ("live", "replayed", "words"),
    [
        ([amend(110)], [amend(150)], "live amended it to 1 at 110, the replay amended it to 1 at 150"),
        ([amend(110)], [amend(110, 2)], "live amended it to 1 at 110, the replay amended it to 2 at 110"),
        ([amend(110)], [], "live amended it to 1 at 110, the replay left it"),
        ([], [CANCEL], "live left it, the replay cancelled it"),
        ([amend(110), amend(120)], [amend(120), amend(110)], "live amended it to 1 at 110, amended it to"),
    ],
)
def test_other_amendments_and_cancels_are_a_difference(
    live: list[Command], replayed: list[Command], words: str
) -> None:
    found = report([PLACED, *live], [PLACED, *replayed])
    assert not found.same_commands
    assert words in found.divergence
    assert any(words in verdict for verdict in found.verdicts)


def test_what_was_only_sent_again_or_under_another_number_is_none() -> None:
    live = [PLACED, amend(110, venue_id="a"), amend(110, venue_id="a"), CANCEL, CANCEL]
    assert report(live, [PLACED, amend(110, venue_id="b"), CANCEL]).same_commands
