"""Tuning a real desk on the loopback exchange: the journal's audit, what was expected, what if."""

from __future__ import annotations

from decimal import Decimal

import pytest

from contractdesk.console.desk import Desk
from contractdesk.console.strategies import StrategyHandle
from contractdesk.errors import ConfigError, UserError
from contractdesk.panels.rehearsal import Cancelled
from contractdesk.panels.tuning_face import DESK, TuningFace
from tests.console.loopback import BTC, Pendulum, ready

NAME = "pendulum"


@pytest.fixture(scope="module")
def swinging(desk: Desk) -> StrategyHandle:
    handle = desk.start(Pendulum([BTC], "1s", hold=3), name=NAME)
    ready(desk)
    return handle


def lines(desk: Desk) -> list[tuple[object, ...]]:
    return [(row["who"], row["what"], row["name"], row["was"], row["now"]) for row in desk.changes]


def test_a_desk_can_be_tuned_and_a_tape_that_is_too_short_says_so(
    desk: Desk, swinging: StrategyHandle
) -> None:
    assert isinstance(desk, TuningFace)
    (row,) = desk.tuning.running()
    assert (row.strategy_id, row.class_name, row.params) == (NAME, "Pendulum", {"hold": 3})
    assert row.declared["hold"].le == 1000
    assert desk.tuning.risk() == desk.risk.settings
    desk.start(Pendulum(["ETH/USDT:USDT"], "1h"), name="slow")
    with pytest.raises(UserError, match=r"^the tape is too short: .* needs 10 bars of 1h; try again in"):
        desk.tuning.rehearse(1, {}, lambda _share: None)
    desk.stop("slow")


def test_every_way_to_tune_is_in_the_audit_with_who_from_and_to(desk: Desk, swinging: StrategyHandle) -> None:
    before = len(desk.changes)
    swinging.tune(hold=4)
    desk.risk.tune(size_cap="0.02")
    assert desk.tuning.apply(NAME, {"hold": 5}, {"hold": 4})
    assert desk.tuning.apply(DESK, {"size_cap": "0.03"}, {"size_cap": "0.02"})
    assert lines(desk)[before:] == [
        ("person", NAME, "hold", 3, 4),
        ("person", "risk", "size_cap", "0.03", "0.02"),
        ("person (panel)", NAME, "hold", 4, 5),
        ("person (panel)", "risk", "size_cap", "0.02", "0.03"),
    ]
    assert swinging.params == {"hold": 5}
    assert desk.risk.settings.size_cap == Decimal("0.03")
    frame = desk.changes.df
    assert frame["changed_time"].is_monotonic_increasing
    assert str(frame["changed_time"].dt.tz) == "UTC"


def test_what_does_not_run_any_more_is_not_overwritten(desk: Desk, swinging: StrategyHandle) -> None:
    swinging.tune(hold=6)
    count = len(desk.changes)
    with pytest.raises(UserError, match="hold is 6 by now, not 5: it was changed elsewhere"):
        desk.tuning.apply(NAME, {"hold": 2}, {"hold": 5})
    with pytest.raises(UserError, match=r"size_cap is 0\.03 by now, not 0\.5"):
        desk.tuning.apply(DESK, {"size_cap": "0.9"}, {"size_cap": "0.5"})
    assert swinging.params == {"hold": 6}
    assert len(desk.changes) == count


def test_out_of_range_is_refused_with_the_range_and_is_not_in_the_audit(
    desk: Desk, swinging: StrategyHandle
) -> None:
    count = len(desk.changes)
    for verb in (desk.tuning.check, lambda owner, changes: desk.tuning.apply(owner, changes, {})):
        with pytest.raises(ConfigError, match="from 1 to 1000"):
            verb(NAME, {"hold": 0})
        with pytest.raises(ConfigError, match="from 0 to 10"):
            verb(DESK, {"size_cap": "11"})
        with pytest.raises(ConfigError, match="at least stop_deadline_s"):
            verb(DESK, {"flatten_deadline_s": 1.0})
    assert len(desk.changes) == count


def test_a_replay_sets_the_draft_beside_what_runs(desk: Desk, swinging: StrategyHandle) -> None:
    swinging.tune(hold=3)
    fills = len(desk.fills)
    desk.wait_for(lambda _snapshot: len(desk.fills) >= fills + 6, 90)
    shares: list[float] = []
    found = desk.tuning.rehearse(1, {NAME: {"hold": 1000}}, shares.append)
    assert found.asset == "USDT"
    assert found.runs.round_trips >= 2
    assert found.draft.round_trips == 0, "it holds to the end"
    assert found.draft.entries >= 1
    assert 0 < found.draft.fees < found.runs.fees
    assert found.runs.drawdown < 0
    assert not found.runs.cut
    assert (found.runs.start_ns, found.runs.end_ns) == (found.draft.start_ns, found.draft.end_ns)
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.5 < shares[-1] <= 1
    assert swinging.params == {"hold": 3}, "a replay changes nothing"


def test_a_replay_of_what_runs_against_itself_finds_no_difference(
    desk: Desk, swinging: StrategyHandle
) -> None:
    found = desk.tuning.rehearse(1, {}, lambda _share: None)
    # Told alike in all but when the two were begun: the second run reads the same session.
    assert found.runs == found.draft


def test_a_limit_of_the_draft_refuses_in_the_replay(desk: Desk, swinging: StrategyHandle) -> None:
    found = desk.tuning.rehearse(1, {DESK: {"size_cap": "0"}}, lambda _share: None)
    assert found.runs.entries > found.draft.entries == 0
    assert sum(found.draft.refusals.values()) > sum(found.runs.refusals.values())
    report = desk.replay(risk={"size_cap": "0"})
    assert report.what_if
    assert not [story for story in report.replayed.values() if story.role == "entry"]


def test_a_replay_ends_at_once_when_it_is_cancelled(desk: Desk, swinging: StrategyHandle) -> None:
    told: list[float] = []

    def cancel(share: float) -> None:
        told.append(share)
        if share >= 0.2:  # past the tape: the first of the two is under way
            raise Cancelled

    with pytest.raises(Cancelled):
        desk.tuning.rehearse(1, {}, cancel)
    assert max(told) < 0.6


def test_without_a_strategy_there_is_nothing_to_replay_and_the_audit_stays(
    desk: Desk, swinging: StrategyHandle
) -> None:
    desk.stop()
    with pytest.raises(UserError, match="no strategy runs"):
        desk.tuning.rehearse(1, {}, lambda _share: None)
    with pytest.raises(UserError, match="does not run"):
        desk.tuning.check(NAME, {"hold": 2})
    told = lines(desk)
    desk.close()
    assert lines(desk) == told, "also of a desk that is closed"
