"""The ``liftos`` command. Parses, calls, prints; computes nothing."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from liftos_pipeline import __version__
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.settings import CREDENTIALS, OPTIONAL_CREDENTIALS, Settings, last_ended_day, load_settings

if TYPE_CHECKING:
    import pandas as pd

    from liftos_pipeline.benchmarks.estimators import Measured
    from liftos_pipeline.benchmarks.transformation import TransformationTimes

DEMO_DAYS = 180
_PICTURES = (".png", ".svg", ".pdf")

app = typer.Typer(
    help="LiftOS pipeline: what did our marketing really cause?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True)


@contextmanager
def clear_errors() -> Iterator[None]:
    """End with one clear line and the error's exit code."""
    try:
        yield
    except LiftosError as error:
        err.print(f"liftos: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        raise typer.Exit(error.exit_code) from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise LiftosError("a date as YYYY-MM-DD", repr(text), "For example --date 2026-06-29.") from error


class Steps:
    """Prints each step of a run as it ends, with its seconds."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}

    def __call__(self, step: str, state: str) -> None:
        if state == "started":
            self._started[step] = time.monotonic()
            return
        seconds = time.monotonic() - self._started.get(step, time.monotonic())
        mark = "[green]done[/]" if state == "done" else "[red]failed[/]"
        err.print(f"  {mark}  {seconds:6.1f} s  {step}", highlight=False)


def _run(settings: Settings, first: date, last: date) -> None:
    from liftos_pipeline.run import run_daily

    outcome = run_daily(settings, first, last, Steps())
    for message in outcome.messages:
        err.print(f"liftos: {message}", style="red", highlight=False, soft_wrap=True, markup=False)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)


@app.command()
def run(
    date_: Annotated[str | None, typer.Option("--date", help="As-of day; yesterday if not given.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="First as-of day of a range.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Last as-of day of a range.")] = None,
) -> None:
    """Do what the schedule does: pull, load, transform, estimate, publish.

    Example: liftos run --from 2026-06-01 --to 2026-06-29
    """
    with clear_errors():
        settings = load_settings()
        if date_ is not None and (from_ is not None or to is not None):
            raise LiftosError("--date, or --from and --to", "both", "Give one of them.")
        if (from_ is None) != (to is None):
            raise LiftosError("--from and --to together", "one of them", "Give the other one too.")
        yesterday = last_ended_day(datetime.now(UTC)).isoformat()
        first, last = _day(from_ or date_ or yesterday), _day(to or date_ or yesterday)
        err.print(f"as of {first} to {last}, {settings.source_mode} home {settings.home}", highlight=False)
        _run(settings, first, last)
        out.print(f"published {settings.home / 'liftos.duckdb'}", highlight=False, soft_wrap=True)


@app.command()
def demo() -> None:
    """Build a home with 180 simulated days and show what its marketing caused, beside the truth."""
    with clear_errors():
        for names in (*CREDENTIALS.values(), *OPTIONAL_CREDENTIALS.values()):
            for name in names:
                os.environ.pop(name, None)
        settings = load_settings()
        if settings.source_mode != "simulated":
            raise LiftosError(
                "a home without credentials",
                f"some in {settings.home / 'liftos.toml'}",
                "Set LIFTOS_HOME elsewhere.",
            )
        as_of = settings.liftos_start_date + timedelta(days=DEMO_DAYS - 1)
        started = time.monotonic()
        err.print(f"SIMULATED home {settings.home}, as of {as_of}", highlight=False)
        _run(settings, as_of, as_of)
        _show_summary(settings, as_of)
        err.print(f"{time.monotonic() - started:.0f} s in all", highlight=False)


def _show_summary(settings: Settings, as_of: date) -> None:
    import duckdb

    from liftos_pipeline.report.summary import HEAD, effect_summary, summary_cells, to_markdown

    public = settings.home / "liftos.duckdb"
    with duckdb.connect(str(public), read_only=True) as connection:
        summary = effect_summary(connection, as_of)
    table = Table(title=f"SIMULATED: what each change caused over its first 28 days, as of {as_of}")
    for name in HEAD:
        table.add_column(name, justify="left" if name in HEAD[:3] else "right")
    for cells in summary_cells(summary):
        table.add_row(*cells)
    Console(width=max(out.width, 118)).print(table)
    page = settings.home / "reports" / f"{as_of}.md"
    page.parent.mkdir(exist_ok=True)
    page.write_text(to_markdown(summary, as_of, settings.source_mode))
    out.print(
        "Sums over the same treated unit-days. Caused and truth are in the row's outcome; true orders are what shops got."
    )
    for name, value in (("database", public), ("report", page), ("user interface", "make dev")):
        out.print(f"{name:15s}{value}", highlight=False, soft_wrap=True)


@app.command()
def dev(port: Annotated[int, typer.Option(help="Port of the user interface.")] = 3000) -> None:
    """Open the Dagster user interface with its daemon, until interrupted."""
    with clear_errors():
        from liftos_pipeline.run import open_instance

        settings = load_settings()
        open_instance(settings).dispose()
        os.environ["LIFTOS_HOME"] = str(settings.home)
        program = str(Path(sys.executable).parent / "dagster")
        os.execv(program, [program, "dev", "-m", "liftos_pipeline.definitions", "-p", str(port)])


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Say how this home is configured and what it holds."""
    with clear_errors():
        settings = load_settings()
        facts = {
            "version": __version__,
            "python": sys.version.split()[0],
            "home": str(settings.home),
            "source_mode": settings.source_mode,
            "pulled": list(settings.platforms()),
            "absent": [name for name in CREDENTIALS if name not in settings.platforms()],
            "needs": {name: list(CREDENTIALS[name]) for name in CREDENTIALS if name not in settings.configured()},
            "newest_as_of": _newest(settings),
        }
        if as_json:
            print(json.dumps(facts))  # noqa: T201
            return
        for name, value in facts.items():
            out.print(f"{name:14s}{value}", highlight=False, soft_wrap=True, markup=False)


@app.command()
def estimate(
    method: Annotated[str, typer.Argument(help="Estimator, for example doubly_robust.")],
    file: Annotated[Path, typer.Argument(help="Parquet or CSV file.")],
    outcome: Annotated[str, typer.Option(help="Column of the outcome.")],
    treatment: Annotated[str, typer.Option(help="Column of the treatment, 0 or 1.")],
    unit: Annotated[str | None, typer.Option(help="Column of the unit; each row is one if not given.")] = None,
    period: Annotated[str | None, typer.Option(help="Column of the period.")] = None,
    covariates: Annotated[str, typer.Option(help="Columns, comma-separated.")] = "",
    instruments: Annotated[str, typer.Option(help="Columns, comma-separated.")] = "",
    weights: Annotated[str | None, typer.Option(help="Column of sampling weights.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Column of clusters; the unit if not given.")] = None,
    estimand: Annotated[str | None, typer.Option(help="ate, att or overlap.")] = None,
    level: Annotated[float, typer.Option(help="Level of the interval.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of folds and draws.")] = 0,
    option: Annotated[list[str], typer.Option(help="The method's own option, NAME=VALUE; may be repeated.")] = [],  # noqa: B006
    plot: Annotated[Path | None, typer.Option(help="Save the result's picture: .png, .svg or .pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Estimate one effect from a file.

    Examples: liftos estimate doubly_robust panel.parquet --outcome y --treatment d --unit id --covariates x1,x2

    liftos estimate did panel.parquet --outcome y --treatment d --unit id --period day --option inference=cr3
    """
    with clear_errors():
        from liftos_pipeline.causal import Panel
        from liftos_pipeline.causal import estimate as estimate_effect

        roles: dict[str, Any] = {
            "covariates": _names(covariates),
            "instruments": _names(instruments),
            "outcome": outcome,
            "treatment": treatment,
            "period": period,
            "weights": weights,
            "cluster": cluster,
        }
        if unit is not None and file.suffix == ".parquet":
            panel = Panel.from_parquet(file, unit=unit, **roles)
        else:
            frame = _read_file(file)
            frame = frame if unit is not None else frame.assign(row=range(len(frame)))
            panel = Panel.from_frame(frame, unit=unit or "row", **roles)
        options = _options(option) | ({} if estimand is None else {"estimand": estimand})
        if plot is not None and plot.suffix not in _PICTURES:
            raise LiftosError(f"a picture in {', '.join(_PICTURES)}", str(plot), "Choose one of these endings.")
        result = estimate_effect(method, panel, level=level, seed=seed, **options)
        if plot is not None:
            result.plot().savefig(plot)
        if as_json:
            print(json.dumps(result.to_row(), default=str))  # noqa: T201
        else:
            print(result.summary())  # noqa: T201
        if result.refused is not None:
            raise typer.Exit(1)


@app.command()
def detect(
    detector: Annotated[str, typer.Argument(help="Detector, for example budget_change.")],
    file: Annotated[Path, typer.Argument(help="Parquet or CSV file.")],
    unit: Annotated[str, typer.Option(help="Column of the unit.")],
    period: Annotated[str, typer.Option(help="Column of the day.")],
    value: Annotated[str, typer.Option(help="Column of the value.")],
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Run one detector on a file.

    Example: liftos detect budget_change spend.csv --unit campaign --period day --value spend
    """
    with clear_errors():
        from liftos_pipeline.causal import detect as run_detector

        found = run_detector(detector, _read_file(file), unit=unit, period=period, value=value, seed=seed)
        if as_json:
            tables = {"table": found.table, "events": found.events}
            records = {
                name: json.loads(rows.to_json(orient="records", date_format="iso"))
                for name, rows in tables.items()
            }
            print(json.dumps(records))  # noqa: T201
        else:
            print(found.table.to_string(index=False))  # noqa: T201
            print(found.events.to_string(index=False))  # noqa: T201


def _options(texts: list[str]) -> dict[str, object]:
    """Options as NAME=VALUE: numbers, true, false, null and lists as in JSON, anything else as text."""
    found: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise LiftosError("an option as NAME=VALUE", repr(text), "Write for example --option inference=cr3.")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _read_file(path: Path) -> pd.DataFrame:
    import pandas as pd

    if path.suffix not in {".parquet", ".csv"} or not path.is_file():
        raise LiftosError("a Parquet or CSV file", str(path), "Give the path of a .parquet or .csv file.")
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


@app.command()
def benchmark(
    records: Annotated[int, typer.Option(help="Raw rows.")] = 5_000_000,
    quick: Annotated[bool, typer.Option(help="A million rows at most.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Time raw rows to panel, and the estimators beside a scan of the same columns and the peers that are installed."""
    from liftos_pipeline.benchmarks import transformation
    from liftos_pipeline.benchmarks.estimators import measure, surroundings
    from liftos_pipeline.benchmarks.tables import plain, tables

    about = surroundings()
    times = transformation.measure(min(records, 1_000_000) if quick else records)
    found = _told(measure(quick))
    if as_json:
        facts = {"surroundings": about, "transformation": vars(times), "estimators": [plain(row) for row in found]}
        print(json.dumps(facts))  # noqa: T201
        return
    out.print(", ".join(f"{name} {value}" for name, value in about.items()), highlight=False)
    out.print(_transformation_table(times))
    for table in tables(found):
        out.print(table)
        out.print()


def _told(found: Iterator[Measured]) -> Iterator[Measured]:
    """The same, with a line for each as it ends."""
    for row in found:
        state = f"[red]failed[/]  {escape(row.failed)}" if row.failed else f"[green]done[/]  {row.seconds:8.3f} s"
        err.print(f"  {state}  {row.method}: {row.label}, {row.runner}", highlight=False)
        yield row


def _transformation_table(times: TransformationTimes) -> Table:
    table = Table("raw rows", "panel", "records/s", "scan", "dbt start", "dbt run", box=box.SIMPLE_HEAD)
    cells = (f"{times.panel_s:.2f} s", f"{times.records_per_s:,.0f}", f"{times.scan_s:.2f} s")
    table.add_row(f"{times.records:,}", *cells, f"{times.dbt_start_s:.1f} s", f"{times.dbt_run_s:.1f} s")
    return table


def _newest(settings: Settings) -> str | None:
    if not (settings.home / "warehouse" / "liftos.duckdb").exists():
        return None
    from liftos_pipeline.warehouse import Warehouse
    from liftos_pipeline.warehouse.receipts import newest_as_of

    return newest_as_of(Warehouse(settings.home, settings.source_mode)).isoformat()


def main() -> None:
    """Entry point of the console script."""
    app()
