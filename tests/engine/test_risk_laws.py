"""A thousand stories in which everything happens that may happen, and the risk rules' laws after each event.

A failure names its story's seed: ``Story(seed).tell(steps)`` tells it again, to the event.
"""

from __future__ import annotations

import sys

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contractdesk.domain.account import Account
from contractdesk.domain.events import AccountRead
from contractdesk.domain.instrument import ZERO
from tests.engine.risk_oracle import Oracle
from tests.engine.risk_story import Story
from tests.engine.risk_tally import LEAST_REFUSALS, Tally, required
from tests.engine.risk_terms import D

SEQUENCES = 1_000
TOTAL = Tally()


@settings(
    max_examples=SEQUENCES,
    derandomize=True,  # the same thousand everywhere, and each time
    database=None,
    phases=[Phase.generate],  # a story that is told again is shortened by its steps, by hand
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**62), steps=st.integers(40, 150), fewer=st.integers(40, 150))
def test_the_laws_hold_in_a_thousand_random_sequences(seed: int, steps: int, fewer: int) -> None:
    """No entry once halted; caps hold with everything filled; stops neither loosen nor flip; guards end."""
    TOTAL.add(Story(seed).tell(min(steps, fewer)))


def test_a_thousand_sequences_were_told_and_every_rule_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The run reports what it has reached, and fails where that says too little."""
    with capsys.disabled():
        sys.stderr.write(f"\n{TOTAL.report()}\n")  # a worker's standard output reaches nobody
    assert TOTAL.sequences == SEQUENCES, f"{TOTAL.sequences} of {SEQUENCES} sequences were told"
    story = Story(0)
    story.begin()
    assert not TOTAL.shortfalls(story.engine.view)


# -- that the report is honest ---------------------------------------------------------------


@pytest.fixture(scope="module")
def begun() -> Story:
    story = Story(0)
    story.begin()
    return story


def test_every_rule_of_the_gate_and_before_it_is_required(begun: Story) -> None:
    names = required(begun.engine.view)
    assert {"breaker", "trading_state", "size_cap", "daily_loss", "intent_expiry", "adoption"} <= names
    assert len(names) >= 28


def test_too_little_is_said_by_its_name(begun: Story) -> None:
    view = begun.engine.view
    enough = Tally(sequences=10, holding=3)
    for name in ("unwindings", "trips", "trails", "adoptions", "restores"):
        setattr(enough, name, LEAST_REFUSALS)
    enough.refusals.update(dict.fromkeys(required(view), LEAST_REFUSALS))
    assert enough.shortfalls(view) == []
    enough.refusals["slippage"] -= 1
    enough.holding -= 1
    assert enough.shortfalls(view) == [
        "only 20.0% of the sequences held a position",
        "slippage refused 19 times only",
    ]


def test_a_story_is_the_same_each_time_it_is_told() -> None:
    first, second = (Story(7).tell(60) for _ in range(2))
    assert first == second
    assert first.events > 100


def test_a_breach_names_the_seed_and_the_last_events() -> None:
    story = Story(3)
    story.oracle.at_the_end = lambda: (_ for _ in ()).throw(AssertionError("drift"))  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match=r"seed 3, event \d+: drift\nlast events:"):
        story.tell(1)


def test_the_oracle_believes_only_accounts_that_the_desk_has_taken(begun: Story) -> None:
    """One that nobody asked for is not the equity that caps are measured by."""
    oracle: Oracle = begun.oracle
    known = oracle.known.account
    foreign = Account(
        asset="USDT", wallet_balance=D(10**9), unrealized_pnl=ZERO, initial_margin=ZERO,
        maintenance_margin=ZERO, available=D(10**9),
    )  # fmt: skip
    begun.feed(AccountRead(ts_ns=begun.now_ns, request_id=99_999, account=foreign))
    assert oracle.known.account is known
