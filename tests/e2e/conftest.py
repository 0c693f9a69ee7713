"""One JupyterLab and one chromium for all browser tests; without chromium they are skipped, visibly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.lab import CHROMIUM, Lab, chromium, new_page, running_lab


def pytest_itemcollected(item: pytest.Item) -> None:
    """What is found in this folder needs a browser, and may wait for one that has much to do."""
    item.add_marker(pytest.mark.browser)
    item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="package")  # playwright keeps a loop running: it must end with these tests
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}: `make browser` installs Debian's chromium")
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="package")
def browser(lab: Lab) -> Iterator[Browser]:  # the lab first: it knows whether there is a browser
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = new_page(browser)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots of this run are left for people."""
    return tmp_path_factory.mktemp("pictures")
