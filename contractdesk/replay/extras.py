"""Libraries that only some replays need: imported when they are used, and named when they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from contractdesk.errors import ConfigError


def extra(module: str, name: str, purpose: str) -> Any:
    """``module``, which the extra ``name`` installs; ConfigError says how where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise ConfigError(
            f"{purpose} needs {module}, which is not installed: pip install 'contractdesk[{name}]'"
        ) from exc
