"""``cd.allow_nested()``: lets users' own ``asyncio.run()`` work inside a cell. Never applied by itself.

The desk does not need it: its loop is in a thread of its own, and verbs are plain blocking calls.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util

_APPLIED: list[str] = []
_PATCHES = ("nest_asyncio2", "nest_asyncio")  # the maintained successor first


def allow_nested() -> str:
    """Patch asyncio so that ``asyncio.run()`` may be called in a cell; returns what was applied.

    Affects the whole process (pure-Python tasks, 1.7 to 2.6 times slower, the desk's loop included);
    ``desk.preflight()`` reports it. Calling it again changes nothing.
    """
    if _APPLIED:
        return _APPLIED[0]
    for name in _PATCHES:
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name).apply()
            _APPLIED.append(name)
            return name
    raise ImportError("install nest-asyncio2 to call asyncio.run() inside a cell")


def nested() -> str:
    """Which patch is in force, "" for none; also sees one that somebody else applied."""
    if _APPLIED:
        return _APPLIED[0]
    return "nest-asyncio" if hasattr(asyncio, "_nest_patched") else ""
