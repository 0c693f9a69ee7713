"""What is stored comes back as it was, whatever its type."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contractdesk.domain.commands import Notify, Severity
from contractdesk.domain.events import StrategyTuned, TimePassed
from contractdesk.errors import StorageError
from contractdesk.storage.codec import decode_command, decode_event, encode
from contractdesk.venues.credentials import Secret
from tests.storage.values import COMMANDS, EVENTS, values


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_comes_back(kind):
    @settings(max_examples=20)
    @given(values(kind))
    def law(event):
        again = decode_event(encode(event))
        assert again == event
        assert type(again) is kind
        assert encode(again) == encode(event)

    law()


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
def test_every_command_comes_back(kind):
    @settings(max_examples=20)
    @given(values(kind))
    def law(command):
        again = decode_command(encode(command))
        assert again == command
        assert type(again) is kind
        assert encode(again) == encode(command)

    law()


@given(st.binary(max_size=64))
def test_garbage_is_refused_with_a_reason(data):
    for decode in (decode_event, decode_command):
        with pytest.raises(StorageError, match="cannot be read"):
            decode(data)


def test_a_command_is_no_event():
    command = Notify(severity=Severity.INFO, code="x", message="y")
    with pytest.raises(StorageError):
        decode_event(encode(command))


def test_a_secret_is_refused():
    event = StrategyTuned(ts_ns=1, who="me", strategy_id="s", params={"key": Secret("hunter2")})
    with pytest.raises(StorageError) as refusal:
        encode(event)
    assert "hunter2" not in str(refusal.value)


def test_a_decimal_parameter_becomes_its_text():
    event = StrategyTuned(ts_ns=1, who="me", strategy_id="s", params={"x": Decimal("2.50")})
    again = decode_event(encode(event))
    assert isinstance(again, StrategyTuned)
    assert again.params == {"x": "2.50"}


def test_numbers_beyond_64_bits_are_refused():
    with pytest.raises(StorageError, match="cannot be stored"):
        encode(TimePassed(ts_ns=2**70))
