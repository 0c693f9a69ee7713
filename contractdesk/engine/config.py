"""What an engine is told once, at its start."""

from __future__ import annotations

from msgspec import Struct

from contractdesk.risk.settings import RiskSettings


class EngineConfig(Struct, frozen=True, kw_only=True):
    """Fixed for the life of an engine, except ``risk``, which can be tuned by ``RiskTuned``."""

    desk: str
    bot: str  # 4 characters of base32; stands in every client id
    epoch: int  # of the writer's lease; stands in every client id
    asset: str = "USDT"  # settle currency of the account
    amend_stop: bool = False  # a stop can be amended in place; a safe replace works everywhere
    max_conditional: int = 0  # conditional orders that the account may have open; 0: no limit
    native_timeframes: tuple[str, ...] = ()  # bars the venue tells closed, sorted; others are built
    polls: bool = (
        True  # False: the driver tells all that happens, so nothing is asked for but what is waited for
    )
    risk: RiskSettings = RiskSettings()
    taken_ns: int = 0  # since then no other desk can have sent anything in this account; 0: not known
