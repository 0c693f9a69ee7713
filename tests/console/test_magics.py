"""``%desk`` and TAB in a real IPython shell and in a real kernel, on the embedded exchange."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import contractdesk as cd
from contractdesk.console.desk import Desk
from contractdesk.console.magic_words import COMMANDS, Words, parse
from contractdesk.console.magics import halt_all
from contractdesk.console.opening import open_desk, open_desks
from contractdesk.console.strategies import StrategyHandle
from contractdesk.desk import embedded
from contractdesk.desk.paths import DeskPaths
from contractdesk.domain.views import TradingState
from contractdesk.panels.status import Status
from tests.console.loopback import BTC, Pendulum
from tests.console.test_halting import CELL_WITHIN_S, Kernel

STARTED = f"TrendFollow is running on {BTC}, 1s bars with fast=5, slow=15"


@pytest.fixture(scope="module")
def shell(home: Path) -> Iterator[InteractiveShell]:
    """A real IPython with the extension; jedi stays out of what is not its business."""
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "contractdesk")
    made.user_ns["cd"] = cd
    yield made
    made.run_line_magic("unload_ext", "contractdesk")
    InteractiveShell.clear_instance()


@pytest.fixture
def said(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a cell; what it printed."""

    def run(cell: str) -> str:
        capsys.readouterr()
        shell.run_cell(cell, store_history=True)
        printed = capsys.readouterr()
        return printed.out + printed.err

    return run


def value(shell: InteractiveShell, line: str) -> Any:
    return shell.run_line_magic("desk", line)


def completed(shell: InteractiveShell, text: str) -> list[str]:
    """The text as it would be with each of the completions, the cursor at its end."""
    with provisionalcompleter():
        found = list(shell.Completer.completions(text, len(text)))
    return [text[: one.start] + one.text + text[one.end :] for one in found]


# -- before a desk is open -----------------------------------------------------------------


def test_alone_it_lists_the_commands_each_with_its_twin(shell: InteractiveShell) -> None:
    shown = value(shell, "")
    for command in COMMANDS.values():
        assert f"%desk {command.usage}" in repr(shown)
        assert command.twin in repr(shown)
    assert "open now: none" in repr(shown)
    page = shown._repr_html_()
    assert page.count("<tr>") == len(COMMANDS) + 1
    assert repr(value(shell, "help")) == repr(shown)


def test_the_issues_commands_are_there() -> None:
    assert {"start", "stop", "halt", "status", "show"} <= set(COMMANDS)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("hlat", "%desk has no 'hlat' (did you mean halt?); there are open, start,"),
        ("status", "no desk is open: %desk open embedded"),
        ("halt --desk", "--desk needs the name of a desk"),
        ('show "ladder', "No closing quotation"),
        ("resume now", "%desk resume takes no 'now'; it is: %desk resume"),
        ("open embedded sed=3", "open_desk has no option sed"),
        ("open embedded --desk a", "by name="),
    ],
)
def test_what_cannot_be_is_one_line(said: Any, line: str, words: str) -> None:
    printed = said(f"%desk {line}")
    assert printed.startswith("UsageError: ")
    assert words in printed
    assert len(printed.strip().splitlines()) == 1


def test_values_are_read_as_python_reads_them_and_names_stay_text() -> None:
    words = parse("start Mine symbols=A/B:B,C/D:D fast=12 share=0.5 on=True style=market name=7 --desk x")
    assert words.desk == "x"
    assert words.plain == ("Mine",)
    assert words.named == {
        "symbols": "A/B:B,C/D:D", "fast": 12, "share": 0.5, "on": True, "style": "market", "name": "7",
    }  # fmt: skip
    assert parse("halt because a=b").plain == ("because", "a=b")


def test_a_quote_that_is_left_open_keeps_nobody_from_halting() -> None:
    assert parse("halt it's running away").plain == ("it's", "running", "away")
    assert parse('halt --desk main "enough') == Words("main", "halt", ('"enough',), {})
    assert parse("--desk=main halt can't wait").desk == "main"


# -- one desk ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened(shell: InteractiveShell) -> Desk:
    made = value(shell, "open embedded name=magic seed=11 idle_limit_s=60")
    assert isinstance(made, Desk)
    return made


