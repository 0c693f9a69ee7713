"""What a cell shows of each thing: text and HTML, and whatever words are in it stay words."""

from __future__ import annotations

from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from contractdesk.console.book import BookView
from contractdesk.console.desk import Desk
from contractdesk.console.preview import Preview
from contractdesk.console.receipts import Receipt
from contractdesk.console.refusals import Refusal
from contractdesk.console.state import StateWriter
from contractdesk.console.story import StoryView
from contractdesk.console.strategies import StrategyHandle
from contractdesk.console.tables import Table
from contractdesk.console.views import positions, refusals, strategies
from contractdesk.domain.intents import Finding
from contractdesk.domain.orders import Side
from contractdesk.domain.views import DeskSnapshot, TradingState
from contractdesk.engine.story import Story
from contractdesk.panels.pump import Pump
from contractdesk.panels.render import html_of
from tests.console.loopback import BTC, Pendulum, ready
from tests.console.test_observing import Stepped

EVIL = "<img src=x onerror=alert(1)>&\"'"


class Tags(HTMLParser):
    """The tags that a browser would see, balanced or not."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile() -> DeskSnapshot:
    """A picture in which whatever is text is hostile."""
    found = Stepped().snapshot
    (row, *_) = found.positions
    (refused, *_) = found.refusals
    (strategy, *_) = found.strategies
    change = msgspec.structs.replace
    return change(
        found,
        state=TradingState.HALTED,
        state_reason=EVIL,
        positions=(change(row, strategy_id=EVIL, symbol=EVIL),),
        refusals=(change(refused, rule=EVIL, found=EVIL, limit=EVIL, would_pass=EVIL, strategy_id=EVIL),),
        strategies=(change(strategy, strategy_id=EVIL, params={EVIL: EVIL}, status=f"disabled: {EVIL}"),),
        notices=(),
    )


class Hostile(Stepped):
    """A desk whose every word is hostile."""

    name = label = EVIL

    @property
    def snapshot(self) -> DeskSnapshot:
        return hostile()


def everything() -> dict[str, Any]:
    picture, desk = hostile(), Hostile()
    refusal = Refusal.of(
        msgspec.structs.replace(
            picture.refusals[0], findings=(Finding(rule=EVIL, found=EVIL, limit=EVIL, passed=False),)
        )
    )
    return {
        "positions": positions(picture, "UTC"),
        "refusals": refusals(picture, "UTC"),
        "strategies": strategies(picture, "UTC"),
        "table": Table(EVIL, (EVIL,), [(EVIL,)], empty=EVIL),
        "receipt": Receipt(
            verb=EVIL, done=False, summary=EVIL, warmup=(EVIL,), orders=(EVIL,), stops=(EVIL,),
            positions=(EVIL,), refused=refusal,
        ),
        "refusal": refusal,
        "handle": StrategyHandle(desk, EVIL),  # type: ignore[arg-type]
        "no handle": StrategyHandle(desk, f"other {EVIL}"),  # type: ignore[arg-type]
        "state": StateWriter(desk, Pump()).present(),
        "story": StoryView(Story(id=EVIL, lines=(EVIL, EVIL))),
        "preview": Preview(
            symbol=EVIL, side=Side.BUY, size=Decimal(1), price=Decimal(2), notional=Decimal(2),
            initial_margin=Decimal(1), fee=Decimal(0), stop_price=None, loss_at_stop=None,
            liquidation_price=None, binding=EVIL, refusal=EVIL,
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", everything())
def test_no_word_becomes_markup_and_both_faces_say_it(name: str) -> None:
    shown = everything()[name]
    tags = Tags(shown._repr_html_())
    assert "img" not in tags.names
    assert not tags.open
    assert EVIL[:20] in tags.text
    assert EVIL[:20] in repr(shown)


def test_the_desks_own_page_keeps_words_words() -> None:
    tags = Tags(html_of(hostile(), name=EVIL, label=EVIL))
    assert "img" not in tags.names
    assert EVIL in tags.text


def test_a_refusal_says_the_rule_and_shows_all_that_was_measured(desk: Desk) -> None:
    ready_desk(desk)
    receipt = desk.buy(BTC, size=500, stop=1)
    refused = receipt.refused
    assert refused is not None
    assert repr(refused).startswith(f"{BTC} refused by {refused.rule}: found ")
    rows = list(refused.table)
    assert not rows[0]["passed"], "what failed comes first"
    assert len(rows) == len(refused.findings) > 0
    page = Tags(receipt._repr_html_())
    assert "NOT COMPLETE" in page.text
    assert refused.rule in page.text


def test_every_thing_a_desk_hands_out_has_two_faces(desk: Desk) -> None:
    ready_desk(desk)
    handle = desk.start(Pendulum([BTC], "1s", hold=900), name="shown")
    desk.wait_for(lambda s: any(row.size and row.guarded for row in s.positions), 60)
    order = desk.fills[-1]["client_id"]
    things = [
        desk, desk.state, handle, desk.positions, desk.orders, desk.fills, desk.refusals, desk.strategies,
        desk.risk, desk.funding, desk.pnl, desk.book(BTC), desk.why(order), desk.why_not(BTC),
        desk.size(BTC, stop=1), desk.stress(price=-0.1), desk.preflight(), desk.flatten(),
    ]  # fmt: skip
    for thing in things:
        page = Tags(thing._repr_html_())
        assert not page.open, type(thing)
        assert page.text.strip(), type(thing)
        assert not repr(thing).startswith("<contractdesk"), type(thing)
    assert "hold" in Tags(handle._repr_html_()).text
    assert "900" in Tags(handle._repr_html_()).text
    assert isinstance(things[11], BookView)


def test_a_column_of_a_table_by_its_name() -> None:
    table = Table("things", ("a", "b"), [(1, 2), (3, 4)])
    assert table["b"] == [2, 4]
    assert table[0] == {"a": 1, "b": 2}
    assert table._ipython_key_completions_() == ["a", "b"]
    with pytest.raises(KeyError, match="it has a, b"):
        table["c"]


def ready_desk(desk: Desk) -> None:
    desk.book(BTC)
    ready(desk)
