"""A user's file by role: the options that name its columns, the panel behind them, and what else commands on it share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    import pandas as pd

    from liftos_pipeline.causal import Panel

_PICTURES = (".png", ".svg", ".pdf")

File = Annotated[Path, typer.Argument(help="Parquet or CSV file.")]
Outcome = Annotated[str, typer.Option(help="Column of the outcome.")]
Treatment = Annotated[str, typer.Option(help="Column of the treatment, 0 or 1.")]
Unit = Annotated[str | None, typer.Option(help="Column of the unit; each row is one if not given.")]
Period = Annotated[str | None, typer.Option(help="Column of the period.")]
Covariates = Annotated[str, typer.Option(help="Columns, comma-separated.")]
Instruments = Annotated[str, typer.Option(help="Columns, comma-separated.")]
Weights = Annotated[str | None, typer.Option(help="Column of sampling weights.")]
Cluster = Annotated[str | None, typer.Option(help="Column of clusters; the unit if not given.")]
Picture = Annotated[Path | None, typer.Option(help="Save the result's picture: .png, .svg or .pdf.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def open_panel(
    file: Path,
    *,
    outcome: str,
    treatment: str,
    unit: str | None,
    period: str | None,
    covariates: str = "",
    instruments: str = "",
    weights: str | None = None,
    cluster: str | None = None,
) -> Panel:
    """The panel of a file. A Parquet file with units stays where it is until a method wants its rows."""
    from liftos_pipeline.causal import Panel

    roles: dict[str, Any] = {
        "covariates": names(covariates),
        "instruments": names(instruments),
        "outcome": outcome,
        "treatment": treatment,
        "period": period,
        "weights": weights,
        "cluster": cluster,
    }
    if unit is not None and file.suffix == ".parquet":
        return Panel.from_parquet(file, unit=unit, **roles)
    frame = read_file(file)
    frame = frame if unit is not None else frame.assign(row=range(len(frame)))
    return Panel.from_frame(frame, unit=unit or "row", **roles)


def read_file(path: Path) -> pd.DataFrame:
    """A Parquet or CSV file as a table. Text of a CSV file that is dates throughout becomes dates."""
    import pandas as pd

    if path.suffix not in {".parquet", ".csv"} or not path.is_file():
        raise LiftosError("a Parquet or CSV file", str(path), "Give the path of a .parquet or .csv file.")
    return pd.read_parquet(path) if path.suffix == ".parquet" else _with_dates(pd.read_csv(path))


def _with_dates(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    for name in frame.select_dtypes("object").columns:
        dates = pd.to_datetime(frame[name], format="ISO8601", errors="coerce")
        if (dates.notna() == frame[name].notna()).all():
            frame[name] = dates
    return frame


def names(text: str) -> list[str]:
    """Comma-separated names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def method_options(texts: list[str]) -> dict[str, object]:
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


def refuse_other_pictures(plot: Path | None) -> None:
    """A picture that cannot be saved is refused before anything is computed."""
    if plot is not None and plot.suffix not in _PICTURES:
        raise LiftosError(f"a picture in {', '.join(_PICTURES)}", str(plot), "Choose one of these endings.")
