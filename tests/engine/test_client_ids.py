"""Ids: what goes in comes out, a slip of the pen does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.domain.orders import OrderRole
from contractdesk.engine.client_ids import LENGTH, is_own, make, parse


@given(st.integers(0, 32**3 - 1), st.integers(0, 32**7 - 1), st.sampled_from(OrderRole), st.integers(0, 31))
def test_every_part_comes_back(epoch: int, sequence: int, role: OrderRole, attempt: int) -> None:
    made = make("b0t0", epoch, sequence, role, attempt)
    assert len(made) == LENGTH
    assert made.isalnum()
    assert made.islower() or made.isalnum()
    parts = parse(made)
    assert parts is not None
    assert (parts.bot, parts.epoch, parts.sequence) == ("b0t0", epoch, sequence)
    assert (parts.role, parts.attempt) == (role, attempt)
    assert is_own(made, "b0t0")
    assert not is_own(made, "zzzz")


@given(st.integers(0, 10**9), st.integers(2, LENGTH - 3))
def test_one_wrong_character_is_seen(sequence: int, place: int) -> None:
    made = make("b0t0", 1, sequence, OrderRole.STOP)
    wrong = made[:place] + ("0" if made[place] != "0" else "1") + made[place + 1 :]
    assert parse(wrong) is None


@pytest.mark.parametrize("strange", ["", "cd", "web_1234", "autoclose-1", "cd" + "0" * 17, "x" * 19])
def test_strange_ids_are_nobodys(strange: str) -> None:
    assert parse(strange) is None


@pytest.mark.parametrize(("bot", "sequence"), [("bot", 1), ("b.t0", 1), ("b0t0", 32**7), ("b0t0", -1)])
def test_what_does_not_fit_is_an_error(bot: str, sequence: int) -> None:
    with pytest.raises(ValueError, match=r"bot|fit"):
        make(bot, 1, sequence, OrderRole.ENTRY)
