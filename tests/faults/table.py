"""The matrix as it comes in: pytest's reports, gathered by row and printed when they are all there."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap
from typing import TextIO

import pytest
from msgspec import Struct, field

from tests.faults.case import INJECTED, ROW, SAW
from tests.faults.matrix import MATRIX, NOT_APPLICABLE

WIDE = 60  # characters of what the exchange showed
MOST = 300  # characters of a failure: all of it stands above the table


class Finding(Struct):
    """What the scenarios of one row have come to."""

    scenarios: int = 0
    injected: int = 0
    seconds: float = 0.0
    saw: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def word(self) -> str:
        if not self.scenarios:
            return "NOT RUN"
        if self.failures:
            return "FAILED"
        return "passed" if self.injected else "NOT INJECTED"


class Matrix:
    """A pytest plugin that prints each scenario's end in a line, and at last the whole table."""

    def __init__(self, wanted: Iterable[int], out: TextIO) -> None:
        self._wanted = list(wanted)
        self._out = out
        self._failed: dict[str, str] = {}  # by test: the last line of its failure
        self._errors: list[str] = []  # of files that could not be read
        self._seconds: dict[str, float] = {}
        self.findings = {number: Finding() for number in self._wanted}

    # -- pytest ------------------------------------------------------------------------------

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._errors.append(f"{report.nodeid}: {_last_line(report.longreprtext)}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid
        self._seconds[name] = self._seconds.get(name, 0.0) + report.duration
        if report.failed:
            self._failed.setdefault(name, f"{report.when}: {_last_line(report.longreprtext)}")
            self._out.write(f"{report.longreprtext}\n")
        if report.when == "teardown":
            self._take(report)

    def _take(self, report: pytest.TestReport) -> None:
        told = [(str(name), value) for name, value in report.user_properties]
        numbers = [number for name, number in told if name == ROW and isinstance(number, int)]
        number = numbers[0] if numbers else _number_in(report.nodeid)
        finding = self.findings.get(number)
        if finding is None:
            return  # a test of the frame itself
        finding.scenarios += 1
        finding.seconds += self._seconds[report.nodeid]
        finding.injected += sum(int(str(value)) for name, value in told if name == INJECTED)
        finding.saw += [str(value) for name, value in told if name == SAW]
        failure = self._failed.get(report.nodeid)
        if failure is not None:
            finding.failures.append(f"{report.nodeid.rpartition('::')[2]}: {failure}")
        word = "FAILED" if failure else "passed"
        self._out.write(f"{word} {report.nodeid.rpartition('::')[2]} {self._seconds[report.nodeid]:.1f} s\n")
        self._out.flush()

    # -- the table ---------------------------------------------------------------------------

    def conclude(self) -> int:
        """Print it; the exit code."""
        self._out.write(f"\n{'row':>3} {'S':>1} {'result':<14} {'injected':>8} {'s':>6}  fault\n")
        for number in self._wanted:
            self._line(number)
        words = [self.word(number) for number in self._wanted]
        good, left = words.count("passed"), words.count("not applicable")
        bad = len(words) - good - left
        struck = sum(finding.injected for finding in self.findings.values())
        spent = sum(finding.seconds for finding in self.findings.values())
        self._out.write(
            f"\n{good} rows passed, {bad} did not, {left} not applicable; "
            f"{struck} faults injected in {spent:.0f} s\n"
        )
        for error in self._errors:
            self._out.write(f"ERROR {error}\n")
        return 1 if bad or self._errors else 0

    def word(self, number: int) -> str:
        return "not applicable" if number in NOT_APPLICABLE else self.findings[number].word

    def _line(self, number: int) -> None:
        fault, finding, word = MATRIX[number], self.findings[number], self.word(number)
        counted = f"{finding.injected:>8} {finding.seconds:>6.1f}" if finding.scenarios else " " * 15
        self._out.write(f"{number:>3} {fault.severity:>1} {word:<14} {counted}  {fault.happens}\n")
        said = [NOT_APPLICABLE[number]] if number in NOT_APPLICABLE else finding.failures + finding.saw
        for text in said:
            for line in wrap(text, WIDE):
                self._out.write(f"{'':>38}{line}\n")


def _number_in(nodeid: str) -> int:
    """Of a scenario that failed before it could say which row it is: its name says so too."""
    digits = nodeid.rpartition("::")[2].removeprefix("test_row_")[:2]
    return int(digits) if digits.isdecimal() else 0


def _last_line(text: str) -> str:
    """The error's own line of a traceback, else its last one."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    errors = [line[1:].strip() for line in lines if line.startswith("E ")]
    return (errors or lines or ["no word on it"])[0 if errors else -1][:MOST]
