"""API keys with their scopes, and listen keys with their hour of life."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec import Struct

LIFE_NS = 60 * 60 * 1_000_000_000


class Scopes(Struct, frozen=True, kw_only=True):
    """What a key may do, in the words of /sapi/v1/account/apiRestrictions."""

    reading: bool = True
    futures: bool = True
    withdrawals: bool = False
    spot: bool = False
    internal_transfer: bool = False
    universal_transfer: bool = False
    ip_restricted: bool = False


class Credential(Struct, frozen=True):
    """One API key. The secret never appears in a repr."""

    key: str
    secret: str
    account: str
    scopes: Scopes = Scopes()

    def __repr__(self) -> str:
        return f"Credential(account={self.account!r}, scopes={self.scopes!r})"


class Owner(NamedTuple):
    """Each product of an account has a listen key of its own."""

    account: str
    product: str  # its name


@dataclass(slots=True)
class ListenKeys:
    """One live listen key an owner; asking again returns the same one and prolongs it."""

    _by_owner: dict[Owner, str] = field(default_factory=dict)
    _expires_ns: dict[str, int] = field(default_factory=dict)
    _made: int = 0

    def open(self, owner: Owner, now_ns: int) -> str:
        listen_key = self._by_owner.get(owner)
        if listen_key is None:
            self._made += 1
            seed = f"{owner}:{self._made}:{now_ns}".encode()
            listen_key = self._by_owner[owner] = hashlib.sha256(seed).hexdigest()
        self._expires_ns[listen_key] = now_ns + LIFE_NS
        return listen_key

    def prolong(self, owner: Owner, now_ns: int) -> str | None:
        """The owner's key, alive for another hour; None when it has none."""
        listen_key = self._by_owner.get(owner)
        if listen_key is not None:
            self._expires_ns[listen_key] = now_ns + LIFE_NS
        return listen_key

    def close(self, owner: Owner) -> str | None:
        """Forget the owner's key; returns it."""
        listen_key = self._by_owner.pop(owner, None)
        if listen_key is not None:
            del self._expires_ns[listen_key]
        return listen_key

    def of(self, owner: Owner) -> str | None:
        """The owner's key, if it has one."""
        return self._by_owner.get(owner)

    def owner(self, listen_key: str) -> Owner | None:
        """Whose key it is; None for one that is dead or none."""
        return next((owner for owner, key in self._by_owner.items() if key == listen_key), None)

    def hidden(self, name: str) -> str:
        """``name``, or what stands for it when it is a listen key."""
        return "<listen key>" if name in self._expires_ns else name

    def expire(self, now_ns: int) -> list[tuple[Owner, str]]:
        """Forget what is past its hour; returns (owner, listen key) pairs."""
        over = [(o, k) for o, k in self._by_owner.items() if self._expires_ns[k] <= now_ns]
        for owner, _ in over:
            self.close(owner)
        return over
