"""The breaker against a brute-force reading of its definition, and its rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contractdesk.risk import breaker as module
from contractdesk.risk.breaker import LONGEST_NS, SILENT_NS, Breaker, drawdown_words
from tests.risk.desks import approved, enter, linear_desk, refused, review

D = Decimal
NS_PER_S = 1_000_000_000
DROP, WINDOW_NS = D("0.08"), 300 * NS_PER_S
UNIT = D("0.00000001")


@dataclass
class Oracle:
    """Every sample, and the definition word by word; before a silence one stands until the next."""

    samples: list[tuple[int, Decimal, Decimal]] = field(default_factory=list)

    def take(self, ts_ns: int, profit: Decimal, equity: Decimal, drop: Decimal, window_ns: int) -> bool:
        if self.samples and ts_ns - self.samples[-1][0] > SILENT_NS:
            self.samples.append((ts_ns - 1, *self.samples[-1][1:]))
        if equity <= 0:
            return True
        self.samples.append((ts_ns, profit, equity))
        worst = min(
            Fraction(profit - then) / Fraction(base)
            for at, then, base in self.samples
            if at >= ts_ns - window_ns
        )
        return worst <= -Fraction(drop)


def steps(moves: list[tuple[int, str]], *, drop: Decimal = DROP, window_ns: int = WINDOW_NS) -> list[bool]:
    """The answers to samples (seconds, profit) of an account that began with 1,000."""
    breaker = Breaker()
    return [breaker.take(s * NS_PER_S, D(p), 1000 + D(p), drop, window_ns) for s, p in moves]


money = st.decimals(-120, 120, places=8)
move = st.tuples(
    st.sampled_from([0, 1, NS_PER_S, 37 * NS_PER_S, 150 * NS_PER_S, 300 * NS_PER_S, 301 * NS_PER_S]),
    st.one_of(st.sampled_from([D(0), D(-80), D(80), D(-40)]), money),  # profit
    st.one_of(st.just(D(0)), st.sampled_from([D(500), D(-500)])),  # transfer
)
tuning = st.one_of(
    st.none(),
    st.tuples(
        st.sampled_from([D("0.001"), D("0.05"), DROP, D("0.080000001"), D(1)]),
        st.sampled_from([10, 150, 300, 900]).map(lambda seconds: seconds * NS_PER_S),
    ),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(move, tuning), max_size=60))
def test_it_is_the_definition_whatever_moves_is_transferred_or_tuned(
    path: list[tuple[tuple[int, Decimal, Decimal], tuple[Decimal, int] | None]],
) -> None:
    breaker, oracle = Breaker(), Oracle()
    now, profit, equity, drop, window_ns = 0, D(0), D(1000), DROP, WINDOW_NS
    for (wait, gain, transfer), tuned in path:
        now, profit, equity = now + wait, profit + gain, equity + gain + transfer
        drop, window_ns = tuned or (drop, window_ns)
        found = breaker.take(now, profit, equity, drop, window_ns)
        assert found is oracle.take(now, profit, equity, drop, window_ns)
        shown = breaker.drawdown(now)
        if equity > 0:
            assert shown is not None
            assert abs(shown + drop) < D("1e-20") or (shown <= -drop) is found


@pytest.mark.parametrize(
    ("moves", "trips"),
    [
        ([(0, "0"), (10, "-80")], True),  # -8 % of 1,000, exactly
        ([(0, "0"), (10, str(D(-80) + UNIT))], False),
        ([(0, "0"), (1, str(-UNIT)), (300, "-80")], True),  # exactly 300 s
        ([(0, "0"), (1, str(-UNIT)), (301, "-80")], False),
        ([(0, "0"), (301, "-80")], True),  # nothing was heard meanwhile: it was lost from there
        ([(0, "0"), (3600, str(D(-80) + UNIT))], False),
        ([(0, "0"), (100, "-50"), (301, "-80")], True),  # the first one stood until the second
        ([(0, "0"), (5, "-50"), (306, "-80")], False),  # but for a step of marks nothing stands
        ([(0, "100"), (10, "12")], True),  # -8 % of 1,100
        ([(0, "100"), (10, "12.00000001")], False),
        ([(0, "0"), (5, "-40"), (306, "-90"), (311, "-113.2")], False),  # slowly: 50 and 73.2 of 960
    ],
)  # fmt: skip
def test_one_unit_inside_and_outside(moves: list[tuple[int, str]], trips: bool) -> None:
    *before, last = steps(moves)
    assert not any(before)
    assert last is trips


def test_a_transfer_moves_the_equity_and_trips_nothing() -> None:
    breaker = Breaker()
    assert not breaker.take(0, D(0), D(1000), DROP, WINDOW_NS)
    assert not breaker.take(NS_PER_S, D(0), D(100), DROP, WINDOW_NS)  # 900 withdrawn
    assert breaker.take(2 * NS_PER_S, D(-8), D(92), DROP, WINDOW_NS)  # 8 % of what is left


@pytest.mark.parametrize("equity", ["0", "-0.00000001"])
def test_no_equity_trips(equity: str) -> None:
    breaker = Breaker()
    assert breaker.take(0, D(0), D(equity), DROP, WINDOW_NS)
    assert drawdown_words(breaker.drawdown(0), 300) in ("no equity is left",)


def test_a_reset_forgets_what_was_lost() -> None:
    breaker = Breaker()
    breaker.take(0, D(0), D(1000), DROP, WINDOW_NS)
    assert breaker.take(1, D(-80), D(920), DROP, WINDOW_NS)
    breaker.reset()
    assert breaker.drawdown(1) is None
    assert not breaker.take(2, D(-81), D(919), DROP, WINDOW_NS)


def test_it_is_bounded_and_errs_to_tripping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 50)
    breaker, oracle = Breaker(), Oracle()
    for second in range(400):
        profit = D(second % 7) - D(second) / 6
        sample = (second * NS_PER_S, profit, 1000 + profit, DROP, WINDOW_NS)
        assert breaker.take(*sample) >= oracle.take(*sample)
        assert len(breaker.samples) <= 50
    breaker.take(400 * NS_PER_S + LONGEST_NS + 1, D(0), D(1000), DROP, WINDOW_NS)
    assert len(breaker.samples) == 2  # and the last one before the silence


def test_what_would_be_is_what_is_after_a_silence() -> None:
    """What a shock would do and what the rule does agree, however long nothing was measured."""
    for wait in (200, 301, 3600):
        breaker = Breaker()
        breaker.take(0, D(0), D(1000), DROP, WINDOW_NS)
        now = wait * NS_PER_S
        foretold = breaker.drawdown_after(now, D(-100))
        assert breaker.take(now, D(-100), D(900), DROP, WINDOW_NS)
        assert breaker.drawdown(now) == foretold == D("-0.1")


def test_an_idle_account_keeps_one_sample() -> None:
    breaker = Breaker()
    for second in range(100):
        breaker.take(second * NS_PER_S, D(0), D(1000), DROP, WINDOW_NS)
    assert len(breaker.samples) == 1
    assert len(breaker.peaks) == 1


def test_a_latched_breaker_is_the_rule_that_refuses() -> None:
    desk = linear_desk()
    assert approved(desk, enter(desk))
    desk.breaker_reason = "-8.31 % of equity within 300 s"
    no = refused(desk, enter(desk))
    assert no.rule == "breaker"
    assert "-8.31 %" in no.found
    assert no.limit == "> -8 % of equity within 300 s"
    assert "reset" in no.would_pass


def test_the_finding_says_how_far_it_is() -> None:
    desk = linear_desk()
    desk.drawdown = D("-0.021")
    finding = review(desk, enter(desk))[1]["breaker"]
    assert finding.passed
    assert (finding.found, finding.left) == ("-2.10 % within 300 s", "5.90 % of equity")
