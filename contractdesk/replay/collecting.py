"""The cyclic garbage collector during a run: a replay makes millions of small objects and hardly a cycle.

Counted references free them at once. The collector would still look at them every 700 new ones, and now
and then at everything that was imported: 15 % of a run.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 100_000  # more objects made than freed, before it looks at the young ones


@contextmanager
def patient_collector() -> Iterator[None]:
    """It looks seldom, and not at what was there before; as it was afterwards."""
    known, frozen = gc.get_threshold(), gc.get_freeze_count()
    if known[0]:  # else it is off: somebody else knows better
        gc.set_threshold(max(known[0], PATIENCE), *known[1:])
    if not frozen:
        gc.freeze()
    try:
        yield
    finally:
        if not frozen:
            gc.unfreeze()
        gc.set_threshold(*known)
