"""The command that measures speed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from liftos_pipeline.cli.console import err, out

if TYPE_CHECKING:
    from liftos_pipeline.benchmarks.detector_speed import DetectorSpeed
    from liftos_pipeline.benchmarks.estimators import Measured
    from liftos_pipeline.benchmarks.geo_tests import GeoRow
    from liftos_pipeline.benchmarks.ingestion import IngestionTimes
    from liftos_pipeline.benchmarks.operating_points import Judged as JudgedCell
    from liftos_pipeline.benchmarks.service import ServiceTimes
    from liftos_pipeline.benchmarks.simulator import WorldSpeed
    from liftos_pipeline.benchmarks.transformation import TransformationTimes
    from liftos_pipeline.benchmarks.weights import Judged, Weighed

Row = TypeVar("Row", "Measured", "Weighed")


def benchmark(
    records: Annotated[int, typer.Option(help="Raw rows.")] = 5_000_000,
    quick: Annotated[bool, typer.Option(help="A million rows at most.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Time pages to raw rows, raw rows to panel, worlds, a certificate, the estimators beside a scan of the same columns,
    synthetic control's weights, detectors and the service; all beside the peers that are installed. Count how often geo
    tests and detectors err."""
    from liftos_pipeline.benchmarks import (
        certificate,
        detector_speed,
        geo_tables,
        geo_tests,
        ingestion,
        operating_points,
        service,
        simulator,
        transformation,
    )
    from liftos_pipeline.benchmarks.estimators import measure, surroundings
    from liftos_pipeline.benchmarks.growth import growth_table, of_estimators, of_weights
    from liftos_pipeline.benchmarks.tables import plain, tables
    from liftos_pipeline.benchmarks.weight_tables import weight_tables

    about = surroundings()
    times = transformation.measure(min(records, 1_000_000) if quick else records)
    pulled = ingestion.measure(*((200_000, 28) if quick else (1_000_000, 28)))
    grown = ingestion.measure(*((200_000, 365) if quick else (1_000_000, 365)))
    worlds = simulator.measure(quick)
    certified = certificate.measure(quick)
    found = list(_told(measure(quick)))
    if as_json:
        facts = {
            "surroundings": about,
            "transformation": vars(times),
            "ingestion": [{**vars(times), "rows_per_s": times.rows_per_s} for times in (pulled, grown)],
            "simulator": [{**vars(world), "unit_days_per_core_s": world.unit_days_per_core_s} for world in worlds],
            "certificate": vars(certified),
            "estimators": [plain(row) for row in found],
            **_plain_weights(quick),
            "service": [vars(row) for row in service.measure(quick)],
            "geo_tests": [geo_tables.plain(row) for row in _told_cells(geo_tests.measure(quick))],
            "detector_speed": [
                {**vars(row), "per_unit_ms": row.per_unit_ms} for row in detector_speed.measure(quick)
            ],
            "operating_points": [operating_points.plain(row) for row in _operating_points(quick)],
        }
        print(json.dumps(facts))  # noqa: T201
        return
    out.print(", ".join(f"{name} {value}" for name, value in about.items()), highlight=False)
    out.print(_transformation_table(times))
    out.print(_ingestion_table([pulled, grown]))
    out.print(_simulator_table(worlds))
    out.print(
        f"certificate: {certified.units} units x {certified.days} days, {certified.judged} of {certified.methods} methods, "
        f"{certified.replays} replays, {certified.workers} processes: {certified.seconds:.1f} s",
        highlight=False,
        soft_wrap=True,
    )
    weighed, lines = _weights(quick)
    growth = growth_table([*of_estimators(found), *of_weights(weighed)])
    for shown in (*tables(found), *weight_tables(weighed, lines), growth):
        out.print(shown)
        out.print()
    out.print(_service_table(service.measure(quick)))
    out.print(geo_tables.geo_table(list(_told_cells(geo_tests.measure(quick)))))
    out.print(_detector_table(detector_speed.measure(quick)))
    out.print(operating_points.table(_operating_points(quick)))


