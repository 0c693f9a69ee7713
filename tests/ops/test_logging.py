"""Log lines are ECS JSON, carry their fields, hold no secret, rotate, and never block."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from contractdesk.ops import logging as desk_logging
from contractdesk.ops.logging import DeskLog
from contractdesk.venues.credentials import Secret, redact

CANARY = "canary-9f3b2e1d"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_is_ecs_and_keeps_its_fields(tmp_path: Path) -> None:
    log = DeskLog(tmp_path / "d.log", "d", redact)
    log.open()
    log.logger.info("order accepted", extra={"orderId": "7", "latency_ms": 1.5})
    log.close()
    (line,) = lines(log.path)
    assert line["orderId"] == "7"
    assert line["latency_ms"] == 1.5
    assert line["message"] == "order accepted"
    assert {"@timestamp", "log.level", "ecs.version"} <= set(line)


def test_no_secret_gets_in_by_message_field_or_traceback(tmp_path: Path) -> None:
    Secret(CANARY)
    log = DeskLog(tmp_path / "d.log", "d", redact)
    log.open()
    try:
        int(f"signed with {CANARY}")
    except ValueError:
        log.logger.exception("failed %s", CANARY, extra={"url": f"/x?k={CANARY}"})
    log.close()
    text = log.path.read_text()
    assert CANARY not in text
    assert "stack_trace" in text


def test_two_desks_of_a_process_keep_to_their_own_files(tmp_path: Path) -> None:
    first, second = (DeskLog(tmp_path / f"{name}.log", name, redact) for name in ("a", "b"))
    first.open()
    second.open()
    first.logger.info("mine")
    logging.getLogger("contractdesk.venues").info("everybody's")
    first.close()
    second.close()
    assert [line["message"] for line in lines(first.path)] == ["mine", "everybody's"]
    assert [line["message"] for line in lines(second.path)] == ["everybody's"]


def test_it_rotates_and_keeps_what_was_said(tmp_path: Path, monkeypatch: object) -> None:
    log = DeskLog(tmp_path / "d.log", "d", redact)
    log._file.maxBytes = 2000
    log.open()
    for n in range(50):
        log.logger.info("line %s", n)
    log.close()
    assert log.path.stat().st_size <= 2000
    assert len(list(tmp_path.glob("d.log*"))) == desk_logging.BACKUPS + 1


def test_a_full_queue_drops_and_counts_instead_of_blocking(tmp_path: Path) -> None:
    log = DeskLog(tmp_path / "d.log", "d", redact)
    logging.getLogger("contractdesk").addHandler(log._handler)
    for _ in range(desk_logging.QUEUE_SIZE + 3):
        log.logger.warning("flood")
    logging.getLogger("contractdesk").removeHandler(log._handler)
    assert log.dropped == 3
