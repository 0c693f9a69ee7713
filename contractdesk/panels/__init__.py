"""Windows on a desk's snapshots. Nothing here holds trading state; a click is a command on the desk."""

from __future__ import annotations

from contractdesk.panels.catalog import Panels

__all__ = ["Panels"]
