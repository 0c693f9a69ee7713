"""The tuning panel without a browser: units and ranges, the draft, Apply, Revert, two clicks on LIVE."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from contractdesk.clock import NS_PER_S, ManualClock
from contractdesk.errors import UserError
from contractdesk.panels import Panels
from contractdesk.panels.draft import Draft
from contractdesk.panels.layout import console
from contractdesk.panels.rehearsal import grid_of
from contractdesk.panels.tuning import Tuning
from contractdesk.panels.tuning_face import Comparison
from tests.e2e.synthetic import SyntheticDesk
from tests.panels.tuner import NAME, TunableDesk, trial

D = Decimal
FAST, SLOW, ENTRY, TRAIL = (f"{NAME}/{name}" for name in ("fast", "slow", "entry", "trail"))
CAP = "/size_cap"


class Panel:
    """The panel as the pump and the browser handle it; what it does aside is waited for."""

    def __init__(self, label: str = "EMBEDDED") -> None:
        self.desk = TunableDesk(label)
        self.tuner = self.desk.tuning
        self.clock = ManualClock(1)
        self.widget = Tuning(self.desk, self.tuner, clock=self.clock)
        self.settle()

    def click(self, **content: Any) -> None:
        self.widget._on_message(self.widget, content, [])
        self.settle()

    def want(self, key: str, value: Any) -> None:
        self.click(do="want", key=key, value=value)

    def apply(self, after_s: float = 0.0) -> None:
        self.clock.advance(int(after_s * NS_PER_S))
        self.click(do="apply", revision=self.widget.state["revision"])

    def settle(self) -> None:
        """Let every errand end, and show what came of it."""
        for _ in range(2):  # what is shown first may ask for an errand of its own
            self.widget.refresh(self.desk.snapshot)
            done = threading.Event()
            self.widget._errands.put("the last one", done.set)
            assert done.wait(10)
        self.widget.refresh(self.desk.snapshot)

    @property
    def word(self) -> str:
        return str(self.widget.state["word"])


@pytest.fixture
def panel() -> Iterator[Panel]:
    made = Panel()
    yield made
    made.tuner.gate.set()
    made.widget.close()


# -- the draft ---------------------------------------------------------------------------------------


def test_a_draft_says_what_differs_what_moved_and_forgets_what_runs_by_now() -> None:
    draft = Draft(lambda _key, one, other: one == other)
    draft.want("a", 8, 12)
    draft.want("b", 1, 2)
    assert [(d.key, d.runs, d.wanted, d.moved) for d in draft.against({"a": 12, "b": 2})] == [
        ("a", 12, 8, False), ("b", 2, 1, False),
    ]  # fmt: skip
    (moved, _) = draft.against({"a": 9, "b": 2})
    assert (moved.moved, moved.began, moved.runs) == (True, 12, 9)
    draft.want("a", 7, 9)  # a further edit does not make it unseen
    assert draft.against({"a": 9, "b": 2})[0].moved
    draft.keep("a", 9)
    assert not draft.against({"a": 9, "b": 2})[0].moved
    assert draft.against({"a": 7, "b": 2})[0].key == "b"
    assert draft.against({"a": 7}) == (), "a strategy that is gone takes its draft with it"


def test_wanting_what_runs_takes_it_out_of_the_draft() -> None:
    draft = Draft(lambda _key, one, other: one == other)
    draft.want("a", 8, 12)
    before = draft.revision
    draft.want("a", 12, 12)
    assert draft.against({"a": 12}) == ()
    assert draft.revision > before


# -- the panel ---------------------------------------------------------------------------------------


def test_it_shows_what_runs_with_units_docs_and_ranges(panel: Panel) -> None:
    first, *others = panel.widget.groups
    assert (first["title"], first["note"]) == (NAME, "TrendFollow, BTC/USDT:USDT, 1m bars")
    fast = first["rows"][0]
    assert (fast["title"], fast["kind"], fast["unit"]) == ("fast", "number", "bars")
    assert (fast["doc"], fast["range"]) == ("bars of the fast mean", "2 to 500 bars")
    assert len(others) == 6
    assert panel.widget.shown[FAST] == "12"
    assert panel.widget.shown[ENTRY] == 0
    assert panel.widget.shown[TRAIL] is True
    assert panel.widget.shown[CAP] == "3"
    assert panel.widget.rows == []


def test_a_control_changes_the_draft_and_nothing_else(panel: Panel) -> None:
    panel.want(FAST, "8")
    panel.want(TRAIL, False)
    panel.want(ENTRY, 1)
    assert panel.widget.shown[FAST] == "8"
    assert [(row["title"], row["was"], row["now"]) for row in panel.widget.rows] == [
        ("fast", "12 bars", "8 bars"), ("trail", "on", "off"), ("entry", "market", "passive"),
    ]  # fmt: skip
    assert panel.tuner.strategy.fast == 12
    assert panel.tuner.asked == []


def test_a_limit_says_whether_it_loosens_and_what_that_is_in_money(panel: Panel) -> None:
    panel.want(CAP, "6")
    (row,) = panel.widget.rows
    equity = panel.desk.snapshot.equity
    assert row["means"] == f"loosens: {equity * 3 / 100:,.2f} \u2192 {equity * 6 / 100:,.2f} USDT"
    assert row["tone"] == "warn"
    panel.want(CAP, "2")
    assert panel.widget.rows[0]["means"].startswith("tightens: ")


def test_a_limit_that_is_off_is_called_so(panel: Panel) -> None:
    panel.want("/max_daily_loss", "2.5")
    (row,) = panel.widget.rows
    assert (row["was"], row["now"]) == ("no limit", "2.5 % of equity")
    assert row["means"].startswith("tightens: no limit \u2192 ")
    panel.apply()
    assert "no limit \u2192 2.5 % of equity" in panel.widget.audit["html"]


def test_apply_is_the_desks_verb_and_the_audit_shows_it(panel: Panel) -> None:
    panel.want(FAST, "8")
    panel.want(CAP, "2")
    panel.apply()
    assert panel.tuner.asked == [
        (NAME, {"fast": 8}, {"fast": 12}),
        ("", {"size_cap": "0.02"}, {"size_cap": "0.03"}),
    ]
    assert panel.tuner.strategy.fast == 8
    assert panel.tuner.settings.size_cap == D("0.02")
    assert panel.word == "applied: fast 8 bars, size cap 2 % of equity"
    assert panel.widget.rows == []
    assert panel.widget.audit["count"] == 2
    assert f"{NAME} fast" in panel.widget.audit["html"]
    assert "12 \u2192 8 bars" in panel.widget.audit["html"]
    assert "3 \u2192 2 % of equity" in panel.widget.audit["html"]


def test_revert_goes_back_to_what_runs(panel: Panel) -> None:
    panel.want(FAST, "8")
    panel.want(CAP, "2")
    panel.click(do="drop", key=CAP)
    assert [row["key"] for row in panel.widget.rows] == [FAST]
    panel.click(do="drop")
    assert panel.widget.rows == []
    assert panel.widget.shown[FAST] == "12"
    panel.apply()
    assert panel.word == "the draft changes nothing"
    assert panel.tuner.asked == []


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (FAST, "9999", "fast = 9999 is not permitted: it must be a whole number, 2 to 500 bars"),
        (CAP, "-1", "size cap = -1 is not permitted: it must be 0 to 1,000 % of equity"),
        ("/secret", "1", "/secret is nothing that can be tuned here"),
    ],
)
def test_a_forged_message_is_refused_with_the_range(panel: Panel, key: str, value: str, said: str) -> None:
    panel.want(key, value)
    assert panel.word == said
    assert panel.widget.rows == []


@pytest.mark.parametrize(
    "content",
    [
        {"do": "want"}, {"do": "want", "key": 7}, {"do": "apply"}, {"do": "apply", "revision": "1"},
        {"do": "keep"}, {"do": "replay", "hours": "all"}, {"do": "replay", "hours": -1}, {"do": "rm"}, {},
    ],
)  # fmt: skip
def test_nonsense_from_the_wire_does_nothing(panel: Panel, content: dict[str, Any]) -> None:
    panel.want(FAST, "8")
    panel.click(**content)
    assert panel.tuner.asked == []
    assert panel.tuner.rehearsed == []
    assert [row["key"] for row in panel.widget.rows] == [FAST]


def test_values_that_do_not_go_together_are_named_and_not_applied(panel: Panel) -> None:
    panel.want(FAST, "30")
    assert panel.widget.state["trouble"] == "fast=30 must be below slow=26"
    panel.apply()
    assert panel.tuner.asked == []
    panel.want(SLOW, "60")
    assert panel.widget.state["trouble"] == ""
    panel.apply()
    assert panel.tuner.strategy.params["fast"] == 30


def test_a_tune_from_a_cell_meanwhile_is_said_and_not_overwritten(panel: Panel) -> None:
    panel.want(FAST, "8")
    panel.tuner.strategy = panel.tuner.strategy.with_params(fast=10)
    panel.settle()
    (row,) = panel.widget.rows
    assert (row["was"], row["now"]) == ("10 bars", "8 bars")
    assert row["moved"] == "was 12 bars when you began"
    panel.apply()
    assert panel.tuner.asked == []
    assert panel.word.startswith("fast: changed elsewhere meanwhile")
    panel.click(do="keep", key=FAST)
    panel.apply()
    assert panel.tuner.asked == [(NAME, {"fast": 8}, {"fast": 10})]


def test_only_the_draft_that_was_seen_is_applied(panel: Panel) -> None:
    panel.want(FAST, "8")
    seen = panel.widget.state["revision"]
    panel.want(CAP, "5")
    panel.click(do="apply", revision=seen)
    assert panel.tuner.asked == []
    assert panel.word == "the draft has changed since: look at it once more"


def test_what_the_desk_refuses_stays_in_the_draft_and_is_told(panel: Panel) -> None:
    panel.want(FAST, "8")
    panel.tuner.refuses = "this desk is closed"
    panel.apply()
    assert panel.word == f"{NAME} NOT changed: this desk is closed"
    assert [row["key"] for row in panel.widget.rows] == [FAST]


# -- LIVE --------------------------------------------------------------------------------------------


def test_on_live_a_loosened_limit_asks_for_a_second_click() -> None:
    panel = Panel("LIVE")
    panel.want(CAP, "6")
    panel.apply()
    assert panel.tuner.asked == []
    assert panel.widget.state["ask"]
    panel.apply(after_s=0.2)
    assert panel.tuner.asked == [], "a double click is one answer"
    panel.apply(after_s=1)
    assert panel.tuner.settings.size_cap == D("0.06")
    assert not panel.widget.state["ask"]


def test_on_live_the_question_is_for_that_draft_and_for_ten_seconds() -> None:
    panel = Panel("LIVE")
    panel.want(CAP, "6")
    panel.apply()
    panel.want(CAP, "600")
    assert not panel.widget.state["ask"]
    panel.apply(after_s=1)
    assert panel.tuner.asked == []
    panel.clock.advance(11 * NS_PER_S)
    panel.settle()
    assert not panel.widget.state["ask"]
    panel.apply()
    assert panel.tuner.asked == []


def test_on_live_a_tightened_limit_and_a_parameter_need_one_click() -> None:
    panel = Panel("LIVE")
    panel.want(CAP, "2")
    panel.want(FAST, "8")
    panel.apply()
    assert len(panel.tuner.asked) == 2


# -- the replay --------------------------------------------------------------------------------------


def until(panel: Panel, true: Callable[[], bool]) -> None:
    """The rehearsal has a thread of its own: look until it says so, bounded."""
    pause = threading.Event()
    for _ in range(500):
        panel.settle()
        if true():
            return
        pause.wait(0.01)
    raise AssertionError(panel.widget.replay)


def test_a_replay_shows_what_runs_and_the_draft_side_by_side(panel: Panel) -> None:
    panel.want(FAST, "8")
    panel.click(do="replay", hours=6)
    assert panel.tuner.under_way.wait(10)
    panel.settle()
    assert (panel.widget.replay["phase"], panel.widget.replay["share"]) == ("running", 0.5)
    panel.click(do="replay", hours=1)
    panel.tuner.gate.set()
    until(panel, lambda: panel.widget.replay["phase"] == "done")
    assert panel.tuner.rehearsed == [(6.0, {NAME: {"fast": 8}})], "one at a time"
    assert "Drawdown" in panel.widget.replay["html"]
    panel.want(FAST, "9")
    assert panel.widget.replay["text"].endswith("of an earlier draft")


def test_a_replay_can_be_cancelled(panel: Panel) -> None:
    panel.want(FAST, "8")
    panel.click(do="replay", hours=6)
    assert panel.tuner.under_way.wait(10)
    panel.clock.advance(NS_PER_S)
    panel.click(do="cancel")
    panel.tuner.gate.set()
    until(panel, lambda: panel.widget.replay["phase"] == "idle")
    assert panel.widget.replay["text"] == "cancelled"
    assert panel.widget.replay["html"] == ""


def test_a_double_click_begins_a_replay_and_does_not_cancel_it(panel: Panel) -> None:
    panel.want(FAST, "8")
    panel.click(do="replay", hours=6)
    assert panel.tuner.under_way.wait(10)
    panel.clock.advance(NS_PER_S // 5)
    panel.click(do="cancel")  # the button reads Cancel as soon as it runs
    panel.tuner.gate.set()
    until(panel, lambda: panel.widget.replay["phase"] == "done")


def test_the_comparison_names_the_change_of_each_figure() -> None:
    grid = grid_of(Comparison(asset="USDT", runs=trial("1.5"), draft=trial("-2")))
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in grid.rows}
    assert rows["Profit, USDT"] == ["+1.50", "\u22122.00", "\u22123.50"]
    assert rows["Drawdown"] == ["\u22121.20 %", "\u22121.20 %", "\u2013"]
    assert rows["Entries"] == ["3", "3", "\u2013"]
    assert rows["Refusals"] == ["2", "2", "\u2013"]


# -- where it stands ---------------------------------------------------------------------------------


def test_a_desk_that_only_shows_says_that_it_cannot_be_tuned() -> None:
    with pytest.raises(UserError, match="cannot be tuned"):
        Panels(SyntheticDesk(warm=1)).tuning()


def test_the_console_has_it_behind_a_tab_of_its_tables() -> None:
    screen = console(TunableDesk())
    try:
        (guest,) = screen.tables.guests
        assert guest["title"] == "Tuning"
        assert guest["widget"] is screen.tuning
        state = screen.tables.get_state("guests")["guests"]
        assert state[0]["widget"] == f"IPY_MODEL_{screen.tuning.model_id}"
    finally:
        screen.close()
    assert not screen.tuning.alive