def _operating_points(quick: bool) -> list[JudgedCell]:
    """Detectors on worlds with known truth, with a line for each cell as it ends."""
    from liftos_pipeline.benchmarks.operating_points import judge, measure

    cells = []
    for cell in measure(quick):
        err.print(f"  [green]done[/]  {cell.detector}: {cell.name}, {cell.draws:,} draws", highlight=False)
        cells.append(cell)
    return judge(cells)


def _detector_table(rows: list[DetectorSpeed]) -> Table:
    table = Table("detector", "units", "rows", "wall", "processor", "of a unit", box=box.SIMPLE_HEAD)
    for row in rows:
        cells = (f"{row.seconds:.2f} s", f"{row.processor_s:.2f} s", f"{row.per_unit_ms:.2f} ms")
        table.add_row(row.peer or row.detector, f"{row.units:,}", f"{row.rows:,}", *cells)
    return table


def _service_table(rows: list[ServiceTimes]) -> Table:
    table = Table("service", "requests", "a second", "p50", "p95", "asked", "errors", box=box.SIMPLE_HEAD)
    for row in rows:
        cells = (f"{row.p50_ms:.1f} ms", f"{row.p95_ms:.1f} ms", f"{row.limit_ms:.0f} ms", str(row.errors))
        table.add_row(row.what, f"{row.requests:,}", f"{row.per_s:.1f}", *cells)
    return table


def _weights(quick: bool) -> tuple[list[Weighed], list[Judged]]:
    """Synthetic control's weights by every solver, and what was asked of ours."""
    from liftos_pipeline.benchmarks.weights import judged, measure

    found = list(_told(measure(quick)))
    return found, judged(found)


def _plain_weights(quick: bool) -> dict[str, object]:
    from liftos_pipeline.benchmarks.tables import plain

    found, lines = _weights(quick)
    return {"weights": [plain(row) for row in found], "weights_judged": [plain(line) for line in lines]}


def _told(found: Iterator[Row]) -> Iterator[Row]:
    """The same, with a line for each as it ends."""
    for row in found:
        state = f"[red]failed[/]  {escape(row.failed)}" if row.failed else f"[green]done[/]  {row.seconds:8.3f} s"
        err.print(f"  {state}  {row.title}", highlight=False)
        yield row


def _told_cells(found: Iterator[GeoRow]) -> Iterator[GeoRow]:
    """The same, with a line for each as it ends."""
    for row in found:
        err.print(
            f"  [green]done[/]  {row.seconds:8.3f} s  geo tests: {row.cell}, {row.n_draws} draws", highlight=False
        )
        yield row


def _transformation_table(times: TransformationTimes) -> Table:
    table = Table("raw rows", "panel", "records/s", "scan", "dbt start", "dbt run", box=box.SIMPLE_HEAD)
    cells = (f"{times.panel_s:.2f} s", f"{times.records_per_s:,.0f}", f"{times.scan_s:.2f} s")
    table.add_row(f"{times.records:,}", *cells, f"{times.dbt_start_s:.1f} s", f"{times.dbt_run_s:.1f} s")
    return table


def _ingestion_table(pulls: list[IngestionTimes]) -> Table:
    table = Table("rows pulled", "days", "wall", "rows/s", "peak", "next day", "its rows", box=box.SIMPLE_HEAD)
    for row in pulls:
        cells = (f"{row.seconds:.1f} s", f"{row.rows_per_s:,.0f}", f"{row.peak_mb:.0f} MB")
        table.add_row(
            f"{row.rows:,}", str(row.days), *cells, f"{row.increment_s:.2f} s", f"{row.increment_rows:,}"
        )
    return table


def _simulator_table(worlds: list[WorldSpeed]) -> Table:
    table = Table("simulator", "unit-days", "wall", "processor", "unit-days/s of a core", box=box.SIMPLE_HEAD)
    for row in worlds:
        cells = (f"{row.seconds:.2f} s", f"{row.processor_s:.2f} s", f"{row.unit_days_per_core_s:,.0f}")
        table.add_row(row.world, f"{row.unit_days:,}", *cells)
    return table
