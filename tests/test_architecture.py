"""Laws of the design that the import-linter cannot say, read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "contractdesk"
CORE = ("domain", "strategy", "risk", "engine")
NOT_IN_CORE = {
    "aiohttp", "anywidget", "asyncio", "bqplot", "ccxt", "concurrent", "ipykernel", "IPython", "ipywidgets",
    "queue", "random", "secrets", "socket", "sqlite3", "threading", "time", "traitlets", "uuid", "websockets",
}  # fmt: skip
LONGEST_FILE = 400


def sources(*folders: str) -> list[Path]:
    roots = [PACKAGE / folder for folder in folders] or [PACKAGE]
    return sorted(path for root in roots for path in root.rglob("*.py"))


def relative(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("path", sources(*CORE), ids=relative)
def test_the_core_imports_no_clock_no_chance_no_io_and_no_notebook(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported(ast.parse(path.read_text()))}
    assert not roots & NOT_IN_CORE


def test_the_exchange_core_does_no_io() -> None:
    for name in ("core", "matching", "accounts"):
        tree = ast.parse((PACKAGE / "exchange" / f"{name}.py").read_text())
        roots = {module.split(".")[0] for module in imported(tree)}
        assert not roots & NOT_IN_CORE, name


def test_only_the_gate_makes_an_approved() -> None:
    makers = {
        relative(p)
        for p in sources()
        if any(c.split(".")[-1] == "Approved" for c in called(ast.parse(p.read_text())))
    }
    assert makers == {"risk/gate.py"}


def test_only_the_clock_reads_time() -> None:
    readers = (
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "datetime.now",
        "datetime.utcnow",
    )
    guilty = {
        relative(path)
        for path in sources()
        if any(call.endswith(readers) for call in called(ast.parse(path.read_text())))
    }
    assert guilty <= {"clock.py"}


@pytest.mark.parametrize("path", sources(), ids=relative)
def test_no_file_outgrows_a_reader(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE
