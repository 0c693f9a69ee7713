"""Nested loops are a user's wish, never ours: applied on request, once, and reported."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import asyncio
import contractdesk as cd
from contractdesk.console.nested import nested
import contractdesk.console.opening

async def inner():
    return 7

async def cell():
    try:
        coroutine = inner()
        asyncio.run(coroutine)
    except RuntimeError:
        coroutine.close()
        print("before:", nested() or "nothing")
    print("applied:", cd.allow_nested() == cd.allow_nested() == nested())
    print("result:", asyncio.run(inner()))

asyncio.run(cell())
"""


def test_it_is_applied_on_request_only_and_then_reported() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.splitlines() == ["before: nothing", "applied: True", "result: 7"]