def test_open_makes_the_variable_and_leaves_somebody_elses_alone(
    shell: InteractiveShell, opened: Desk, said: Any
) -> None:
    assert opened.name == "magic"
    assert shell.user_ns["desk"] is opened
    assert open_desk("embedded", name="magic", seed=11, idle_limit_s=60) is opened, "its twin"
    shell.user_ns["desk"] = "mine"
    assert "desk is a str of yours and stays so" in said(
        "again = %desk open embedded name=magic seed=11 idle_limit_s=60"
    )
    assert shell.user_ns["again"] is opened
    assert shell.user_ns.pop("desk") == "mine"
    shell.user_ns["desk"] = opened


def test_start_tune_and_stop_do_what_their_twins_do(shell: InteractiveShell, opened: Desk, said: Any) -> None:
    printed = said(f"handle = %desk start TrendFollow symbols={BTC} timeframe=1s fast=5 slow=15")
    assert STARTED in printed
    handle = shell.user_ns["handle"]
    assert isinstance(handle, StrategyHandle)
    assert (handle.params["fast"], handle.params["slow"]) == (5, 15)
    assert "tune: TrendFollow: fast 5 -> 4" in said("%desk tune TrendFollow fast=4")
    assert handle.params["fast"] == 4
    assert "it must be" in said("%desk tune TrendFollow fast=0")
    assert "no strategy 'Other'" in said("%desk stop Other")
    assert "stop: TrendFollow is stopped" in said("%desk stop TrendFollow")
    assert not handle.running
    assert "no strategy is running" in said("%desk stop")


def test_start_takes_the_notebooks_own_classes_and_instances(
    shell: InteractiveShell, opened: Desk, said: Any
) -> None:
    shell.user_ns |= {"Pendulum": Pendulum, "mine": Pendulum([BTC], "1s", hold=900)}
    assert "no strategy 'Nobody'; there are Pendulum, TrendFollow" in said("%desk start Nobody")
    assert "%desk start Pendulum symbols=" in said("%desk start Pendulum")
    assert "UnknownSymbol" not in said("%desk start Pendulum symbols=BTX/USDT:USDT")
    assert "tune changes them" in said("%desk start mine hold=3")
    assert "hold=900" in said("%desk start mine name=own")
    assert [row.strategy_id for row in opened.snapshot.strategies if row.status == "running"] == ["own"]


def test_halt_resume_flatten_status_and_show(shell: InteractiveShell, opened: Desk, said: Any) -> None:
    opened.wait_for(lambda s: any(row.size and row.guarded for row in s.positions), 60)
    printed = said("%desk halt too wild")
    assert printed.count("halt: HALTED") == 1, "said once, not shown again as the cell's value"
    assert "(too wild)" in printed
    assert opened.snapshot.state is TradingState.HALTED
    assert value(shell, "resume").done
    assert opened.snapshot.state is TradingState.ACTIVE
    assert value(shell, f"flatten {BTC}").done
    assert not any(row.size for row in opened.snapshot.positions)
    assert value(shell, "status") is opened
    assert "magic EMBEDDED  REDUCING" in said("%desk status")
    assert isinstance(value(shell, "show status"), Status)
    assert "no panel 'radar'; there are console, status, ladder" in said("%desk show radar")
    assert "takes no symbol" in said(f"%desk show equity {BTC}")
    value(shell, "resume")


def test_a_receipt_is_said_once_below_its_cell_and_shown_where_it_is_asked_for_later(
    opened: Desk, said: Any
) -> None:
    assert said("receipt = desk.halt('twice?')").count("twice?") == 1
    assert said("receipt").count("halt: HALTED") == 1
    assert said("desk.resume()").count("resume: ") == 1


