"""API keys: where they come from, what they may do, and how they never appear anywhere.

A key is read from the environment, then from the system's keyring; never from a cell, a settings
file or a command line.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import NoReturn

from msgspec import Struct

from contractdesk.errors import CredentialsError
from contractdesk.venues.base import Check

REDACTED = "[redacted]"
KEYRING_SERVICE = "contractdesk"
SHORTEST_SECRET = 6  # anything shorter would redact ordinary words
MAX_REMEMBERED = 256


class Secret:
    """A string that shows itself only to ``reveal()``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        remember(value)

    def reveal(self) -> str:
        """The value itself; hand it to the signer and to nothing else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({REDACTED})"

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return format(REDACTED, spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")


class Credentials(Struct, frozen=True):
    """One account's key on one venue."""

    account: str
    key: Secret
    secret: Secret


def load_credentials(
    venue: str,
    account: str,
    environ: Mapping[str, str],
    from_keyring: Callable[[str, str], str | None] | None = None,
) -> Credentials:
    """The key of ``account`` on ``venue`` ("binance"), from the environment or the keyring.

    Raises CredentialsError that names both ways when neither has it.
    """
    found = {}
    for part in ("KEY", "SECRET"):
        name = _variable(venue, account, part)
        value = environ.get(name) or (from_keyring or _keyring)(KEYRING_SERVICE, name)
        if not value:
            raise CredentialsError(
                f"no {part.lower()} for account {account!r} on {venue}: set the environment variable {name}, "
                f"or store it with `keyring set {KEYRING_SERVICE} {name}`"
            )
        found[part] = Secret(value.strip())
    return Credentials(account, found["KEY"], found["SECRET"])


def _variable(venue: str, account: str, part: str) -> str:
    return re.sub(r"\W", "_", f"CONTRACTDESK_{venue}_{account}_{part}".upper())


def _keyring(service: str, name: str) -> str | None:
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(service, name)
    except KeyringError:  # no backend on this host: the environment is the only way
        return None


class KeyScopes(Struct, frozen=True, kw_only=True):
    """What the venue says a key may do."""

    read: bool
    contracts: bool  # trade perpetuals and futures
    withdraw: bool
    transfer: bool
    spot: bool
    ip_restricted: bool


def check_scopes(scopes: KeyScopes) -> tuple[Check, ...]:
    """The rows of the preflight table that concern the key."""
    only_spot = " (this is a spot-only key)" if scopes.spot and not scopes.contracts else ""
    return (
        Check(name="key: reading", passed=scopes.read, found=_yes(scopes.read),
              advice="enable reading for this key"),
        Check(name="key: futures trading", passed=scopes.contracts,
              found=_yes(scopes.contracts) + only_spot,
              advice="enable futures on this key, or use a key of its own for contracts"),
        Check(name="key: withdrawals", passed=not scopes.withdraw, found=_yes(scopes.withdraw),
              advice="disable withdrawals: a trading key must not be able to move funds out"),
        Check(name="key: transfers", passed=not scopes.transfer, found=_yes(scopes.transfer),
              advice="disable internal and universal transfers for this key"),
    )  # fmt: skip


def refuse_scopes(scopes: KeyScopes) -> None:
    """Raise CredentialsError, naming the scope, for a key that is too strong or too weak."""
    for check in check_scopes(scopes):
        if not check.passed:
            scope = check.name.removeprefix("key: ")
            raise CredentialsError(f"the key is refused: {scope} is {check.found}; {check.advice}")


def _yes(value: bool) -> str:  # noqa: FBT001  (a word for a flag)
    return "enabled" if value else "not enabled"


# -- redaction ------------------------------------------------------------------------------

_remembered: deque[str] = deque(maxlen=MAX_REMEMBERED)  # bounded: listen keys come and go
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(X-MBX-APIKEY[\"']?\s*[:=]\s*[\"']?)[^\s\"',}&]+",
        r"(\bsignature[\"']?\s*[:=]\s*[\"']?)[^\s\"',}&]+",
        r"(\blistenKey[\"']?\s*[:=]\s*[\"']?)[^\s\"',}&]+",
        r"(/private/ws/)[^\s\"'?]+",
    )
)


def remember(value: str) -> None:
    """From now on ``redact`` knows this value; values too short to be secrets are ignored."""
    if len(value) >= SHORTEST_SECRET and value not in _remembered:
        _remembered.append(value)


def redact(text: str) -> str:
    """``text`` without any remembered value, and without what stands where secrets stand."""
    for value in sorted(_remembered, key=len, reverse=True):  # a longer one may hold a shorter one
        text = text.replace(value, REDACTED)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{REDACTED}", text)
    return text


class RedactingFilter(logging.Filter):
    """Redacts the message, the traceback and every text attribute of each record; drops none."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        for name, value in record.__dict__.items():
            if isinstance(value, str):
                record.__dict__[name] = redact(value)
        return True
