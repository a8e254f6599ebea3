"""The ``liftos`` command. Parses, calls, prints; computes nothing."""

from __future__ import annotations

import typer

from liftos_pipeline.cli.backup import backup, restore, tidy
from liftos_pipeline.cli.benchmark import benchmark
from liftos_pipeline.cli.certify import certify
from liftos_pipeline.cli.design import power
from liftos_pipeline.cli.doctor import doctor
from liftos_pipeline.cli.explain import explain
from liftos_pipeline.cli.forget import forget
from liftos_pipeline.cli.home import demo, run
from liftos_pipeline.cli.library import detect, estimate
from liftos_pipeline.cli.reparse import reparse
from liftos_pipeline.cli.report import report
from liftos_pipeline.cli.serve import serve
from liftos_pipeline.cli.simulate import simulate
from liftos_pipeline.cli.start import dev, start
from liftos_pipeline.cli.validate import validate

app = typer.Typer(
    help="LiftOS pipeline: what did our marketing really cause?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    run,
    report,
    explain,
    demo,
    dev,
    start,
    doctor,
    forget,
    reparse,
    backup,
    restore,
    tidy,
    simulate,
    estimate,
    certify,
    detect,
    power,
    validate,
    serve,
    benchmark,
):
    app.command()(command)


def main() -> None:
    """Entry point of the console script."""
    app()
