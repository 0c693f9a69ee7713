"""Halting from another process: a real kernel with a busy cell, and the exchange's own word on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from contractdesk.console import remote
from contractdesk.console.control import REPLY, REQUEST, Action
from contractdesk.console.heartbeat import STATE
from contractdesk.console.opening import open_desk
from contractdesk.desk import embedded
from contractdesk.desk.lock import owners
from contractdesk.desk.paths import DeskPaths
from contractdesk.errors import ConfigError

NAME = "far"
CELL_WITHIN_S = 60.0
RISK = {"size_cap": "0.1"}
OPEN = f"""
import contractdesk as cd
desk = cd.open_desk("embedded", name="{NAME}", seed=7, fresh=True, idle_limit_s=20, risk={RISK})
desk.start(cd.library.TrendFollow(symbols=["BTC/USDT:USDT"], longs=False, shorts=False))  # it only watches
desk.wait_for(lambda s: s.symbols and all(symbol.mark for symbol in s.symbols.values()))
"""
TRADE = """
if desk.snapshot.state.value != "ACTIVE":
    desk.resume()
desk.buy("BTC/USDT:USDT", notional=150, stop=cd.fixed_stop(desk.book("BTC/USDT:USDT").best_bid * 95 / 100))
desk.wait_for(lambda s: s.positions and s.positions[0].size and s.protected_fraction == 1)
bid = desk.book("BTC/USDT:USDT").best_bid
low = [bid * (97 - step) / 100 for step in range(2)]
for price in low:
    desk.buy("BTC/USDT:USDT", size=0.002, limit=price, stop=cd.fixed_stop(bid * 94 / 100), post_only=True)
entries = lambda s: [o for o in s.orders if o.status.value == "working" and o.request.role.name == "ENTRY"]
desk.wait_for(lambda s: len(entries(s)) == 2)
"""


class Kernel:
    """A real ipykernel in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.manager = KernelManager()
        self.manager.start_kernel(cwd=str(folder))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=CELL_WITHIN_S)

    @property
    def pid(self) -> int:
        (owner,) = {owner.pid for owner in owners() if owner.desk == NAME}
        return owner

    def run(self, code: str) -> None:
        reply = self.client.execute_interactive(code, timeout=CELL_WITHIN_S, output_hook=lambda _: None)
        assert reply["content"]["status"] == "ok", reply["content"]

    @contextmanager
    def busy(self) -> Iterator[None]:
        """An endless cell runs meanwhile."""
        request = self.client.execute("while True: pass", stop_on_error=False)
        while True:
            said = self.client.get_iopub_msg(timeout=CELL_WITHIN_S)
            if said["msg_type"] == "execute_input" and said["parent_header"]["msg_id"] == request:
                break
        try:
            yield
        finally:
            self.manager.interrupt_kernel()
            self.client.get_shell_msg(timeout=CELL_WITHIN_S)

    def request(self, content: dict[str, Any]) -> dict[str, Any]:
        """What a request of any content is answered with, over the control channel."""
        message = self.client.session.msg(REQUEST, content)
        self.client.control_channel.send(message)
        while (got := self.client.get_control_msg(timeout=CELL_WITHIN_S))["msg_type"] != REPLY:
            pass
        answer: dict[str, Any] = got["content"]
        return answer

    def told(self) -> Iterator[dict[str, Any]]:
        """What is told of the desks on iopub, in the order of its coming."""
        while True:
            said = self.client.get_iopub_msg(timeout=CELL_WITHIN_S)
            if said["msg_type"] == STATE:
                assert not said["parent_header"]  # it is no cell's output
                yield said["content"]

    def end(self) -> None:
        self.manager.shutdown_kernel(now=True)
        self.client.stop_channels()


@pytest.fixture(scope="module")
def kernel(home: Path) -> Iterator[Kernel]:
    running = Kernel(home)
    try:
        running.run(OPEN)
        yield running
        running.run("desk.close(leave='flatten')")
    finally:
        running.end()


