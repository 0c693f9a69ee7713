"""What the stories have reached: which rules refused how often, and whether anything was at risk."""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from dataclasses import dataclass, field
from types import ModuleType

from contractdesk.domain.intents import FixedStop, Intent, IntentKind
from contractdesk.domain.views import DeskView
from contractdesk.engine import intents, stop_intents
from contractdesk.risk.gate import RiskGate
from contractdesk.risk.settings import RiskSettings
from tests.engine.risk_terms import D

SWITCHED_ON = RiskSettings(max_gross_exposure=D(1), max_entries_per_hour=1, max_daily_loss=D("0.1"))
REFUSERS = ("_failed", "failed", "foreign")  # the helpers that word a refusal
LEAST_HELD = 0.30  # of the sequences
LEAST_REFUSALS = 20  # of each rule


@dataclass
class Tally:
    """Of one sequence, or of many added up."""

    sequences: int = 0
    holding: int = 0  # sequences that ever held a position
    held: bool = False  # this one does
    events: int = 0
    entries: int = 0
    unwindings: int = 0  # positions that the guard closed
    trips: int = 0
    trails: int = 0
    adoptions: int = 0
    restores: int = 0
    restarts: int = 0
    sleeps: int = 0
    liquidations: int = 0
    netted: int = 0  # times that ours came to stand against what somebody else holds
    refusals: Counter[str] = field(default_factory=Counter)

    def refuse(self, rule: str) -> None:
        self.refusals[rule] += 1

    def add(self, other: Tally) -> None:
        """Take in a sequence that has been told to its end."""
        self.sequences += 1
        self.holding += other.held
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.refusals.update(other.refusals)

    @property
    def share(self) -> float:
        return self.holding / self.sequences if self.sequences else 0.0

    def report(self) -> str:
        counted = ", ".join(f"{getattr(self, name)} {name}" for name in _COUNTED)
        rules = ", ".join(f"{rule} {count}" for rule, count in self.refusals.most_common())
        return (
            f"{self.sequences} sequences, {self.share:.1%} held a position; {counted}\n"
            f"refusals by rule: {rules}"
        )

    def shortfalls(self, view: DeskView) -> list[str]:
        """What has been reached too seldom; empty when the run says something about every rule."""
        found = []
        if self.share < LEAST_HELD:
            found.append(f"only {self.share:.1%} of the sequences held a position")
        for rule in sorted(required(view)):
            if self.refusals[rule] < LEAST_REFUSALS:
                found.append(f"{rule} refused {self.refusals[rule]} times only")
        for name in ("unwindings", "trips", "trails", "adoptions", "restores"):
            if getattr(self, name) < LEAST_REFUSALS:
                found.append(f"{getattr(self, name)} {name} only")
        return found


_COUNTED = (
    "events", "entries", "unwindings", "trips", "trails", "adoptions", "restores", "restarts", "sleeps",
    "liquidations", "netted",
)  # fmt: skip


def required(view: DeskView) -> set[str]:
    """Every name that can stand in a refusal: the gate's rules, and what refuses before it."""
    symbol = next(iter(view.symbols))
    wish = Intent(kind=IntentKind.ENTER, symbol=symbol, size=D("0.001"), stop=FixedStop(price=D(1)))
    known = {"intent_id": 0, "strategy_id": "", "client_id": "", "signal_ns": 0, "timeframe": "1m"}
    _, findings = RiskGate(SWITCHED_ON).review(wish, view, **known)
    assert len(findings) == len(RiskGate(SWITCHED_ON).rules)
    return {finding.rule for finding in findings} | worded(intents) | worded(stop_intents)


def worded(module: ModuleType) -> set[str]:
    """The rules that a module refuses by itself, read from its own text."""
    names = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSERS:
            rule = node.args[0]
            if isinstance(rule, ast.Constant):
                names.add(rule.value)
            elif isinstance(rule, ast.Name):
                names.add(getattr(module, rule.id))
    return names
