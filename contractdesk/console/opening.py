"""``open_desk``: from a name to a Desk, once an account and process."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec

from contractdesk.config import (
    Endpoints,
    GuardianOptions,
    MarketOptions,
    Mode,
    ProductKind,
    Profile,
    Settings,
    load_settings,
    profile_of,
)
from contractdesk.console.control import connection_file, listen
from contractdesk.console.desk import Desk
from contractdesk.console.receipts import say
from contractdesk.desk.host import GUARDIAN_ACTED
from contractdesk.desk.opening import account_key, open_session
from contractdesk.domain.views import TradingState
from contractdesk.errors import ConfigError, DeskBusy, UserError

_PROFILE_OPTIONS = ("product", "asset", "endpoints", "risk", "guardian")
_open: list[Desk] = []  # a closed one is not kept: all that it has seen would stay in memory with it
_guard = threading.Lock()


def open_desk(
    venue: str = "embedded",
    account: str = "main",
    mode: str = "paper",
    *,
    name: str | None = None,
    confirm: str | None = None,
    **options: Any,
) -> Desk:
    """Open the desk of an account, or give the one that is already open.

    ``venue`` is "embedded" (a loopback exchange of its own: no key, no network), "binance", or a
    profile of the settings file. ``mode`` is "paper" (default), "testnet" or "live"; live asks for a
    typed confirmation, or takes it as ``confirm``. ``name`` tells several embedded desks apart.
    ``options``: ``product`` ("usd-m", the default, or "coin-m": inverse contracts, and the account is in
    their coin, ``asset``, by default "BTC"), ``seed``, ``recording``, ``speed``, ``start``, ``repeat``,
    ``balance``, ``fresh``, ``idle_limit_s`` (embedded market), ``risk={...}``,
    ``endpoints={"rest":, "stream":}``, ``guardian`` (False, or ``{"covered_s":, "flatten_s":, ...}``: see
    ``GuardianOptions``; on by default).

    Raises UserError (ConfigError, CredentialsError, DeskBusy ...): one clear sentence, nothing started.
    """
    settings = load_settings()
    profile = _guarded(_with_options(profile_of(venue, account, mode, settings), options), settings)
    desk_name = name or (venue if venue in settings.profiles else _default_name(profile))
    key = account_key(profile, desk_name)
    with _guard:
        found = next((desk for desk in open_desks() if account_key(desk.profile, desk.name) == key), None)
        if found is not None:
            return _same(found, desk_name, profile)
        _confirm(profile, confirm)
        session = open_session(profile, desk_name, kernel=connection_file())
        desk = Desk(session, settings.display_tz)
        _open.append(desk)
        session.at_end(partial(_open.remove, desk))
    listen(open_desks)
    desk.note_result(ended=False)
    say(f"{desk.name} is open: {desk.label}, {profile.venue.value}, log {desk.log_path}")
    _say_what_was_left(desk)
    return desk


def open_desks() -> list[Desk]:
    """The desks that are open in this process."""
    return [desk for desk in list(_open) if desk.is_open]  # a copy: other threads ask, too


def _say_what_was_left(desk: Desk) -> None:
    """A desk that was halted or flattened waits for a person: whoever opens it is told at once."""
    picture = desk.snapshot
    for notice in picture.notices:
        if notice.code == GUARDIAN_ACTED:
            say(notice.message)
    if picture.state is TradingState.ACTIVE:
        return
    latched = any(row.rule == "breaker" and not row.passed for row in picture.risk)
    then = "" if latched else "; resume() lets it enter again"  # the breaker's reason says how it is reset
    say(f"{desk.name} is {picture.state.value} ({picture.state_reason}){then}")


def _same(found: Desk, name: str, profile: Profile) -> Desk:
    if found.name != name:
        raise DeskBusy(f"this account already has the desk {found.name!r} here: use it, or close() it first")
    if differs := "; ".join(_differences(found.profile, profile)):
        say(f"{found.name} is already open, and stays as it is ({differs}); close() it to change that")
    else:
        say(f"{found.name} is already open: this is the same desk")
    return found


def _differences(runs: Profile, asked: Profile) -> Iterator[str]:
    """Every option in which what runs is not what was asked for, both in words."""
    of_runs, of_asked = _flat(runs), _flat(asked)
    for name, value in of_runs.items():
        if value != of_asked[name] and name != "fresh":  # that is said of an opening, not of a desk
            yield f"{name}={value!r}, not {of_asked[name]!r}"


def _flat(profile: Profile) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(profile)
    market: dict[str, Any] = plain.pop("market")
    return plain | market


def _default_name(profile: Profile) -> str:
    product = "" if profile.product is ProductKind.USD_M else f"-{profile.product.value}"
    mode = "" if profile.label == "EMBEDDED" else f"-{profile.mode.value}"
    return f"{profile.venue.value}-{profile.account}{product}{mode}"


def _with_options(profile: Profile, options: dict[str, Any]) -> Profile:
    market = {name: value for name, value in options.items() if name in MarketOptions.__struct_fields__}
    unknown = set(options) - set(market) - set(_PROFILE_OPTIONS)
    if unknown:
        known = ", ".join((*MarketOptions.__struct_fields__, *_PROFILE_OPTIONS))
        raise ConfigError(f"open_desk has no option {', '.join(sorted(unknown))}; there are: {known}")
    try:
        changed: dict[str, Any] = {}
        if market:
            plain = msgspec.to_builtins(profile.market) | msgspec.to_builtins(market, enc_hook=str)
            changed["market"] = msgspec.convert(plain, type=MarketOptions, strict=False)
        if "product" in options:
            changed["product"] = msgspec.convert(options["product"], type=ProductKind)
        if "asset" in options:
            changed["asset"] = msgspec.convert(options["asset"], type=str)
        if "endpoints" in options:
            changed["endpoints"] = msgspec.convert(options["endpoints"], type=Endpoints)
        if "risk" in options:
            changed["risk"] = msgspec.to_builtins(options["risk"])
        if "guardian" in options:
            wish = options["guardian"]
            wish = {"on": wish} if isinstance(wish, bool) else wish
            changed["guardian"] = msgspec.convert(wish, type=GuardianOptions)
        return msgspec.structs.replace(profile, **changed)
    except msgspec.ValidationError as error:
        raise ConfigError(f"open_desk: {error}") from error


def _guarded(profile: Profile, settings: Settings) -> Profile:
    """With the guardian that the settings have for all, where the profile says nothing of it."""
    return msgspec.structs.replace(profile, guardian=profile.guardian or settings.guardian)


def _confirm(profile: Profile, given: str | None) -> None:
    """Live trading needs the account's name, typed."""
    if profile.mode is not Mode.LIVE or profile.label == "EMBEDDED":
        return
    wanted = f"LIVE {profile.account}"
    if given is None:
        if not _interactive():
            raise UserError(f'live trading needs confirm="{wanted}" where nobody can be asked')
        given = input(f"This desk will trade real money on {profile.venue.value}. Type {wanted!r} to go on: ")
    if given.strip() != wanted:
        raise UserError(f"not confirmed: {wanted!r} was expected; nothing was started")


def _interactive() -> bool:
    kernel = sys.modules.get("ipykernel.kernelapp")
    if kernel is not None and kernel.IPKernelApp.initialized():
        parent = kernel.IPKernelApp.instance().kernel.get_parent("shell")
        return bool(parent.get("content", {}).get("allow_stdin", False))
    return sys.stdin is not None and sys.stdin.isatty()


def _exit() -> None:
    for desk in open_desks():
        desk.exit()


atexit.register(_exit)
