"""Where recordings rest when nobody says where: ``$XDG_DATA_HOME/contractdesk/history``."""

from __future__ import annotations

import os
from pathlib import Path


def history_root(root: str | Path | None = None) -> Path:
    """The folder that was given, ``CONTRACTDESK_HISTORY``, or the user's own."""
    if root is not None:
        return Path(root)
    if chosen := os.environ.get("CONTRACTDESK_HISTORY"):
        return Path(chosen)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "contractdesk" / "history"
