"""Shared by all tests: where the recordings are, how hypothesis runs, and who runs what beside whom."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

REPOSITORY = Path(__file__).parents[1]
WORKERS = 3  # on two cores: most live tests wait for a market, a socket or a browser


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Workers beside each other for the suite or a folder; a named file runs in this process alone."""
    return 0 if any(".py" in word for word in config.args) else WORKERS


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real recordings; the test is skipped where it is missing."""
    folder = Path(os.environ.get("CONTRACTDESK_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "MANIFEST.md").exists():
        pytest.skip(f"no recordings at {folder} (set CONTRACTDESK_DATA)")
    return folder
