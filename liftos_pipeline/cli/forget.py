"""The command that erases a person."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from liftos_pipeline.cli.console import clear_errors, err, out
from liftos_pipeline.errors import GateRefused
from liftos_pipeline.settings import load_settings


def forget(
    profile: Annotated[str, typer.Argument(help="Id of a Klaviyo profile, or an address of e-mail.")],
    requester: Annotated[
        str | None,
        typer.Option("--requester", help="Who asks for it; kept in ops.erasure, so without the person."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Erase a person from every table, raw page and published file; ops.erasure says that it was done.

    Later pulls leave the person out. Call it between runs; if it is interrupted, call it again.

    Examples: liftos forget 01GDDKASAP8TKDDA2GRZDSVP4H

    liftos forget ann@example.com --requester "ticket 4711"
    """
    with clear_errors():
        from liftos_pipeline.forget import forget_person
        from liftos_pipeline.ingest import open_home

        done = forget_person(open_home(load_settings()), profile, requester)
        if as_json:
            facts = {
                "erased_at": None if done.erased_at is None else done.erased_at.isoformat(),
                "profile_hashes": done.profile_hashes,
                "rows": done.rows,
                "pages": done.pages,
                "elsewhere": done.elsewhere,
            }
            print(json.dumps(facts))  # noqa: T201
        elif done.erased_at is None:
            out.print("nothing was left to erase; what was broken off is complete", highlight=False)
        else:
            for table, count in sorted(done.rows.items()):
                out.print(f"{count:9d}  {table}", highlight=False)
            out.print(f"{done.pages:9d}  archived pages written anew", highlight=False)
        if done.elsewhere:
            raise _still_named(done.elsewhere)
        err.print("the audit row is in ops.erasure", highlight=False)


def _still_named(files: tuple[str, ...]) -> GateRefused:
    return GateRefused(
        "no other file of the home to name the person",
        ", ".join(files),
        "Tables and pages are clean. Delete these files, then call it again.",
    )
