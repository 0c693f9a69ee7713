"""The command line: ``contractdesk exchange | run | demo | lab | halt | fetch | import | replay | ...``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from contractdesk.errors import ConfigError, ContractdeskError

commands = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A Jupyter-resident console for crypto contract trading.",
)
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
Readers = dict[str, Callable[[str], Any]]  # of a value, by option
NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "01-console.ipynb"


@commands.command(context_settings=_PASSED_ON)
def exchange(context: typer.Context) -> None:
    """Serve a contract exchange on loopback, until interrupted; --help lists its options."""
    from contractdesk.exchange.__main__ import main

    raise typer.Exit(main(context.args))


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    notebook: Annotated[
        Path,
        typer.Argument(help="Followed by any number of -p NAME VALUE, or -r NAME TEXT for text as it is."),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The executed notebook; NOTEBOOK.out.ipynb.")
    ] = None,
    result: Annotated[
        Path | None, typer.Option(help="How it ended, as JSON; beside the output unless named.")
    ] = None,
) -> None:
    """Run a notebook headless, with a progress bar; its desks' ends go into a result file.

    Exit code 0: well; 1: a cell failed; 2: it cannot be run; 3: the breaker tripped; 4: a position was left
    without its stop; 5: a desk ended halted; 6: the kernel died; 130 and 143: interrupted, with every desk
    halted and under its stops.
    """
    from contractdesk.console.headless import execute

    existing(notebook)
    target = output or notebook.with_name(f"{notebook.stem}.out.ipynb")
    report = result or target.with_suffix(".result.json")
    outcome = execute(notebook, target, typed_parameters(context.args), report=report)
    for line in outcome.lines:
        typer.echo(line)
    typer.echo(f"result: {report}")
    raise typer.Exit(int(outcome.ending))


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="0 lets JupyterLab choose.")] = 0,
) -> None:
    """Open the console's lesson, or the NOTEBOOK named first, in JupyterLab; it gets all other options."""
    named = bool(context.args) and not context.args[0].startswith("-")
    notebook, rest = (Path(context.args[0]), context.args[1:]) if named else (NOTEBOOK, context.args)
    shown = existing(notebook).resolve()
    words = [sys.executable, "-m", "jupyterlab", str(shown), f"--LabApp.default_url=/lab/tree/{shown.name}"]
    if port:
        words.append(f"--port={port}")
    if os.geteuid() == 0:  # it serves loopback only, behind a token
        words.append("--allow-root")
    os.execv(sys.executable, [*words, *rest])  # noqa: S606  # our interpreter


@commands.command()
def demo(
    recordings: Annotated[
        Path | None, typer.Option(help="Folder of recordings, used where it holds them.")
    ] = None,
    speed: Annotated[float, typer.Option(min=0.1, max=20, help="Of the recorded market.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the market where nothing is recorded.")] = 7,
    output: Annotated[Path, typer.Option("-o", help="The executed notebook.")] = Path("var/demo.ipynb"),
) -> None:
    """Let a bot trade on an exchange of its own for a few minutes, headless, and sum it up."""
    from contractdesk.console.demo import demonstrate

    shown = demonstrate(existing(NOTEBOOK), output, recordings, speed, seed)
    for line in shown.lines:
        typer.echo(line)
    raise typer.Exit(int(shown.ending))


@commands.command()
def fetch(
    venue: Annotated[str, typer.Argument(help="binance.")],
    symbol: Annotated[str, typer.Argument(help="ccxt's, such as BTC/USDT:USDT, or the venue's own.")],
    since: Annotated[str, typer.Option(help="UTC, such as 2026-11-01 or 2026-11-01T08:00.")],
    until: Annotated[str | None, typer.Option(help="Where to end; without it: now.")] = None,
    kind: Annotated[
        str, typer.Option(help="trades (aggregated ones), candles, funding or open_interest.")
    ] = "trades",
    timeframe: Annotated[str, typer.Option(help="Of candles; 1m where none is given.")] = "",
    into: Annotated[Path | None, typer.Option(help="Where the store is.")] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Another place that speaks the venue's protocol.")
    ] = None,
    tick: Annotated[str | None, typer.Option(help="Tick size of that time, where it was another.")] = None,
    lot: Annotated[str | None, typer.Option(help="Lot size of that time, where it was another.")] = None,
) -> None:
    """Fetch a venue's history over REST into the store; it goes on where it stopped, and asks nothing twice.

    Exit code 0: passed; 1: something is missing or odd; 2: it cannot be done; 130: interrupted.
    """
    from contractdesk import history

    try:
        report = history.fetch(
            symbol, venue=venue, since=since, until=until, kind=kind, timeframe=timeframe, root=into,
            base_url=base_url, tick=tick, lot=lot,
        )  # fmt: skip
    except history.FetchStopped as stopped:
        typer.echo(f"contractdesk: {stopped}", err=True)
        raise typer.Exit(130) from None
    typer.echo(report.text())
    raise typer.Exit(0 if report.passed else 1)


