"""One JupyterLab and one chromium for all browser tests; without chromium they are skipped, visibly."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.desks import end_kernels, kernels
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


@pytest.fixture(scope="module", autouse=True)
def _no_kernel_left(lab: Lab) -> Iterator[None]:
    """A desk that is still open would go on working, and be heard, beside the next tests."""
    yield
    end_kernels(lab)


@pytest.fixture
def page(browser: Browser, lab: Lab, pictures: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page, and after it no kernel that was begun in it; of a test that failed, its last picture."""
    before, failures = kernels(lab), request.session.testsfailed
    opened = new_page(browser)
    yield opened
    if request.session.testsfailed > failures:
        opened.screenshot(path=pictures / f"failed-{request.node.name}.png")
        sys.stdout.write(f"its last picture: {pictures}/failed-{request.node.name}.png\n")
    opened.close()
    end_kernels(lab, spared=before)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots of this run are left for people."""
    return tmp_path_factory.mktemp("pictures")
