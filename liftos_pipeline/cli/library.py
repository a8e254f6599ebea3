"""Commands on a user's own file: what the library does, without a home."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from liftos_pipeline.cli.console import clear_errors
from liftos_pipeline.cli.files import (
    AsJson,
    Cluster,
    Covariates,
    File,
    Instruments,
    Outcome,
    Period,
    Picture,
    Treatment,
    Unit,
    Weights,
    method_options,
    open_panel,
    read_file,
    refuse_other_pictures,
)


def estimate(
    method: Annotated[str, typer.Argument(help="Estimator, for example doubly_robust.")],
    file: File,
    outcome: Outcome,
    treatment: Treatment,
    unit: Unit = None,
    period: Period = None,
    covariates: Covariates = "",
    instruments: Instruments = "",
    weights: Weights = None,
    cluster: Cluster = None,
    estimand: Annotated[str | None, typer.Option(help="ate, att or overlap.")] = None,
    level: Annotated[float, typer.Option(help="Level of the interval.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of folds and draws.")] = 0,
    option: Annotated[list[str], typer.Option(help="The method's own option, NAME=VALUE; may be repeated.")] = [],  # noqa: B006
    plot: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Estimate one effect from a file.

    Examples: liftos estimate doubly_robust panel.parquet --outcome y --treatment d --unit id --covariates x1,x2

    liftos estimate did panel.parquet --outcome y --treatment d --unit id --period day --option inference=cr3
    """
    with clear_errors():
        from liftos_pipeline.causal import estimate as estimate_effect

        panel = open_panel(
            file,
            outcome=outcome,
            treatment=treatment,
            unit=unit,
            period=period,
            covariates=covariates,
            instruments=instruments,
            weights=weights,
            cluster=cluster,
        )
        options = method_options(option) | ({} if estimand is None else {"estimand": estimand})
        refuse_other_pictures(plot)
        result = estimate_effect(method, panel, level=level, seed=seed, **options)
        if plot is not None:
            result.plot().savefig(plot)
        if as_json:
            print(json.dumps(result.to_row(), default=str))  # noqa: T201
        else:
            print(result.summary())  # noqa: T201
        if result.refused is not None:
            raise typer.Exit(1)


def detect(
    detector: Annotated[str, typer.Argument(help="Detector, for example budget_change.")],
    file: File,
    unit: Annotated[str, typer.Option(help="Column of the unit.")],
    period: Annotated[str | None, typer.Option(help="Column of the day.")] = None,
    value: Annotated[str | None, typer.Option(help="Column of the value.")] = None,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    option: Annotated[
        list[str], typer.Option(help="The detector's own option or column, NAME=VALUE; may be repeated.")
    ] = [],  # noqa: B006
    plot: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Run one detector on a file.

    Examples: liftos detect budget_change spend.csv --unit campaign --period day --value spend

    liftos detect list_health people.csv --unit list --option start=joined --option end=left_on --option event=left
    """
    with clear_errors():
        from liftos_pipeline.causal import detect as run_detector

        refuse_other_pictures(plot)
        options: dict[str, Any] = method_options(option)
        found = run_detector(
            detector, read_file(file), unit=unit, period=period, value=value, seed=seed, **options
        )
        if plot is not None:
            found.plot().savefig(plot)
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
