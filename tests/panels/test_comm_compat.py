"""Against ipykernel's own comm: what the workaround must change, and what it must leave."""

from __future__ import annotations

from typing import Any

from ipykernel.comm.comm import BaseComm

from contractdesk.panels.comm_compat import let_through


def test_a_message_goes_to_the_subshell_that_the_frontend_asked_for() -> None:
    comm = BaseComm(target_name="x", primary=False)
    comm._reply_subshell_id = None  # what publishing from the main shell leaves behind
    assert comm._reply_subshell_for({}, "asked") is None, "ipykernel mended it: drop the workaround"
    let_through(comm)
    assert comm._reply_subshell_for({}, "asked") == "asked"


def test_a_message_is_delivered_without_the_cells_hooks() -> None:
    comm = BaseComm(target_name="x", primary=False)
    let_through(comm)
    comm.handle_msg({"content": {}})  # nobody listens yet
    got: list[Any] = []
    comm.on_msg(got.append)  # also a callback that is set later
    comm.handle_msg({"content": {"data": 1}})
    assert got == [{"content": {"data": 1}}]


def test_comms_of_other_kinds_are_left_alone() -> None:
    let_through(None)
    plain = object()
    let_through(plain)
