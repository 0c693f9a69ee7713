"""Opens a desk piece by piece; whatever fails, the pieces before it are taken down again."""

from __future__ import annotations

import hashlib
import importlib
import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from msgspec.structs import replace

from contractdesk.clock import Clock, SteadyClock, SystemClock
from contractdesk.config import GuardianOptions, Mode, ProductKind, Profile, VenueKind
from contractdesk.desk.guardian_link import GuardianLink
from contractdesk.desk.guardian_words import Access, Terms
from contractdesk.desk.host import DeskHost
from contractdesk.desk.lock import AccountLock
from contractdesk.desk.paths import DeskPaths
from contractdesk.desk.recorder import Recorder
from contractdesk.desk.recovery import needed_elsewhere, recovered, remembered
from contractdesk.desk.session import Session
from contractdesk.desk.thread import LoopThread
from contractdesk.desk.venues import make_venue
from contractdesk.desk.watchdog import Watchdog
from contractdesk.domain.book import Book
from contractdesk.engine.config import EngineConfig
from contractdesk.engine.engine import Engine
from contractdesk.errors import DeskBusy, StorageError, UserError, VenueError
from contractdesk.ops.logging import DeskLog
from contractdesk.ops.metrics import Metrics
from contractdesk.risk.settings import RiskSettings, tuned
from contractdesk.strategy.base import Strategy
from contractdesk.venues.base import Venue
from contractdesk.venues.credentials import redact

OPEN_WITHIN_S = 60.0
CLOSE_SOCKETS_S = 5.0
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def account_key(profile: Profile, name: str) -> str:
    """What may have one writer only; an embedded or a paper account is its desk's own.

    A venue keeps each product's orders and money apart: so many desks may trade one account.
    """
    product = "" if profile.product is ProductKind.USD_M else f":{profile.product.value}"
    if profile.venue is VenueKind.EMBEDDED:
        return f"embedded:{name}{product}"
    account = name if profile.mode is Mode.PAPER else profile.account
    return f"{profile.venue.value}:{profile.mode.value}:{account}{product}"


def open_session(profile: Profile, name: str, clock: Clock | None = None, kernel: str = "") -> Session:
    """Lock the account, start log, journal, thread and venue, reconcile. Blocks up to a minute.

    ``kernel`` is the connection file of the Jupyter kernel that this process is, for whoever must reach it.

    Raises UserError (what to do is in its message); then no thread, lock, file or socket is left.
    """
    clock = SteadyClock(clock or SystemClock())
    risk = _risk(profile)
    paths = DeskPaths.of(name)
    with ExitStack() as stack:
        lock = AccountLock.acquire(account_key(profile, name), name, kernel, begin=False)
        taken_ns = clock.monotonic_ns()
        stack.callback(lock.release)
        stack.callback(_own_files(name, kernel).release)
        log = DeskLog(paths.log, name, redact)
        log.open()
        stack.callback(log.close)
        loading = threading.Thread(target=_load, name="contractdesk-loading", daemon=True)
        loading.start()
        stack.callback(loading.join, OPEN_WITHIN_S)
        made = make_venue(profile, name, paths, clock, lambda: lock.valid)
        venue = made.venue
        loading.join(OPEN_WITHIN_S)
        classes: dict[str, type[Strategy]] = {}
        watchdog = Watchdog(clock)
        watchdog.start()
        stack.callback(watchdog.stop)
        known = remembered(paths, made.account, classes, watchdog.run) if made.account else None
        recorder = _recorder(paths, made.account)
        stack.callback(recorder.close)
        # Until here a guardian may be at work, and stays where an opening is refused: what takes seconds, and
        # what can fail on this host, is behind us.
        lock.begin()
        config = _engine_config(profile, name, lock.epoch, venue, risk)
        config = replace(config, taken_ns=clock.now_ns() - (clock.monotonic_ns() - taken_ns))
        engine = recovered(known, config, classes) if known else Engine(config, classes)
        engine = engine.watched(watchdog.run)
        recorder.begin(config, made.account, clock.now_ns())
        metrics = Metrics()
        thread = LoopThread(f"contractdesk-{name}")
        thread.start()
        stack.callback(thread.stop)
        host = _on(
            thread,
            lambda: DeskHost(
                engine=engine,
                venue=venue,
                recorder=recorder,
                lock=lock,
                clock=clock,
                logger=log.logger,
                metrics=metrics,
                name=name,
                asset=config.asset,
                guardian=_guardian(profile, name, paths, lock, made.access, clock, log.logger),
            ),
        )
        _open(thread, host)
        stack.callback(_close, thread, host)
        return Session(
            name=name,
            profile=profile,
            paths=paths,
            thread=thread,
            host=host,
            classes=classes,
            clock=clock,
            metrics=metrics,
            resources=stack.pop_all(),
        )


