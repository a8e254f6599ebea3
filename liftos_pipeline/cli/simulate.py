"""The command that draws worlds with known truth."""

from __future__ import annotations

import json
import time
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from liftos_pipeline.cli.console import clear_errors, err, out
from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    import pandas as pd

    from liftos_pipeline.simulator import World

_LONGEST_DAYS = 1100


def simulate(
    world: Annotated[str | None, typer.Argument(help="Name of a world; without one, all are listed.")] = None,
    days: Annotated[int, typer.Option(help="Days to draw.")] = 180,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    to: Annotated[Path | None, typer.Option("--out", help="Folder for the tables, as Parquet files.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """List the simulated worlds, or draw one: its panel, its subscribers, and what is true of it.

    Examples: liftos simulate

    liftos simulate confounded_budget --days 180 --seed 7 --out world

    liftos estimate did world/panel_meta.parquet --outcome true_orders --treatment budget_change --unit unit_id
    --period date_day

    LIFTOS_SCENARIO=small_outage LIFTOS_HOME=outage liftos run --date 2026-06-29 (the whole pipeline on that world;
    small_ before any name: the same world with few units)
    """
    with clear_errors():
        if world is None:
            _list(as_json)
            return
        facts = _draw(world, days, seed, to)
        if as_json:
            print(json.dumps(facts))  # noqa: T201
            return
        _print(facts)


def _list(as_json: bool) -> None:
    from liftos_pipeline.simulator import SCENARIOS

    if as_json:
        print(json.dumps({name: scenario.meaning for name, scenario in SCENARIOS.items()}))  # noqa: T201
        return
    table = Table("world", "what happens in it", "campaigns", "lists", box=box.SIMPLE_HEAD)
    for name, scenario in SCENARIOS.items():
        table.add_row(name, scenario.meaning, f"{2 * scenario.campaigns_per_platform:,}", str(scenario.lists))
    out.print(table)
    out.print("liftos simulate WORLD draws one; small_WORLD is the same with few units.", highlight=False)


def _draw(name: str, days: int, seed: int, to: Path | None) -> dict[str, object]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from liftos_pipeline.schema import TABLES
    from liftos_pipeline.simulator import generate, scenario_named

    scenario = scenario_named(name)
    if not 1 <= days <= _LONGEST_DAYS:
        raise LiftosError(f"1 to {_LONGEST_DAYS} days", str(days), "For example --days 180.")
    if seed < 0:
        raise LiftosError("a seed of 0 or more", str(seed), "For example --seed 7.")
    if to is not None and to.exists() and not to.is_dir():
        raise LiftosError("a folder", f"{to}, which is a file", "Give another path with --out.")
    started = time.monotonic()
    drawn = generate(scenario, seed, days)
    _tell(started, f"drawn: {drawn.unit_days:,} unit-days")
    through = scenario.start + timedelta(days=days - 1)
    tables = _tables(drawn, through)
    _tell(started, f"{len(tables)} tables")
    if to is not None:
        for path, rows in tables.items():
            file = to / f"{path}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            schema = TABLES[path.replace("/", ".")].arrow() if path.startswith("truth/") else None
            pq.write_table(pa.Table.from_pandas(rows, schema=schema, preserve_index=False), file)
    return {
        "world": name,
        "meaning": scenario.meaning,
        "seed": seed,
        "first_day": scenario.start.isoformat(),
        "last_day": through.isoformat(),
        "unit_days": drawn.unit_days,
        "folder": None if to is None else str(to),
        "rows": {path: len(rows) for path, rows in tables.items()},
    }


def _tell(started: float, step: str) -> None:
    err.print(f"  [green]done[/]  {time.monotonic() - started:6.1f} s  {step}", highlight=False)


def _tables(drawn: World, through: date) -> dict[str, pd.DataFrame]:
    """Tables by their path below the folder: the panel of each platform and what is true."""
    panel = drawn.panel(through)
    kinds = [
        (name, panel["platform"].eq(name) & panel["unit_type"].ne("geo")) for name in panel["platform"].unique()
    ]
    kinds.append(("geo", panel["unit_type"].eq("geo")))
    seen = {f"panel_{name}": panel[chosen].dropna(axis=1, how="all") for name, chosen in kinds if chosen.any()}
    truth = {f"truth/{name}": rows for name, rows in drawn.tables(through).items()}
    return {**seen, "subscriptions": drawn.subscriptions(through), **truth}


def _print(facts: dict[str, object]) -> None:
    out.print(f"SIMULATED {facts['world']}: {facts['meaning']}", highlight=False)
    out.print(
        f"{facts['first_day']} to {facts['last_day']}, seed {facts['seed']}, {facts['unit_days']:,} unit-days",
        highlight=False,
    )
    table = Table("table", "rows", box=box.SIMPLE_HEAD)
    rows = facts["rows"]
    for path, count in rows.items() if isinstance(rows, dict) else ():
        table.add_row(path, f"{count:,}")
    out.print(table)
    place = facts["folder"]
    out.print(
        f"written to {place}" if place else "Nothing was written: give a folder with --out.", highlight=False
    )
