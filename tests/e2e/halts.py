"""Halting as a person does it, and how long it takes until the screen says HALTED."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import NamedTuple

from playwright.sync_api import Page

from tests.e2e.lab import PATIENCE_S, REPOSITORY, Lab
from tests.e2e.watch import halted_at, watch_for_halt
from tests.e2e.witness import state_folder

# `contractdesk halt`, which waits for Enter with most of its libraries loaded, and says when it asks: how
# long an interpreter takes to start is the machine's affair, and on a loaded one more than the second.
COMMAND = """
import sys, time
import jupyter_client.blocking.client
from contractdesk import cli
from contractdesk.console import remote

def asking(*words, ask=remote.ask):
    sys.stdout.write(f"{time.time()}\\n")
    return ask(*words)

remote.ask = asking
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
cli.app()
"""


class Halt(NamedTuple):
    """When the status bar said HALTED (wall-clock seconds), and how long that took."""

    at_s: float
    took_s: float  # since the click, or since the command asked
    in_all_s: float  # since the click, or since the command was entered: an interpreter's start included


def by_the_panel(page: Page) -> Halt:
    """Click on Halt."""
    watch_for_halt(page)
    page.locator(".cd-button-halt").click()
    clicked, halted = halted_at(page)
    return Halt(halted, halted - clicked, halted - clicked)


class Prompt:
    """A terminal in which ``contractdesk halt`` stands, and only Enter is to be pressed."""

    def __init__(self, lab: Lab) -> None:
        state = {"CONTRACTDESK_STATE": str(state_folder(lab)), "PYTHONPATH": str(REPOSITORY)}
        began = time.time()
        self._process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "halt", "--reason", "enough"],
            env=os.environ | state,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        self._loaded_s = time.time() - began

    def enter(self, page: Page) -> Halt:
        """Halt; AssertionError where that was not confirmed."""
        watch_for_halt(page)
        entered = time.time()
        output, errors = self._process.communicate("\n", timeout=PATIENCE_S)
        assert self._process.returncode == 0, errors
        asked, said = output.split("\n", 1)
        assert " (EMBEDDED): halted\n" in said, said
        _, halted = halted_at(page)
        return Halt(halted, halted - float(asked), self._loaded_s + halted - entered)