@commands.command("import")
def import_history(
    sources: Annotated[list[Path], typer.Argument(help="Dumps, raw captures, tapes, or folders of them.")],
    venue: Annotated[str, typer.Option(help="binance, bybit or okx.")],
    symbol: Annotated[str, typer.Option(help="ccxt's, such as BTC/USDT:USDT.")],
    kind: Annotated[str, typer.Option(help="trades, agg_trades, quotes, depth, marks, ...")] = "trades",
    timeframe: Annotated[str, typer.Option(help="Of candles, such as 1m.")] = "",
    root: Annotated[Path | None, typer.Option(help="Where the store is.")] = None,
    tick: Annotated[str | None, typer.Option(help="Tick size; with --lot.")] = None,
    lot: Annotated[str | None, typer.Option(help="Lot size; with --tick.")] = None,
    contract_size: Annotated[
        str | None, typer.Option(help="Of contracts that are not one unit; without --terms.")
    ] = None,
    terms: Annotated[Path | None, typer.Option(help="A recorded listing of the venue's.")] = None,
) -> None:
    """Check recordings and store what is sound as Parquet. Exit code 1: something is missing or wrong."""
    from tqdm import tqdm

    from contractdesk import history

    with tqdm(desc=symbol, unit=" rows", unit_scale=True, disable=None) as bar:

        def progress(source: str, rows: int) -> None:
            bar.set_postfix_str(source, refresh=False)
            bar.update(rows)

        report = history.import_(
            sources, venue=venue, symbol=symbol, kind=kind, timeframe=timeframe, root=root,
            terms=terms, tick=tick, lot=lot, contract_size=contract_size, progress=progress,
        )  # fmt: skip
    typer.echo(report.text())
    raise typer.Exit(0 if report.passed else 1)


@commands.command("replay", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def replay_history(
    context: typer.Context,
    strategy: Annotated[
        str, typer.Argument(help="TrendFollow, file.py:Class or module:Class; -p NAME VALUE sets parameters.")
    ],
    symbol: Annotated[list[str], typer.Option(help="ccxt's, such as BTC/USDT:USDT; may be repeated.")],
    timeframe: Annotated[str, typer.Option(help="Of its bars.")] = "1m",
    venue: Annotated[str, typer.Option(help="Whose recording.")] = "binance",
    kind: Annotated[str, typer.Option(help="trades or agg_trades.")] = "agg_trades",
    start: Annotated[str | None, typer.Option(help="ISO date or time, UTC.")] = None,
    end: Annotated[str | None, typer.Option(help="ISO date or time, UTC; not included.")] = None,
    root: Annotated[Path | None, typer.Option(help="Where the store is.")] = None,
    balance: Annotated[str, typer.Option(help="In the settle currency.")] = "10000",
    leverage: Annotated[str, typer.Option(help="Of every contract.")] = "10",
    risk: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, a risk setting; may be repeated.")
    ] = None,
    latency_ms: Annotated[float, typer.Option(help="One way, of orders and of answers.")] = 25.0,
    slippage: Annotated[int, typer.Option(help="Ticks against us, of each taking fill.")] = 1,
    html: Annotated[Path | None, typer.Option(help="Write the report there, as one file.")] = None,
) -> None:
    """Replay a strategy over recorded trades, and report what came of it."""
    from contractdesk.console import replay_command

    result = replay_command.replay_history(
        strategy, symbol, timeframe=timeframe, params=parameters(context.args), venue=venue, kind=kind,
        start=start, end=end, root=root, balance=balance, leverage=leverage,
        risk=dict(setting(word) for word in risk or ()), latency_ms=latency_ms, slippage_ticks=slippage,
    )  # fmt: skip
    typer.echo(repr(result))
    if html is not None:
        typer.echo(f"report: {result.to_html(html)}")


