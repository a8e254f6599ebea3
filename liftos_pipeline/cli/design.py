"""The command that plans a test on a user's own file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liftos_pipeline.cli.console import clear_errors, progress_bar
from liftos_pipeline.cli.files import method_options, names, read_file, refuse_other_pictures

if TYPE_CHECKING:
    from liftos_pipeline.causal import Panel


def power(
    file: Annotated[Path, typer.Argument(help="Parquet or CSV file.")],
    outcome: Annotated[str, typer.Option(help="Column of the outcome.")],
    unit: Annotated[str, typer.Option(help="Column of the unit.")],
    period: Annotated[str, typer.Option(help="Column of the period.")],
    treatment: Annotated[
        str | None, typer.Option(help="Column of the treatment; none if nobody is treated yet.")
    ] = None,
    method: Annotated[str, typer.Option(help="Estimator that will be used.")] = "did",
    effect: Annotated[float | None, typer.Option(help="Effect that should be seen, in outcome units.")] = None,
    relative: Annotated[
        bool, typer.Option("--relative", help="The effect is a share of the mean: 0.05 is 5 %.")
    ] = False,
    treated: Annotated[int | None, typer.Option(help="Units treated.")] = None,
    pre: Annotated[int | None, typer.Option(help="Periods before the start.")] = None,
    post: Annotated[int | None, typer.Option(help="Periods after the start.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Column of clusters that are assigned whole.")] = None,
    assigned: Annotated[
        str | None, typer.Option(help="unit or cluster; cluster where clusters are named.")
    ] = None,
    covariates: Annotated[str, typer.Option(help="Columns, comma-separated.")] = "",
    weights: Annotated[str | None, typer.Option(help="Column of sampling weights.")] = None,
    power: Annotated[float, typer.Option(help="Chance to see the effect.")] = 0.8,
    level: Annotated[float, typer.Option(help="Level of the interval.")] = 0.95,
    replays: Annotated[int, typer.Option(help="Placebo treatments; 0 for the formula alone.")] = 500,
    seed: Annotated[int, typer.Option(help="Seed of placebo treatments.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes.")] = 1,
    option: Annotated[list[str], typer.Option(help="The method's own option, NAME=VALUE; may be repeated.")] = [],  # noqa: B006
    plot: Annotated[Path | None, typer.Option(help="Save the power curve: .png, .svg or .pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """How small an effect a test could see. Ends with 1 where the effect asked for cannot be seen.

    Examples: liftos power panel.parquet --outcome orders --unit geo --period day

    liftos power panel.parquet --outcome orders --unit geo --period day --effect 0.05 --relative --treated 10 --post 28
    """
    with clear_errors():
        from liftos_pipeline.causal import power as power_of

        refuse_other_pictures(plot)
        roles = {"outcome": outcome, "unit": unit, "period": period, "cluster": cluster, "weights": weights}
        panel = _panel(file, treatment, {**roles, "covariates": names(covariates)})
        with progress_bar("placebo treatments") as progress:
            found = power_of(
                panel,
                method,
                effect=effect,
                relative=relative,
                n_treated=treated,
                n_pre=pre,
                n_post=post,
                assigned=assigned,  # type: ignore[arg-type]
                power=power,
                level=level,
                n_replays=replays,
                seed=seed,
                options=method_options(option),
                workers=workers,
                progress=progress,
            )
        if plot is not None:
            found.plot().savefig(plot)
        if as_json:
            print(json.dumps(found.to_dict()))  # noqa: T201
        else:
            print(found.summary())  # noqa: T201
        if found.can_see is False:
            raise typer.Exit(1)


def _panel(file: Path, treatment: str | None, roles: dict[str, Any]) -> Panel:
    """With the treatment's column, or, without one or where it is 0 throughout, before anyone is treated."""
    from liftos_pipeline.causal import Panel

    frame = read_file(file)
    if treatment is None or (treatment in frame and bool((frame[treatment] == 0).all())):
        return Panel.untreated(frame, **roles)
    return Panel.from_frame(frame, treatment=treatment, **roles)
