"""Which columns play which part in a panel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from liftos_pipeline.errors import LiftosError

NOT_YET = "(nobody is treated yet)"
"""Name of the treatment in a panel for planning; no column stands behind it."""


@dataclass(frozen=True)
class Roles:
    """Names of the columns behind each role."""

    outcome: str
    treatment: str
    unit: str
    period: str | None = None
    covariates: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    weights: str | None = None
    cluster: str | None = None
    propensity: str | None = None

    def columns(self) -> tuple[str, ...]:
        optional = (self.period, self.weights, self.cluster, self.propensity)
        named = (self.outcome, self.treatment, self.unit, *optional, *self.covariates, *self.instruments)
        return tuple(name for name in named if name is not None and name != NOT_YET)


def roles_of(
    outcome: str,
    treatment: str,
    unit: str,
    period: str | None,
    covariates: Sequence[str],
    instruments: Sequence[str],
    weights: str | None,
    cluster: str | None,
    propensity: str | None,
) -> Roles:
    for role, names in (("covariates", covariates), ("instruments", instruments)):
        if isinstance(names, str):
            raise LiftosError(f"a list of column names as {role}", f"the text {names!r}", f"Pass [{names!r}].")
    roles = Roles(
        outcome, treatment, unit, period, tuple(covariates), tuple(instruments), weights, cluster, propensity
    )
    modelled = (outcome, treatment, *roles.covariates, *roles.instruments)
    repeated = sorted({name for name in modelled if modelled.count(name) > 1})
    if repeated:
        raise LiftosError(
            "outcome, treatment, covariates and instruments to be different columns",
            f"{', '.join(repeated)} in more than one role",
            "Give each column one role.",
        )
    return roles
