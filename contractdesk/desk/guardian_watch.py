"""How long a desk may be silent: pure, time comes in. What it last said is what is at risk."""

from __future__ import annotations

from contractdesk.config import GuardianOptions
from contractdesk.desk.guardian_words import Armed, Beat, SymbolAtRisk
from contractdesk.domain.instrument import Instrument

NS_PER_S = 1_000_000_000


class Watch:
    """Times are monotonic nanoseconds, the desk's own of when it spoke: what lies unread is no silence."""

    def __init__(self, options: GuardianOptions, now_ns: int) -> None:
        self._options = options
        self.instruments: dict[str, Instrument] = {}
        self.symbols: dict[str, SymbolAtRisk] = {}
        self.offset_ms = 0.0
        self.wire_ns = 0  # until then something that was on the wire may be accepted
        self._heard_ns = now_ns

    def beat(self, beat: Beat) -> None:
        """The whole picture, anew."""
        self._heard_ns = max(self._heard_ns, beat.sent_ns)
        self.offset_ms = beat.offset_ms
        self.symbols = {row.symbol: row for row in beat.symbols}

    def armed(self, armed: Armed) -> None:
        """One more entry, at risk from now until a beat says otherwise."""
        self._heard_ns = max(self._heard_ns, armed.sent_ns)
        self.wire_ns = max(self.wire_ns, armed.deadline_ns)
        self.symbols[armed.row.symbol] = armed.row

    def left(self, symbols: tuple[SymbolAtRisk, ...]) -> None:
        """The desk has said goodbye, and leaves this."""
        self.symbols = {row.symbol: row for row in symbols}

    @property
    def at_risk(self) -> bool:
        """There is something to protect at all."""
        return bool(self.symbols)

    @property
    def exposed(self) -> bool:
        """A contract without a stop, or an entry on the wire."""
        return any(row.exposed for row in self.symbols.values())

    @property
    def unattended(self) -> bool:
        """Something that must not be left alone."""
        return any(row.unattended for row in self.symbols.values())

    @property
    def patience_s(self) -> float:
        """For how long the desk may say nothing now."""
        return self._options.uncovered_s if self.exposed else self._options.covered_s

    def silent_s(self, now_ns: int) -> float:
        """For how long it has said nothing."""
        return (now_ns - self._heard_ns) / NS_PER_S

    def left_s(self, now_ns: int) -> float | None:
        """How much of its patience is left; 0: it is over; None: there is nothing to wait for."""
        if not self.at_risk:
            return None
        return max(0.0, self.patience_s - self.silent_s(now_ns))
