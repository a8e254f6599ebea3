"""Other designs than the one asked about: what each could see, the cheapest that sees the effect, and what it takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from liftos_pipeline.causal.diagnostics.design_noise import DesignNoise
from liftos_pipeline.causal.diagnostics.replays import MIN_CONTROLS
from liftos_pipeline.causal.power_question import Question
from liftos_pipeline.causal.power_result import Needed
from liftos_pipeline.errors import LiftosError

NEIGHBOURS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Multiples of the units treated and of the periods after the start."""
MOST_TRIED = 3
"""Designs that are simulated in search of the cheapest one that sees the effect."""


def other_designs(
    question: Question,
    scaled: DesignNoise,
    treated_grid: Sequence[int] | None,
    post_grid: Sequence[int] | None,
) -> pd.DataFrame:
    """A row per number of treated units and duration.

    Parameters
    ----------
    scaled : DesignNoise
        On the scale of the simulated answer.
    """
    design, most = scaled.design, math.floor(scaled.n_units) - MIN_CONTROLS
    treated = _grid("treated_grid", treated_grid, design.n_treated, most)
    rows = []
    for n_treated in treated:
        for n_post in _grid("post_grid", post_grid, design.n_post, None):
            other = replace(design, n_treated=n_treated, n_post=n_post)
            reach, plain = scaled.reach(other), question.noise.reach(other)
            detectable = question.told(reach.detectable)
            rows.append(
                {
                    "n_treated": n_treated,
                    "n_pre": design.n_pre,
                    "n_post": n_post,
                    "detectable": detectable,
                    "analytic": question.told(plain.detectable),
                    "can_see": None if math.isnan(question.effect) else bool(detectable <= abs(question.effect)),
                    "is_extrapolated": reach.is_extrapolated,
                }
            )
    return pd.DataFrame(rows)


def _grid(name: str, given: Sequence[int] | None, middle: int, most: int | None) -> list[int]:
    """Whole numbers from 1 on, ascending."""
    wanted = [max(1, round(middle * multiple)) for multiple in NEIGHBOURS] if given is None else list(given)
    if given is None and most is not None:
        wanted = [min(number, max(middle, most // 2)) for number in wanted]
    wrong = [n for n in wanted if n != int(n) or n < 1 or (most is not None and n > most)]
    if wrong or not wanted:
        limit = "" if most is None else f" to {most}"
        raise LiftosError(
            f"whole numbers from 1{limit} as {name}", str(list(given or ())), "Leave it out for the usual."
        )
    return sorted({int(n) for n in wanted})


def needed_for(scaled: DesignNoise, own: float) -> Needed:
    """To see an effect in the units of the noise."""
    return Needed(scaled.treated_needed(own), scaled.units_needed(own), scaled.post_needed(own))


def recommended_design(question: Question, designs: pd.DataFrame) -> Mapping[str, float] | None:
    """The cheapest design that sees the effect in simulation too, among the cheapest few that should."""
    if math.isnan(question.effect):
        return None
    able = designs[designs["can_see"].astype(bool) & ~designs["is_extrapolated"]]
    cost = (able["n_treated"] * able["n_post"]).sort_values(kind="stable")
    for place in cost.index[:MOST_TRIED]:
        row = able.loc[place]
        design = replace(question.noise.design, n_treated=int(row["n_treated"]), n_post=int(row["n_post"]))
        if not question.noise.fits(design):
            continue
        found = question.simulate(design, np.array([abs(question.effect)]))
        if found.power[0] >= question.asked.power:
            return {
                "n_treated": design.n_treated,
                "n_pre": design.n_pre,
                "n_post": design.n_post,
                "power": float(found.power[0]),
                "power_low": float(found.power_low[0]),
                "power_high": float(found.power_high[0]),
            }
    return None
