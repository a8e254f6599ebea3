"""What all figures share: size, fonts, colours that colour-blind readers can tell apart, words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from liftos_pipeline.causal.summary import shown_estimand

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

    from liftos_pipeline.causal.results import EffectEstimate

WIDTH, DPI = 6.4, 100
"""640 pixels."""
TITLE_WIDTH = 80

BLUE, ORANGE, GREY, LIGHT, ALARM = "#0072B2", "#D55E00", "#6E6E6E", "#D9D9D9", "#A50F15"
"""Okabe and Ito (2008), Color Universal Design; alarm and greys beside it."""

STYLE: dict[RcKeyType, object] = {
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "figure.titlesize": 10.0,
    "legend.fontsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}

_LONGEST_NAME = 18
_CHARACTERS = 62
"""That fit under one axis."""
RELATIVE = ("geo_did",)
"""Methods whose effects are proportions of the outcome."""


def headline(effect: EffectEstimate) -> str:
    """Method, estimand and counts in one line."""
    return f"{effect.method} ({shown_estimand(effect.estimand)}), {effect.n_units:,} units, {effect.n_treated:,} treated"


def effect_label(effect: EffectEstimate) -> str:
    """Name of the effect's axis, with its unit."""
    outcome = effect.diagnostics.get("outcome")
    unit = "share of the outcome" if effect.method in RELATIVE else "outcome units"
    return f"effect on {outcome} ({unit})" if isinstance(outcome, str) else f"effect ({unit})"


def label_places(labels: Sequence[str]) -> list[int]:
    """Which labels can stand under one axis without touching: the first, the last, and evenly between."""
    longest = max(len(label) for label in labels)
    every = -(-len(labels) // max(2, _CHARACTERS // (longest + 2)))
    last = len(labels) - 1
    return [*range(0, max(last - every + 1, 1), every), *([last] if last else [])]


def shortened(name: str) -> str:
    """Names often differ at their ends: what is too long loses its middle."""
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[: half - 1]}\u2026{name[-half:]}"


def number(value: object) -> float:
    """A value of the diagnostics as a float; NaN where there is none."""
    return float(value) if isinstance(value, int | float) else math.nan


def records(effect: EffectEstimate, name: str) -> list[dict[str, object]]:
    """A table of the diagnostics as records; empty where there is none."""
    found = effect.diagnostics.get(name)
    return [dict(entry) for entry in found] if isinstance(found, list | tuple) else []