def _recorder(paths: DeskPaths, account: str) -> Recorder:
    """UserError where the record cannot be gone on with."""
    try:
        return Recorder(paths, needed=needed_elsewhere(paths, account))
    except (StorageError, OSError) as error:
        raise UserError(
            f"the record of this desk cannot be gone on with: {error}. Nothing was opened, nothing is sent."
            f" Put that right and open the desk again, or move {paths.home} away (keep it)"
        ) from error


def _guardian(
    profile: Profile,
    name: str,
    paths: DeskPaths,
    lock: AccountLock,
    access: Access | None,
    clock: Clock,
    logger: logging.Logger,
) -> Callable[[Callable[[str, str], None]], GuardianLink] | None:
    """Makes the guardian's link, given the desk's alarm; None where nothing of the desk is at a venue."""
    options = profile.guardian or GuardianOptions()
    if access is None or not options.on:
        return None

    def terms() -> Terms:
        return Terms(
            desk=name,
            bot=bot_of(account_key(profile, name)),
            epoch=lock.epoch,
            lock=str(lock.path),
            log=str(paths.guardian_log),
            report=str(lock.report),
            options=options,
            access=access,
        )

    def link(alarm: Callable[[str, str], None]) -> GuardianLink:
        return GuardianLink(terms=terms, home=paths.home, lease=lock, clock=clock, alarm=alarm, logger=logger)

    return link


def _own_files(name: str, kernel: str) -> AccountLock:
    """A desk's folder has one writer, too: the same name may be asked for with another account."""
    try:
        return AccountLock.acquire(f"desk:{name}", name, kernel)
    except DeskBusy:
        raise DeskBusy(
            f"a desk {name!r} is open on another account: close that one, or give this one another name"
        ) from None


def _load() -> None:
    """What would otherwise stop the desk's loop for seconds: at the first symbol, the first request."""
    Book()  # reads or compiles the book's kernels
    for name in ("contractdesk.venues.scanning", "talib", "ccxt.async_support"):
        importlib.import_module(name)  # the first of them reads or compiles the scanner's kernels


def _engine_config(profile: Profile, name: str, epoch: int, venue: Venue, risk: RiskSettings) -> EngineConfig:
    return EngineConfig(
        desk=name,
        bot=bot_of(account_key(profile, name)),
        epoch=epoch,
        asset=profile.margin_asset,
        amend_stop=venue.capabilities.amend_stop,
        max_conditional=venue.capabilities.max_conditional,
        native_timeframes=tuple(sorted(venue.capabilities.native_timeframes)),
        risk=risk,
    )


def bot_of(account: str) -> str:
    """Four base32 characters by which a desk knows its own orders again after a restart."""
    digest = hashlib.sha256(account.encode()).digest()
    return "".join(_BASE32[byte % 32] for byte in digest[:4])


def _risk(profile: Profile) -> RiskSettings:
    return tuned(RiskSettings(), profile.risk) if profile.risk else RiskSettings()


def _on(thread: LoopThread, make: Callable[[], DeskHost]) -> DeskHost:
    """Build on the loop what belongs to it."""

    async def build() -> DeskHost:
        return make()

    return thread.submit(build()).result(OPEN_WITHIN_S)


def _open(thread: LoopThread, host: DeskHost) -> None:
    future: Any = thread.submit(host.open())
    try:
        future.result(OPEN_WITHIN_S)
    except VenueError as error:
        raise UserError(
            f"the venue cannot be reached: {error}. Check the network and the endpoints."
        ) from error
    except TimeoutError:
        raise UserError(
            f"the venue did not answer within {OPEN_WITHIN_S:.0f} s; nothing was started"
        ) from None


def _close(thread: LoopThread, host: DeskHost) -> None:
    try:
        thread.submit(host.close()).result(CLOSE_SOCKETS_S)
    except (TimeoutError, RuntimeError):
        host.logger.warning("the venue's sockets did not close in time")
