"""One loopback exchange for all live tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .rig import exchange_process


@pytest.fixture(scope="session")
def exchange() -> Iterator[str]:
    """The base URL of a loopback exchange with a generated market."""
    with exchange_process("--seed", "11") as url:
        yield url
