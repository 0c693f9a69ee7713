"""Is this installation complete? Rows of what was found, and what to do where something is missing."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterator

from contractdesk.clock import SystemClock
from contractdesk.config import load_settings, settings_path
from contractdesk.console.nested import nested
from contractdesk.console.tables import Table
from contractdesk.desk.guardian_start import try_guardian
from contractdesk.desk.paths import state_home
from contractdesk.errors import ContractdeskError
from contractdesk.venues.base import Check

_PACKAGES = {
    "aiohttp": "aiohttp", "anywidget": "anywidget", "bqplot": "bqplot", "ccxt": "ccxt",
    "ipykernel": "ipykernel", "ipywidgets": "ipywidgets", "jupyterlab": "jupyterlab",
    "numba": "numba", "numpy": "numpy",
    "pandas": "pandas", "papermill": "papermill", "talib": "TA-Lib", "websockets": "websockets",
}  # fmt: skip


def diagnose() -> Table:
    """Python, packages, settings, the state folder, the keyring."""
    checks = [_python(), *_packages(), _state(), _settings(), _keyring(), _guardian(), _nested()]
    rows = [(check.name, check.passed, check.found, "" if check.passed else check.advice) for check in checks]
    return Table("doctor", ("check", "passed", "found", "advice"), rows, widest=200)


def _python() -> Check:
    return Check(
        name="python",
        passed=sys.version_info >= (3, 11),
        found=sys.version.split()[0],
        advice="install Python 3.11 or newer",
    )


def _packages() -> Iterator[Check]:
    for module, distribution in _PACKAGES.items():
        try:
            importlib.import_module(module)
            found, passed = importlib.metadata.version(distribution), True
        except ImportError as error:
            found, passed = str(error), False
        yield Check(name=module, passed=passed, found=found, advice=f"pip install {distribution}")


def _state() -> Check:
    folder = state_home()
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return Check(
        name="state folder",
        passed=os.access(nearest, os.W_OK),
        found=str(folder),
        advice="make it writable, or set CONTRACTDESK_STATE to a folder that is",
    )


def _settings() -> Check:
    found, passed = _told(lambda: f"{settings_path()}: {len(load_settings().profiles)} profiles")
    return Check(name="settings", passed=passed, found=found, advice="repair the entry that is named")


def _keyring() -> Check:
    import keyring

    backend = keyring.get_keyring()
    return Check(
        name="keyring",
        passed=True,
        found=f"{type(backend).__module__.removeprefix('keyring.backends.')}, or CONTRACTDESK_... variables",
    )


def _guardian() -> Check:
    found, passed = _told(lambda: f"answers {try_guardian(SystemClock()):.1f} s after its start")
    return Check(
        name="guardian",
        passed=passed,
        found=found,
        advice="a desk refuses entries without it: repair that, or open with guardian=False",
    )


def _nested() -> Check:
    return Check(
        name="nested event loops",
        passed=not nested(),
        found=nested() or "not applied",
        advice="remove nest_asyncio.apply() from the start-up files: it slows every task down",
    )


def _told(ask: Callable[[], str]) -> tuple[str, bool]:
    try:
        return ask(), True
    except ContractdeskError as error:
        return str(error), False
