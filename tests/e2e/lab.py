"""A JupyterLab of its own in a temporary folder, and a chromium that looks at it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
TOKEN = "e2e"
PATIENCE_S = 90.0  # a bound, not a wait: whoever shares the machine must not decide whether a test passes
BOOT_S = 180.0  # of a server: on a busy machine imports alone take a minute
REPOSITORY = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
_OVERRIDES: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}


class Lab:
    """A running server; notebooks are written into its folder and opened by name."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def write(self, name: str, *cells: str) -> str:
        """Write a notebook of code cells; returns its name."""
        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(book, self.folder / name)
        return name

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/lab/tree/{name}?reset&token={TOKEN}"


@contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """Boot JupyterLab on loopback with its settings under ``folder``; ends its whole group after."""
    books = folder / "books"
    for name in ("books", "state", "config", "data", "runtime", "ipython", "app", "workspaces", "user"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "app" / "overrides.json").write_text(json.dumps(_OVERRIDES))
    port = free_port()
    with (folder / "lab.log").open("wb") as log:
        process = subprocess.Popen(
            _command(folder, port),
            cwd=books,
            env=_environment(folder),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _await_server(port, process, folder / "lab.log")
        yield Lab(books, port)
    finally:
        _end(process)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_S * 1_000)
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def new_page(browser: Browser, width: int = 1440, height: int = 900) -> Page:
    """A page of this size in pixels, that waits for anything for ``PATIENCE_S`` at most."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE_S * 1_000)
    return page


def open_notebook(page: Page, lab: Lab, name: str) -> None:
    """Open ``name`` and wait until its kernel is idle: an earlier Shift+Enter would be lost."""
    page.goto(lab.url(name))
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    page.locator("#jp-main-statusbar", has_text="| Idle").wait_for()


def run_cell(page: Page, index: int) -> None:
    """Run one cell; returns as soon as it was sent."""
    cell = page.locator(".jp-Notebook .jp-Cell").nth(index)
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")


def interrupt(page: Page, index: int) -> None:
    """Interrupt the kernel, as a person does; cell ``index`` says that it has ended."""
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    page.keyboard.press("i")
    said = page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-OutputArea-output pre")
    said.first.wait_for()


def set_theme(page: Page, theme: str) -> None:
    """``JupyterLab Light`` or ``JupyterLab Dark``, through the lab's own command."""
    page.keyboard.press("Control+Shift+C")
    page.locator(".lm-CommandPalette-input").fill(f"Use Theme: {theme}")
    page.locator(".lm-CommandPalette-item", has_text=theme).first.click()
    light = "true" if theme.endswith("Light") else "false"
    page.locator(f'body[data-jp-theme-light="{light}"]').wait_for(state="attached")


def _command(folder: Path, port: int) -> list[str]:
    settings = {"app_settings": "app", "workspaces": "workspaces", "user_settings": "user"}
    return [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}", "--allow-root",
        "--LabApp.news_url=None",
        *(f"--LabApp.{key}_dir={folder / name}" for key, name in settings.items()),
    ]  # fmt: skip


def _environment(folder: Path) -> dict[str, str]:
    return os.environ | {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
        "CONTRACTDESK_STATE": str(folder / "state"),
        "PYTHONPATH": str(REPOSITORY),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_server(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={TOKEN}", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
    except ProcessLookupError:
        return
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