@commands.command()
def twin(
    desk: Annotated[str, typer.Argument(help="The desk's name, or the folder of its record.")] = "embedded",
    since: Annotated[str | None, typer.Option(help="6h, or an ISO time; default: its last session.")] = None,
    latency_ms: Annotated[float, typer.Option(help="One way, of orders and of answers.")] = 25.0,
) -> None:
    """Run a live session again from its record, and say which assumption is off. Exit code 1: one is."""
    from contractdesk.console.replaying import replay_session
    from contractdesk.replay.models import ConstantLatency, Models

    latency = ConstantLatency(entry_ms=latency_ms, answer_ms=latency_ms, read_ms=2 * latency_ms)
    report = replay_session(desk, since=since, models=Models(latency=latency))
    typer.echo(repr(report))
    raise typer.Exit(1 if report.verdicts else 0)


@commands.command()
def halt(
    desk: Annotated[str, typer.Argument(help="The desk's name; without it: all that are open.")] = "",
    *,
    flatten: Annotated[bool, typer.Option("--flatten", help="Close the positions, too.")] = False,
    reason: Annotated[str, typer.Option(help="For the journal.")] = "",
) -> None:
    """Halt desks in running kernels, also while their cells are busy. Exit code 1: not all confirmed it."""
    from contractdesk.console.control import Action
    from contractdesk.console.remote import ask

    answers = ask(Action.FLATTEN if flatten else Action.HALT, desk, reason)
    for answer in answers:
        typer.echo(answer.text, err=not answer.confirmed)
    raise typer.Exit(0 if all(answer.confirmed for answer in answers) else 1)


@commands.command()
def doctor() -> None:
    """Check this installation; exit code 1 when something is missing."""
    from contractdesk.console.doctor import diagnose

    findings = diagnose()
    typer.echo(repr(findings))
    raise typer.Exit(0 if all(findings.column("passed")) else 1)


def existing(notebook: Path) -> Path:
    """The notebook, if it is there; an installation from a wheel has no lessons beside it."""
    if not notebook.is_file():
        hint = (
            "name a notebook of yours"
            if notebook != NOTEBOOK
            else (
                "the lessons come with the source, not with the installed package: run this in a clone of the"
                " repository, or name a notebook of yours"
            )
        )
        raise ConfigError(f"no notebook at {notebook}: {hint}")
    return notebook


def parameters(words: list[str]) -> dict[str, Any]:
    """``-p NAME VALUE`` pairs; a value is JSON where it reads as such, text otherwise."""
    return _pairs(words, {"-p": plain, "--parameters": plain}, "a parameter is given as -p NAME VALUE")


def typed_parameters(words: list[str]) -> dict[str, Any]:
    """A notebook's parameters, typed as papermill types them; ``-r NAME TEXT`` is never anything but text."""
    typed: Readers = {
        "-p": papermill_typed,
        "--parameters": papermill_typed,
        "-r": str,
        "--parameters_raw": str,
    }
    return _pairs(words, typed, "a notebook's parameter is given as -p NAME VALUE, after the notebook")


def _pairs(words: list[str], readers: Readers, how: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    rest = list(words)
    while rest:
        if rest[0] not in readers or len(rest) < 3:
            raise ConfigError(f"{' '.join(rest)}: {how}")
        found[rest[1]] = readers[rest[0]](rest[2])
        rest = rest[3:]
    return found


def papermill_typed(text: str) -> Any:
    """``True``, ``False``, ``None``, an int, a float; text otherwise: what papermill's own -p makes of it."""
    words = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def setting(word: str) -> tuple[str, Any]:
    """``NAME=VALUE``."""
    name, equals, value = word.partition("=")
    if not equals:
        raise ConfigError(f"--risk {word}: a risk setting is given as NAME=VALUE, e.g. size_cap=0.05")
    return name, plain(value)


def plain(text: str) -> Any:
    """JSON where it reads as such, text otherwise."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def app() -> None:
    """Entry point: our errors end as one line, not as a traceback."""
    try:
        commands()
    except ContractdeskError as error:
        typer.echo(f"contractdesk: {error}", err=True)
        sys.exit(2)
