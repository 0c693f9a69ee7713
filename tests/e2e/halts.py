"""Halting as a person does it, and how long it takes until the screen says HALTED."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import NamedTuple

from playwright.sync_api import Page

from tests.e2e.lab import REPOSITORY, Lab
from tests.e2e.watch import halted_at, watch_for_halt
from tests.e2e.witness import state_folder

# `contractdesk halt`, which says when it asks: how long an interpreter takes to start and to load libraries
# is the machine's affair, and on a loaded one more than the second.
COMMAND = """
import sys, time
import jupyter_client.blocking.client
from contractdesk import cli
from contractdesk.console import remote

def asking(*words, ask=remote.ask):
    sys.stdout.write(f"{time.time()}\\n")
    return ask(*words)

remote.ask = asking
cli.app()
"""


class Halt(NamedTuple):
    """When the status bar said HALTED (wall-clock seconds), and how long that took."""

    at_s: float
    took_s: float  # since the click, or since the command asked
    since_enter_s: float  # since the click, or since the command was entered


def by_the_panel(page: Page, _: Lab) -> Halt:
    """Click on Halt."""
    watch_for_halt(page)
    page.locator(".cd-button-halt").click()
    clicked, halted = halted_at(page)
    return Halt(halted, halted - clicked, halted - clicked)


def by_the_terminal(page: Page, lab: Lab) -> Halt:
    """``contractdesk halt``, confirmed; AssertionError where it was not."""
    watch_for_halt(page)
    environment = os.environ | {"CONTRACTDESK_STATE": str(state_folder(lab)), "PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, "-c", COMMAND, "halt", "--reason", "enough"]
    entered = time.time()
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    asked, said = done.stdout.split("\n", 1)
    assert " (EMBEDDED): halted\n" in said, said
    _, halted = halted_at(page)
    return Halt(halted, halted - float(asked), halted - entered)
