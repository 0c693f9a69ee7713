"""Work that goes on for as long as a venue is open: whatever it raises is told, and it begins again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from contractdesk.venues.credentials import redact

log = logging.getLogger(__name__)
AGAIN_S = 0.5


def _nothing(_: str) -> None:
    pass


async def go_on(
    name: str, work: Callable[[], Awaitable[None]], on_fault: Callable[[str], None] = _nothing
) -> None:
    """Await ``work`` for ever. A task that died of a fault would be missed only when it is needed.

    ``on_fault(reason)`` is told of each fault, before the work begins again.
    """
    while True:
        try:
            await work()
        except Exception as fault:  # a supervisor: expected errors are dealt with inside the work
            reason = f"fault in {name}: {redact(repr(fault))}"
            log.error("%s; it begins again", reason)  # noqa: TRY400  (a traceback may hold what redact hides)
            on_fault(reason)
        await asyncio.sleep(AGAIN_S)
