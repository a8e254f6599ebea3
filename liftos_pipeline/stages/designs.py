"""Which design an analysis has, which method is believed in it, and which tier its evidence can reach. No computing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from liftos_pipeline.causal.results import EffectEstimate
from liftos_pipeline.causal.treatments.assignment import BELOW_CUTOFF, NOT_ASSIGNED
from liftos_pipeline.stages.roles import GEO_EXPERIMENT

EXPERIMENT, STAGGERED, LANDMARKED, SINGLE_UNIT = "experiment", "staggered", "landmarked", "single_unit"
CUTOFF, INSTRUMENT = "cutoff", "instrument"
INSTRUMENTED = (CUTOFF, INSTRUMENT)
"""Designs whose assignment is the instrument."""
Tier = Literal["T1", "T2", "T3", "T4"]


@dataclass(frozen=True, eq=False)
class PanelEffect:
    """What one method that reads the panel itself said about one analysis and outcome: an effect, or why there is none."""

    platform: str
    treatment_type: str
    design: str
    outcome: str
    method: str
    found: EffectEstimate | str


@dataclass(frozen=True)
class Design:
    """``primary`` is the method that decisions about sales rest on; others stand beside it, ``naive`` is labelled as such.

    ``landmarked`` methods read the causal-ready rows, ``weekly`` ones the panel by weeks; ``iv`` and
    ``geo_did`` are no choice of their designs. ``tier``: what the evidence is
    worth at best.
    """

    primary: str
    landmarked: tuple[str, ...]
    weekly: tuple[str, ...]
    naive: str | None
    tier: Tier
    meaning: str

    def role_of(self, method: str) -> str:
        """primary, comparison or naive."""
        if method == self.primary:
            return "primary"
        return "naive" if method == self.naive else "comparison"


DESIGNS: Mapping[str, Design] = {
    EXPERIMENT: Design(
        "doubly_robust",
        ("difference_in_means", "doubly_robust"),
        ("staggered_did",),
        None,
        "T1",
        "Treatments that a declared experiment covers, against its units not yet treated.",
    ),
    STAGGERED: Design(
        "doubly_robust",
        ("difference_in_means", "doubly_robust"),
        ("staggered_did",),
        None,
        "T2",
        "Treatments that their account's date brought, one account after another, against the units not yet treated.",
    ),
    GEO_EXPERIMENT: Design(
        "geo_did",
        (),
        (),
        None,
        "T1",
        "Advertising that a declared experiment raised or switched off in regions, against its other regions.",
    ),
    CUTOFF: Design(
        "iv",
        (),
        (),
        None,
        "T2",
        "Treatments that a declared cutoff gave, among units near it; being above is the instrument.",
    ),
    INSTRUMENT: Design(
        "iv",
        (),
        (),
        None,
        "T2",
        "Treatments of units that a declared instrument moved, such as a lot that was not always followed.",
    ),
    LANDMARKED: Design(
        "doubly_robust",
        ("difference_in_means", "ipw", "doubly_robust"),
        ("staggered_did",),
        "difference_in_means",
        "T3",
        "All other treatments, per weekly window against the units not yet treated, given what was known before.",
    ),
    SINGLE_UNIT: Design(
        "synthetic_control",
        (),
        ("synthetic_control",),
        None,
        "T3",
        "The only treated unit, against a weighted mean of untreated ones.",
    ),
}
"""What runs for which treatments."""

_BY_METHOD = {"randomized": EXPERIMENT, "quasi_experimental": STAGGERED}
_BY_CONTROLS = {BELOW_CUTOFF: CUTOFF, NOT_ASSIGNED: INSTRUMENT}
KEY = ["platform", "treatment_type"]


def treatments_of_designs(treatments: pd.DataFrame) -> pd.DataFrame:
    """The treatments that are analysed, each with its ``design``.

    Where the platform's log has changes of a type, breaks that it does not explain are no treatments: they stay in the
    table for people to look at. Of a unit's treatments of one type all have the design of the first.
    """
    known = treatments[treatments["standing"].isin(["current", "lapsed"])]
    is_logged = known["evidence"] != "detected"
    has_log = is_logged.groupby([known[name] for name in KEY]).transform("any") if len(known) else is_logged
    known = known[is_logged | ~has_log].sort_values([*KEY, "unit_id", "started_on"], ignore_index=True)
    told = known.reindex(columns=["control_group_id", "assignment_method"]).itertuples(index=False, name=None)
    known["design"] = [_BY_CONTROLS.get(group) or _BY_METHOD.get(method, LANDMARKED) for group, method in told]
    known["design"] = known.groupby([*KEY, "unit_id"])["design"].transform("first") if len(known) else []
    units = known.groupby([*KEY, "design"])["unit_id"].transform("nunique") if len(known) else pd.Series(dtype=int)
    known.loc[(known["design"] == LANDMARKED) & (units == 1), "design"] = SINGLE_UNIT
    return known


def members_of(experiments: pd.DataFrame, platform: str) -> frozenset[str]:
    """Units of every declared experiment of campaigns on a platform, whatever their arm."""
    drawn = experiments[(experiments["platform"] == platform) & (experiments["unit"] == "campaign")]
    return frozenset(unit for units in drawn["unit_ids"] for unit in units)
