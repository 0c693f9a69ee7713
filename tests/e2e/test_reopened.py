"""A notebook that ran headless, reopened in JupyterLab by a stranger, and by who trusts it."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from playwright.sync_api import Page

from contractdesk.console.headless import execute
from contractdesk.console.result import Ending
from tests.console.loopback import end_exchanges
from tests.e2e.lab import Lab, open_notebook
from tests.e2e.watch import colours_on_ladder, overflowing, value_of
from tests.test_cli import notebook

CELLS = (
    'name = "reopened"',
    """
import contractdesk as cd
desk = cd.open_desk("embedded", name=name, seed=3, fresh=True, idle_limit_s=120)
desk.book("BTC/USDT:USDT")
desk.console()
""",
    'assert desk.buy("BTC/USDT:USDT", size="0.003", stop=50_000)',
    "desk.close()",
)
CONSOLE = 1  # the cell that showed it, before anything was bought


def sign(lab: Lab, name: str) -> None:
    """What "Trust Notebook" does, for the server's user."""
    folder = lab.folder.parent / "data"
    NotebookNotary(data_dir=str(folder)).sign(nbformat.read(lab.folder / name, as_version=4))


def test_the_final_screen_is_there_untrusted_as_tables_and_trusted_as_widgets(
    page: Page, lab: Lab, tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTRACTDESK_STATE", str(tmp_path / "state"))
    try:
        outcome = execute(notebook(tmp_path / "n.ipynb", *CELLS), lab.folder / "reopened.ipynb", {})
    finally:
        end_exchanges()
    assert outcome.ending is Ending.WELL, outcome.lines

    open_notebook(page, lab, "reopened.ipynb")
    shown = page.locator(".jp-Notebook .jp-Cell").nth(CONSOLE).locator(".jp-OutputArea-output")
    words = shown.filter(has_text="Equity").inner_text()
    page.screenshot(path=pictures / "reopened-untrusted.png")
    assert page.locator(".cd-ladder-canvas").count() == 0, "a stranger's notebook ran scripts"
    for told in (
        "EMBEDDED",
        "reopened",
        "REDUCING",
        "protected 100 %",
        "BTC/USDT:USDT",
        "+0.003",
        "50,000.0",
    ):
        assert told in words, told

    sign(lab, "reopened.ipynb")
    open_notebook(page, lab, "reopened.ipynb")
    page.locator(".cd-ladder-canvas").first.wait_for()
    page.get_by_role("tab", name="Positions 1").wait_for()
    page.wait_for_function("() => document.querySelectorAll('.cd-chart svg path').length > 4")
    page.locator(".cd-gone .cd-button-halt").wait_for(state="hidden")  # it would reach nobody
    page.wait_for_timeout(
        4_000
    )  # past the silence that would be called stale, were somebody expected to talk
    page.screenshot(path=pictures / "reopened-trusted.png")
    assert (
        "desk is closed: what stands here is its last picture" in page.locator(".cd-status-word").inner_text()
    )
    assert page.locator(".cd-stale").count() == 0
    chain = "node => getComputedStyle(node, '::before').display"
    gone = page.locator(".jp-OutputArea-output .jupyter-widgets-disconnected").all()
    assert {node.evaluate(chain) for node in gone} == {"none"}, "broken chains around the last picture"
    assert value_of(page, "protection") == "protected 100 %"
    assert value_of(page, "equity").endswith(" USDT")
    assert page.locator('.cd-state[data-state="REDUCING"]').count() == 1
    assert "+0.003" in page.locator(".cd-table").first.inner_text()
    assert colours_on_ladder(page) > 50
    assert overflowing(page) == []
