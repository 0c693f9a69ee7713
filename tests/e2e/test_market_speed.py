"""The capture of 2024 at its own speed, for two minutes: what the console shows is true, and costs little.

``make soak-console`` does the same for twenty.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.lab import Lab, new_page
from tests.e2e.soak import CAPTURE, Screen, Soak, rss_mb, soak
from tests.e2e.tops import NEVER_MS

pytestmark = pytest.mark.recording
WINDOWS, MOST = 6, 18  # of 20 s
TRUE_WINDOWS, TRUE = (
    3,
    0.99,
)  # a minute in which the top shown was never older than 250 ms, but for a hundredth
SPAN_S = 15.0  # of listening to a kernel whose tab was closed
SILENT_S = 10.0  # after which it has noticed


@pytest.fixture(scope="module")
def screen(browser: Browser, lab: Lab, recordings: Path) -> Iterator[Screen]:
    page = new_page(browser)
    yield Screen(page, lab, recordings / CAPTURE)
    page.close()


@pytest.fixture(scope="module")
def measured(screen: Screen) -> Soak:
    """Two minutes of watching; each test asserts one thing of them.

    Up to four where a machine that is busy with other things shows no true minute before.
    """
    found = soak(screen, lambda found: len(found.windows) < (WINDOWS if true_minute(found) else MOST))
    sys.stdout.write("\n" + "\n".join(found.lines()) + "\n")
    return found


def true_minute(found: Soak) -> bool:
    return sum(window.true_share >= TRUE for window in found.windows) >= TRUE_WINDOWS


def test_the_top_shown_is_the_exchanges_within_a_quarter_of_a_second(measured: Soak) -> None:
    assert true_minute(measured), [window.true_share for window in measured.windows]
    never = [age for window in measured.windows for age in window.ages_ms if age == NEVER_MS]
    assert len(never) <= sum(len(window.ages_ms) for window in measured.windows) / 1_000


def test_at_most_fifty_messages_a_second(measured: Soak) -> None:
    assert 10 < measured.fullest_second <= 50


def test_the_memory_of_browser_and_server_stays_flat(measured: Soak) -> None:
    assert measured.growth_mb("heap") < 8
    assert measured.growth_mb("server") < 5


def test_the_console_costs_the_kernel_less_than_a_tenth_of_a_core(measured: Soak) -> None:
    assert min(measured.shares("kernel")) - measured.without < 0.10


def test_a_closed_tab_gets_probes_alone_and_the_server_keeps_little_for_it(
    measured: Soak, screen: Screen
) -> None:
    away = screen.leave()
    try:
        away.widget_messages(SILENT_S)
        before = rss_mb(away.server)
        assert away.widget_messages(SPAN_S) <= 5  # one in 5 s, where an open tab gets 500
        assert rss_mb(away.server) - before < 3
    finally:
        away.close()
