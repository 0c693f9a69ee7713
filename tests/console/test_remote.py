"""Asking several kernels: all at once, and each by itself."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from contractdesk.console import remote
from contractdesk.console.control import Action, Outcome, Reply, Request
from contractdesk.desk.lock import Owner

OWNERS = [Owner(pid=number, desk=f"desk{number}", kernel=f"/kernel-{number}.json") for number in (1, 2, 3)]
AT_ONCE_S = 10.0  # only one that is never asked is waited for so long


def answered(connection: Path) -> Reply:
    (owner,) = [owner for owner in OWNERS if owner.kernel == str(connection)]
    outcome = Outcome(desk=owner.desk, label="PAPER", state="HALTED", done=True, text="halt: HALTED")
    return Reply(outcomes=(outcome,))


@pytest.fixture(autouse=True)
def _three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "owners", lambda: OWNERS)


@pytest.mark.parametrize("action", [Action.HALT, Action.FLATTEN])
def test_no_kernel_waits_for_another_to_answer(action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    all_asked = threading.Barrier(len(OWNERS))

    def send(connection: Path, request: Request, within_s: float) -> Reply:
        assert (request.action, within_s) == (action, remote.CONFIRM_S[action])
        all_asked.wait(AT_ONCE_S)
        return answered(connection)

    monkeypatch.setattr(remote, "send", send)
    answers = remote.ask(action)
    assert [answer.text.split()[0] for answer in answers] == ["desk1", "desk2", "desk3"]
    assert all(answer.confirmed for answer in answers)


def test_a_kernel_that_cannot_be_asked_keeps_no_other_one_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(connection: Path, _request: Request, _within_s: float) -> Reply | None:
        if connection == Path(OWNERS[0].kernel):
            raise ValueError("half a file")
        return None if connection == Path(OWNERS[1].kernel) else answered(connection)

    monkeypatch.setattr(remote, "send", send)
    broken, silent, halted = remote.ask(Action.HALT)
    assert not broken.confirmed
    assert "NOT confirmed: process 1 holds it, and it could not be asked: ValueError: half" in broken.text
    assert not silent.confirmed
    assert "process 2 holds it, and it has not answered within 5 s" in silent.text
    assert halted.confirmed
