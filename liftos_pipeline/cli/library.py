"""Commands on a user's own file: what the library does, without a home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liftos_pipeline.cli.console import clear_errors
from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    import pandas as pd

_PICTURES = (".png", ".svg", ".pdf")


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
