"""What tests of panels share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.panels.seat import Seat


@pytest.fixture
def seat() -> Iterator[Callable[..., Seat]]:
    seats: list[Seat] = []

    def take(label: str = "EMBEDDED") -> Seat:
        seats.append(Seat(label))
        return seats[-1]

    yield take
    for one in seats:
        one.desk.answering.set()
        one.close()