# -- TAB -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ('desk.buy("BTC', f'desk.buy("{BTC}'),
        ('desk.buy("BTC/USDT:U', f'desk.buy("{BTC}'),
        ("desk.buy('btc/", f"desk.buy('{BTC}"),
        ('desk["BTC', f'desk["{BTC}'),
        ('desk.aio.close_position("BT', f'desk.aio.close_position("{BTC}'),
        ('x = 1\ndesk.start(cd.library.TrendFollow(symbols=["BTC', None),
        ('cd.size(desk, "BTC', f'cd.size(desk, "{BTC}'),
        ('desk.size("ETH/USDT:USDT", side="s', 'desk.size("ETH/USDT:USDT", side="sell'),
        ('desk.tune("ow', 'desk.tune("own'),
        ('desk.observe(print, "posi', 'desk.observe(print, "positions'),
        ('cd.enter_long("ETH', 'cd.enter_long("ETH/USDT:USDT'),
        ('cd.open_desk("emb', 'cd.open_desk("embedded'),
        ('desk.pnl.by("str', 'desk.pnl.by("strategy'),
        ('desk.close("pro', 'desk.close("protected'),
        ("%desk flatten BTC", f"%desk flatten {BTC}"),
        ("%desk start Trend", "%desk start TrendFollow"),
        ("%desk start TrendFollow fa", "%desk start TrendFollow fast="),
        ("%desk start TrendFollow symbols=ETH/USDT:USDT,BTC/U", None),
        ("%desk stop ow", "%desk stop own"),
        ("handle = %desk tune own ho", "handle = %desk tune own hold="),
        ("%desk show lad", "%desk show ladder"),
        ("%desk halt --desk ma", "%desk halt --desk magic"),
        ("%desk res", "%desk resume"),
        ("%desk open embedded mode=p", "%desk open embedded mode=paper"),
        ('desk.positions["entry', 'desk.positions["entry_price'),
        ('table["liq', 'table["liquidation_price'),
    ],
)
def test_tab_completes(shell: InteractiveShell, opened: Desk, text: str, whole: str | None) -> None:
    shell.user_ns["table"] = opened.positions
    found = completed(shell, text)
    if whole is not None:
        assert found == [whole]
    else:
        assert any(one.startswith(text) and len(one) > len(text) for one in found), found


def test_all_symbols_are_offered_and_those_it_watches_come_first(
    shell: InteractiveShell, opened: Desk
) -> None:
    first, *others = (text.removeprefix('desk.buy("') for text in completed(shell, 'desk.buy("'))
    assert first == BTC
    assert {first, *others} == set(opened.symbols)


@pytest.mark.parametrize(
    "text",
    [
        'open("BTC',
        'print("BT',
        'desk.halt("BT',
        'cd.history.load("BT',
        '# desk.buy("BT',
        'desk.buy("x"); "BT',
        'desk.halt(reason="BT',
        "desk.buy(BT",
    ],
)
def test_tab_keeps_out_of_what_is_not_ours(shell: InteractiveShell, opened: Desk, text: str) -> None:
    assert not [one for one in completed(shell, text) if "/USDT:" in one]


def test_ids_of_orders_complete_where_one_is_asked_for(shell: InteractiveShell, opened: Desk) -> None:
    ids = {order.request.client_id for order in opened.snapshot.orders}
    assert ids
    assert {text.removeprefix('desk.why("') for text in completed(shell, 'desk.why("')} >= ids


def test_loading_twice_is_loading_once_and_unloading_takes_it_away(
    shell: InteractiveShell, opened: Desk
) -> None:
    cd.load_ipython_extension(shell)
    assert completed(shell, 'desk.buy("BTC') == [f'desk.buy("{BTC}']
    cd.unload_ipython_extension(shell)
    assert completed(shell, 'desk.buy("BTC') == []
    assert shell.find_line_magic("desk") is None
    cd.load_ipython_extension(shell)


# -- several desks -------------------------------------------------------------------------


def test_with_several_desks_one_is_named_and_halt_reaches_all(
    shell: InteractiveShell, opened: Desk, said: Any
) -> None:
    other = open_desk("embedded", name="other", seed=12, idle_limit_s=60)
    printed = said("%desk flatten")
    assert "2 desks are open (magic, other): say which, e.g. %desk flatten --desk magic" in printed
    assert "no desk 'nobody' is open; open: magic, other" in said("%desk resume --desk nobody")
    table = value(shell, "status")
    assert table.column("desk") == ["magic", "other"]
    assert value(shell, "status --desk=other") is other
    printed = said("%desk halt enough")
    assert printed.count("halt: HALTED") == 2
    assert "magic (EMBEDDED)\nhalt: HALTED" in printed
    assert {opened.snapshot.state, other.snapshot.state} == {TradingState.HALTED}
    value(shell, "resume --desk other")
    assert opened.snapshot.state is TradingState.HALTED
    assert value(shell, "close --desk other leave=flatten").done
    assert not other.is_open
    assert opened.is_open


