"""The embedded exchange: a detached loopback process that outlives kernels, found again by desk name.

Started in its own session, so that Jupyter's interrupt (sent to the kernel's process group) does not
reach it; it ends by itself when nobody has talked to it for the idle limit.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from contractdesk.clock import NS_PER_S, Clock
from contractdesk.config import Endpoints, MarketOptions
from contractdesk.desk.paths import DeskPaths
from contractdesk.errors import UserError

READY = "ready "
START_WITHIN_S = 30.0
REQUEST_WITHIN_S = 5.0
POLL_S = 0.02
_MODULE = "contractdesk.exchange"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never goes by a proxy


class Running(Struct, frozen=True, kw_only=True):
    """What is written down about the process, next to its output."""

    pid: int
    address: str  # http://127.0.0.1:PORT
    market: MarketOptions


def ensure(paths: DeskPaths, market: MarketOptions, clock: Clock) -> Running:
    """The running exchange of this desk, or a new one; UserError where it cannot start."""
    folder = paths.exchange
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    running = find(folder)
    if running is not None and market.fresh:
        stop(running, clock)
        running = None
    if running is None:
        return _start(folder, market, clock)
    if _market(running.market) != _market(market):
        raise UserError(
            f"this desk's exchange already runs with {words(running.market)}: open it with these options,"
            f" with fresh=True to end it and begin anew (its positions are lost), or under another name="
        )
    return running


def find(folder: Path) -> Running | None:
    """The exchange that was started from ``folder``, if it lives and answers."""
    try:
        running = msgspec.json.decode((folder / "process.json").read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError):
        return None
    return running if _ours(running.pid) and _answers(running.address) else None


def stop(running: Running, clock: Clock, within_s: float = 5.0) -> None:
    """End the process; it is given ``within_s`` to do so, then it is killed."""
    if not _ours(running.pid):
        return
    os.kill(running.pid, signal.SIGTERM)
    end_ns = clock.monotonic_ns() + int(within_s * NS_PER_S)
    while _ours(running.pid):
        if clock.monotonic_ns() > end_ns:
            os.kill(running.pid, signal.SIGKILL)
            return
        _reap(running.pid)
        time.sleep(POLL_S)


def endpoints(running: Running) -> Endpoints:
    """Where the venue's code finds it."""
    return Endpoints(rest=running.address, stream=running.address.replace("http://", "ws://", 1))


def open_account(
    running: Running, name: str, key: str, secret: str, market: MarketOptions, asset: str = "USDT"
) -> None:
    """Make sure the account exists; where it already has a balance in ``asset``, it keeps that."""
    body = {"account": name, "key": key, "secret": secret, "asset": asset}
    body["balance"] = str(market.opening_balance(asset))
    post(running.address, "/control/account", body)


def control_state(running: Running) -> dict[str, Any]:
    """The exchange's own truth, plain JSON: accounts by name, with orders, fills and ledger."""
    state: dict[str, Any] = msgspec.json.decode(get(running.address, "/control/state"))
    return state


def get(address: str, path: str) -> bytes:
    """One question to the control API."""
    return _ask(urllib.request.Request(address + path), path)  # noqa: S310  # always http to loopback


def post(address: str, path: str, body: Mapping[str, object]) -> bytes:
    """One request to the control API; UserError carries what it answered."""
    request = urllib.request.Request(  # noqa: S310  # always http to loopback, to our own child
        address + path, data=msgspec.json.encode(body), headers={"Content-Type": "application/json"}
    )
    return _ask(request, path)


def _ask(request: urllib.request.Request, path: str) -> bytes:
    try:
        with _DIRECT.open(request, timeout=REQUEST_WITHIN_S) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        raise UserError(f"the embedded exchange refuses {path}: {error.read(2000).decode()}") from error
    except (urllib.error.URLError, TimeoutError) as error:
        raise UserError(f"the embedded exchange does not answer {path}: {error}") from error


def words(market: MarketOptions) -> str:
    """The market in words: its seed, or its recording with the speed."""
    if not market.recording:
        return f"seed={market.seed}"
    again = ", repeat=True" if market.repeat else ""
    return f"recording={market.recording!r}, speed={market.speed:g}, start={market.start:g}{again}"


# -- starting -------------------------------------------------------------------------------


def command(market: MarketOptions) -> list[str]:
    """The command line; no secret stands in it."""
    words = [sys.executable, "-m", _MODULE, "--port", "0", "--idle-limit", f"{market.idle_limit_s:g}"]
    if not market.recording:
        return [*words, "--seed", str(market.seed)]
    recording = str(Path(market.recording).resolve())
    words += ["--recording", recording, "--speed", f"{market.speed:g}", "--start", f"{market.start:g}"]
    return [*words, "--repeat"] if market.repeat else words


def _start(folder: Path, market: MarketOptions, clock: Clock) -> Running:
    output = folder / "exchange.log"
    with output.open("wb") as sink:
        process = subprocess.Popen(  # noqa: S603  # our own interpreter and module, no shell
            command(market),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
    with output.open("rb") as lines:
        address = _await_ready(process, lines, clock)
    if address is None:
        _abandon(process)
        tail = output.read_text(errors="replace").strip()[-800:]
        raise UserError(f"the embedded exchange did not start; its output ({output}):\n{tail}")
    running = Running(pid=process.pid, address=address, market=market)
    (folder / "process.json").write_bytes(msgspec.json.encode(running))
    # It is meant to outlive us: tell subprocess not to complain when the object goes.
    process.returncode = 0
    return running


def _await_ready(process: subprocess.Popen[bytes], lines: IO[bytes], clock: Clock) -> str | None:
    end_ns = clock.monotonic_ns() + int(START_WITHIN_S * NS_PER_S)
    text = b""
    while clock.monotonic_ns() < end_ns:
        text += lines.read()
        for line in text.splitlines(keepends=True):
            if line.startswith(READY.encode()) and line.endswith(b"\n"):
                return line.decode().split()[1]
        if process.poll() is not None:
            return None
        time.sleep(POLL_S)
    return None


def _abandon(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait(5)


# -- looking --------------------------------------------------------------------------------


def _ours(pid: int) -> bool:
    """True when that process lives and is an exchange: process ids are used again."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return _MODULE.encode() in words


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # another kernel's child


def _answers(address: str) -> bool:
    try:
        with _DIRECT.open(f"{address}/fapi/v1/ping", timeout=REQUEST_WITHIN_S):
            return True
    except (urllib.error.URLError, TimeoutError, OSError):
        return False


def _market(market: MarketOptions) -> tuple[object, ...]:
    recorded = str(Path(market.recording).resolve()) if market.recording else ""
    return (recorded, market.speed, market.start, market.repeat) if recorded else (market.seed,)
