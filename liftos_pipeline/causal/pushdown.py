"""What runs where the rows lie when these are on other machines, and the refusal of what does not, before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from liftos_pipeline.errors import LiftosError

if TYPE_CHECKING:
    from liftos_pipeline.causal.panel import Panel

PUSHED: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    "did": {"inference": ("cluster",)},
    "event_study": {},
    "staggered_did": {},
    "ipw": {"propensity_learner": ("l1_logit",)},
    "doubly_robust": {
        "learner": ("linear",),
        "propensity_learner": ("l1_logit",),
        "inference": ("influence", "multiplier"),
        "effects": ("average",),
        "by_period": (False,),
    },
    "iv": {"window": (None,), "running": (None,)},
}
"""Methods, and for options that restrict them the values that need no rows in one place."""
_FROM_CELLS = ("event_study", "staggered_did")
"""Methods that need rows unless cohorts and periods say everything."""


def refuse_unless_pushed(name: str, panel: Panel, options: Mapping[str, object]) -> None:
    """Refuse a call that would need the rows in this process.

    Raises
    ------
    LiftosError
    """
    if name not in PUSHED:
        raise _refusal(f"one of {', '.join(PUSHED)} on Spark", name)
    for option, allowed in PUSHED[name].items():
        if option in options and options[option] not in allowed:
            raise _refusal(
                f"{option} {' or '.join(map(repr, allowed))} for {name} on Spark", repr(options[option])
            )
    if name in _FROM_CELLS:
        found = {
            "covariates": bool(panel.covariate_names),
            "weights": panel.has_weights,
            "units without a row in some period": not panel.index.is_balanced,
        }
        if any(found.values()):
            raise _refusal(
                f"a balanced panel without covariates or weights for {name} on Spark",
                ", ".join(what for what, is_there in found.items() if is_there),
            )


def _refusal(expected: str, found: str) -> LiftosError:
    return LiftosError(
        expected, found, "Change the call, or read the rows into this process: Panel.from_parquet or from_frame."
    )