def test_a_desk_that_was_just_closed_keeps_no_other_one_from_being_halted(
    opened: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever halts has asked for the desks that are open, and one of them is closed before it is begun."""
    gone = open_desk("embedded", name="gone", seed=13, idle_limit_s=60)
    opened.resume()
    asked = open_desks()
    asked.sort(key=lambda desk: desk is not gone)
    gone.close()
    capsys.readouterr()
    halt_all(asked, "enough")
    assert opened.snapshot.state is TradingState.HALTED
    printed = capsys.readouterr().out
    assert "gone (EMBEDDED) was closed meanwhile: it sends nothing any more" in printed
    assert "magic (EMBEDDED)\nhalt: HALTED" in printed


# -- a real kernel -------------------------------------------------------------------------


class Asked(Kernel):
    """A kernel whose answers are looked at."""

    def outputs(self, code: str) -> tuple[str, list[dict[str, Any]]]:
        """The status of the reply, and the contents of what came out."""
        found: list[dict[str, Any]] = []
        reply = self.client.execute_interactive(
            code, timeout=CELL_WITHIN_S, output_hook=lambda message: found.append(message["content"])
        )
        return reply["content"]["status"], found

    def matches(self, code: str) -> list[str]:
        reply = self.client.complete(code, reply=True, timeout=CELL_WITHIN_S)["content"]
        return [code[: reply["cursor_start"]] + text for text in reply["matches"]]


def text_of(outputs: list[dict[str, Any]]) -> str:
    parts = [one.get("text", "") + one.get("data", {}).get("text/plain", "") for one in outputs]
    return "\n".join(parts)


def test_in_a_kernel_a_session_goes_by_magics_alone(home: Path) -> None:
    kernel = Asked(home)
    try:
        kernel.run("%load_ext contractdesk")
        status, outputs = kernel.outputs("%desk open embedded name=kernel seed=7 fresh=True idle_limit_s=60")
        assert status == "ok"
        (shown,) = [one["data"] for one in outputs if "data" in one]
        assert "kernel EMBEDDED" in shown["text/plain"]
        assert "EMBEDDED" in shown["text/html"]
        kernel.run(f"%desk start TrendFollow symbols={BTC} timeframe=1s fast=5 slow=15")
        assert kernel.matches('desk.buy("BTC/US') == [f'desk.buy("{BTC}']
        assert kernel.matches("%desk stop Tr") == ["%desk stop TrendFollow"]
        status, outputs = kernel.outputs("%desk start Nobody")
        assert status == "error", "papermill, too, must see that it failed"
        assert "no strategy 'Nobody'" in text_of(outputs)
        kernel.run("import ipywidgets, traitlets; label = ipywidgets.Label()")
        kernel.run("link = traitlets.dlink((desk.state, 'trading'), (label, 'value')); seen = []")
        kernel.run("ear = desk.observe(seen.append, 'state')")
        assert "halt: HALTED" in text_of(kernel.outputs("%desk halt")[1])
        running = embedded.find(DeskPaths.of("kernel").exchange)
        assert running is not None
        account = json.loads(embedded.get(running.address, "/control/state"))["accounts"]["kernel"]
        assert not account["open_orders"]
        kernel.run("desk.wait_for(lambda s: bool(seen) and label.value == 'HALTED')")
        kernel.run("%desk resume\n%desk flatten")
        status, outputs = kernel.outputs("%desk show status")
        assert any("application/vnd.jupyter.widget-view+json" in one.get("data", {}) for one in outputs)
        kernel.run("%desk close")
        kernel.run("assert label.value == desk.snapshot.state.value")
        kernel.run("assert not ear.alive and not desk.state.is_open")
    finally:
        kernel.end()
