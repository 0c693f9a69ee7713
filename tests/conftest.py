"""Shared by all tests: where the recordings are, and how hypothesis runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real recordings; the test is skipped where it is missing."""
    folder = Path(os.environ.get("CONTRACTDESK_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "MANIFEST.md").exists():
        pytest.skip(f"no recordings at {folder} (set CONTRACTDESK_DATA)")
    return folder
