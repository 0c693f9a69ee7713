"""A refused key is not hammered with, and what protects is sent all the same."""

from __future__ import annotations

from contractdesk.clock import NS_PER_S
from contractdesk.venues.key_gate import PROBE_S, KeyGate
from contractdesk.venues.limits import Priority

READ, STOP = Priority.RECONCILE, Priority.PROTECT


def test_one_question_a_period_and_every_stop() -> None:
    gate = KeyGate()
    assert gate.passes(READ, 0)
    assert gate.refused(0)
    sent = [now_s for now_s in range(3 * PROBE_S) if gate.passes(READ, now_s * NS_PER_S)]
    assert sent == [PROBE_S, 2 * PROBE_S]
    assert all(gate.passes(STOP, now_s * NS_PER_S) for now_s in range(PROBE_S))
    assert not gate.refused(3 * PROBE_S * NS_PER_S)


def test_an_answer_opens_it() -> None:
    gate = KeyGate()
    gate.refused(0)
    gate.taken()
    assert gate.passes(READ, 1)
    assert gate.refused(2), "the next refusal is news again"
