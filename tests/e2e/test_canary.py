"""Keys that were typed or loaded: nowhere in widgets, outputs, messages or the saved notebook.

The API key is typed into JupyterLab's password field, its secret comes from a keyring; the desk trades with
them on a loopback exchange, as on a testnet, and hears that they are wrong.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page

from contractdesk.clock import SystemClock
from contractdesk.config import MarketOptions
from contractdesk.desk import embedded
from contractdesk.desk.paths import DeskPaths
from tests.e2e.lab import TOKEN, Lab, open_notebook, run_cell
from tests.e2e.watch import Wire, await_frames, await_status, run_until_said
from tests.e2e.witness import state_folder, until

KEY, SECRET = "canarykey7c41d9e05b", "canarysecret2f86a3b7d1"
SHOWN = "TESTNET"  # stands on every panel: what looks for canaries must find this
WIDGETS = "@jupyter-widgets/jupyterlab-manager:plugin"
VAULT = """
import pathlib
import keyring.backend

class Vault(keyring.backend.KeyringBackend):
    priority = 1
    def get_password(self, service, username):
        file = pathlib.Path(__file__).with_name("vault.txt")
        return file.read_text() if username.endswith("_SECRET") else None
    def set_password(self, service, username, password): ...
    def delete_password(self, service, username): ...
"""
TYPE = """
import getpass, os, keyring, vault
keyring.set_keyring(vault.Vault())
os.environ["CONTRACTDESK_BINANCE_MAIN_TESTNET_KEY"] = getpass.getpass("API key: ")
print("typed")
"""
OPEN = """
import contractdesk as cd
symbol = "BTC/USDT:USDT"
desk = cd.open_desk("binance", mode="testnet", name="canary", endpoints={endpoints})
desk.console()
"""
TRADE = """
print(desk.preflight())
desk.wait_for(lambda s: not s.symbols or all(each.mark for each in s.symbols.values()))
desk.buy(symbol, notional=200, stop=30_000)
display(desk, desk.orders, desk.fills, desk.positions, desk.risk, desk.book(symbol))
print(repr(desk), repr(desk.profile), repr(desk.snapshot), vars(desk), vars(desk._session), desk.log_path)
print("traded")
"""
WRONG = """
try:
    print(desk.buy(symbol, notional=150, stop=30_000))
    print(desk.orders, desk.refusals, desk.snapshot.notices)
finally:
    print("refused")
"""
CLOSE = """
desk.flatten()
desk.close()
print("closed for good")
"""


@contextmanager
def saving_widgets(lab: Lab) -> Iterator[None]:
    """JupyterLab saves the state of all widgets in the notebook, meanwhile."""
    _set(lab, saved=True)
    yield
    _set(lab, saved=False)


def _set(lab: Lab, *, saved: bool) -> None:
    body = json.dumps({"raw": json.dumps({"saveState": saved})}).encode()
    address = f"http://127.0.0.1:{lab.port}/lab/api/settings/{WIDGETS}?token={TOKEN}"
    urllib.request.urlopen(urllib.request.Request(address, data=body, method="PUT"), timeout=10).close()


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[embedded.Running]:
    """An exchange with an account for the canaries."""
    running = embedded.ensure(
        DeskPaths(tmp_path / "venue"), MarketOptions(seed=5, idle_limit_s=120), SystemClock()
    )
    embedded.open_account(running, "canary", KEY, SECRET, MarketOptions())
    yield running
    embedded.stop(running, SystemClock())


def typed(page: Page, secret: str) -> None:
    """Type into the password field of the cell that runs."""
    field = page.locator(".jp-Stdin-input")
    field.wait_for()
    field.fill(secret)
    field.press("Enter")


def saved(page: Page, path: Path) -> str:
    """The notebook's file once it has been saved with all its cells run."""
    before = path.read_text()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+s")
    until(lambda: path.read_text() not in ("", before), "saving")  # "": it is being written
    return path.read_text()


def test_keys_reach_no_widget_output_message_or_saved_notebook(
    page: Page, lab: Lab, venue: embedded.Running
) -> None:
    (lab.folder / "vault.py").write_text(VAULT)
    (lab.folder / "vault.txt").write_text(SECRET)
    where = embedded.endpoints(venue)
    opening = OPEN.replace("{endpoints}", repr({"rest": where.rest, "stream": where.stream}))
    wire = Wire(page)
    wire.listen_for(KEY, SECRET, SHOWN)
    with saving_widgets(lab):
        name = lab.write("canary.ipynb", *map(str.strip, (TYPE, opening, TRADE, WRONG, CLOSE)))
        open_notebook(page, lab, name)
        run_cell(page, 0)
        typed(page, KEY)
        await_status(page, "Idle")
        run_cell(page, 1)
        page.locator(".cd-ladder-canvas").first.wait_for()
        run_until_said(page, 2, "traded")
        await_frames(page, 10)
        embedded.post(venue.address, "/control/fault", wrong_key())
        run_until_said(page, 3, "refused")
        await_frames(page, 10)
        seen = page.content()
        run_until_said(page, 4, "closed for good")
        text = saved(page, lab.folder / name)
    assert wire.count_of(SHOWN, "received")
    assert wire.count_of(KEY, "sent") == 1  # as it was typed: by the kernel's own password prompt
    assert not wire.count_of(KEY, "received")
    assert not wire.count_of(SECRET, "sent") + wire.count_of(SECRET, "received")
    book = nbformat.reads(text, as_version=4)
    states = book.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert SHOWN in json.dumps(states)
    assert all(cell.outputs for cell in book.cells)
    files = [file for file in state_folder(lab).joinpath("canary").rglob("*") if file.is_file()]
    assert files
    for secret in (KEY, SECRET):
        assert secret not in text
        assert secret not in seen
        assert not [file for file in files if secret.encode() in file.read_bytes()]


def wrong_key() -> dict[str, object]:
    """The venue answers the next order with what it says of a key that is not good for it."""
    said = f"Invalid API-key, IP, or permissions for action, request ip: 10.0.0.1, key: {KEY}"
    match = {"method": "POST", "role": "entry"}
    return {"kind": "answer", "status": 401, "code": -2015, "msg": said, "count": 1, "match": match}