def exchange_says() -> tuple[list[str], list[str], Decimal]:
    """(entries, stops, position) of the account, by the exchange alone."""
    running = embedded.find(DeskPaths.of(NAME).exchange)
    assert running is not None
    account = json.loads(embedded.get(running.address, "/control/state"))["accounts"][NAME]
    entries = [order["client_id"] for order in account["open_orders"]]
    stops = [order["client_id"] for order in account["algo_orders"] if order["status"] == "NEW"]
    return entries, stops, Decimal(account["positions"].get("BTCUSDT", {}).get("size", "0"))


def test_a_busy_kernel_is_halted_from_a_terminal(kernel: Kernel) -> None:
    kernel.run(TRADE)
    entries, stops, held = exchange_says()
    assert len(entries) == 2
    assert len(stops) == 1
    with kernel.busy():
        words = [
            sys.executable,
            "-c",
            "from contractdesk.cli import app; app()",
            "halt",
            "--reason",
            "enough",
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=CELL_WITHIN_S)
        assert exchange_says() == ([], stops, held)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("far (EMBEDDED): halted\n")
    assert "(enough)" in done.stdout
    kernel.run("assert desk.snapshot.state.value == 'HALTED'")


def test_flatten_closes_what_is_held_and_the_desk_stays_halted(kernel: Kernel) -> None:
    kernel.run(TRADE)
    with kernel.busy():
        (answer,) = remote.ask(Action.FLATTEN, NAME)
        assert exchange_says() == ([], [], 0)
    assert answer.confirmed
    assert answer.text.startswith("far (EMBEDDED): halted and flattened\n")
    kernel.run("assert desk.snapshot.state.value == 'HALTED'")


def test_a_kernel_that_does_not_answer_is_said_so(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(remote.CONFIRM_S, Action.HALT, 0.2)
    os.kill(kernel.pid, signal.SIGSTOP)
    try:
        (answer,) = remote.ask(Action.HALT, NAME)
    finally:
        os.kill(kernel.pid, signal.SIGCONT)
    assert not answer.confirmed
    assert answer.text.startswith(f"far: halted NOT confirmed: process {kernel.pid} holds it, and it has not")
    assert f"`kill {kernel.pid}` ends the process" in answer.text


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"action": "open"}, "Invalid enum value 'open' - at `$.action`"),
        ({}, "missing required field `action`"),
        ({"action": "halt", "desk": "other"}, "no desk 'other' is open in this kernel; open: far"),
    ],
)
def test_a_wrong_request_is_answered(kernel: Kernel, content: dict[str, Any], error: str) -> None:
    answer = kernel.request(content)
    assert not answer["outcomes"]
    assert error in answer["error"]


def test_a_busy_kernel_tells_how_its_desks_stand_and_a_closed_one_is_missing_at_once(kernel: Kernel) -> None:
    other = 'other = cd.open_desk("embedded", name="near", seed=5, idle_limit_s=20)'
    kernel.run(other)
    with kernel.busy():
        told = kernel.told()
        next(content for content in told if [desk["name"] for desk in content["desks"]] == [NAME, "near"])
        numbers = [next(told)["sequence"] for _ in range(3)]
        assert numbers == list(range(numbers[0], numbers[0] + 3))
        standing = kernel.request({"action": "list"})
        assert [(o["desk"], o["label"]) for o in standing["outcomes"]] == [
            (NAME, "EMBEDDED"),
            ("near", "EMBEDDED"),
        ]
    kernel.run("other.close()")
    kernel.client.execute("1")
    assert any([desk["name"] for desk in content["desks"]] == [NAME] for content in kernel.told())


def test_a_desk_outside_jupyter_cannot_be_reached_and_is_named(home: Path) -> None:
    desk = open_desk("embedded", name="script", seed=11, idle_limit_s=20)
    try:
        (answer,) = remote.ask(Action.HALT, "script")
        assert not answer.confirmed
        assert f"process {os.getpid()} holds it, and it is no Jupyter kernel" in answer.text
    finally:
        desk.close()


def test_what_is_not_open_is_not_halted(home: Path) -> None:
    with pytest.raises(ConfigError, match="no desk 'script' is open; open: "):
        remote.ask(Action.HALT, "script")
