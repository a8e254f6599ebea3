"""The command that says which methods may be believed on a user's own panel."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from liftos_pipeline.cli.console import clear_errors, progress_bar
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
    names,
    open_panel,
    refuse_other_pictures,
)
from liftos_pipeline.errors import LiftosError


def certify(
    file: File,
    outcome: Outcome,
    treatment: Treatment,
    unit: Unit = None,
    period: Period = None,
    covariates: Covariates = "",
    instruments: Instruments = "",
    weights: Weights = None,
    cluster: Cluster = None,
    methods: Annotated[str, typer.Option(help="Methods, comma-separated; all of them if not given.")] = "",
    replays: Annotated[int, typer.Option(help="Placebo treatments.")] = 500,
    effect: Annotated[
        float | None, typer.Option(help="Injected effect; a tenth of the mean if not given.")
    ] = None,
    level: Annotated[float, typer.Option(help="Level of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of placebos, folds and draws.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes; the numbers do not depend on them.")] = 2,
    option: Annotated[list[str], typer.Option(help="METHOD.NAME=VALUE; may be repeated.")] = [],  # noqa: B006
    plot: Picture = None,
    as_json: AsJson = False,
) -> None:
    """Replay methods where nobody was treated: how often is each wrong, and what would it see?

    Ends with 0 if every method that --methods names (without it, at least one method) is cleared or widened, else
    with 1.

    Example: liftos certify panel.parquet --outcome y --treatment d --unit id --period day --methods did,synthetic_did
    """
    with clear_errors():
        from liftos_pipeline.causal import certify as certify_methods

        refuse_other_pictures(plot)
        asked = names(methods)
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
        with progress_bar("replays") as progress:
            certificate = certify_methods(
                panel,
                asked or None,
                n_replays=replays,
                effect=effect,
                level=level,
                seed=seed,
                options=_by_method(option),
                workers=workers,
                progress=progress,
            )
        if plot is not None:
            certificate.plot().savefig(plot)
        print(json.dumps(certificate.to_dict()) if as_json else certificate.summary())  # noqa: T201
        released = certificate.released
        if not released or set(asked) - set(released):
            raise typer.Exit(1)


def _by_method(texts: list[str]) -> dict[str, dict[str, object]]:
    """Options as METHOD.NAME=VALUE, by method."""
    found: dict[str, dict[str, object]] = {}
    for name, value in method_options(texts).items():
        method, dot, own = name.partition(".")
        if not (method and dot and own):
            raise LiftosError(
                "an option as METHOD.NAME=VALUE", name, "Write for example --option did.inference=cr3."
            )
        found.setdefault(method, {})[own] = value
    return found
