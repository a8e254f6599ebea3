"""Rules on single estimates, from the diagnostics that they carry: instruments and synthetic controls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pandas as pd

from liftos_pipeline.checks.outcome import CheckOutcome

_RULE_OF_THUMB = 10.0
_FIT_METHODS = ("synthetic_control", "augmented_synthetic_control", "synthetic_did")


def instruments_are_strong(effects: pd.DataFrame) -> list[CheckOutcome]:
    """One outcome per analysis with an instrument: the effective F of its first stage against its critical value.

    Parameters
    ----------
    effects : DataFrame
        ``causal.effect_estimates`` as of one day: platform, treatment_type, design, outcome, method, estimate,
        diagnostics.

    References
    ----------
    Montiel Olea and Pflueger (2013), JBES 31(3): a bias above 10 % of the worst case is rejected beyond it.
    """
    outcomes = []
    for subject, rows in _analyses(effects, ("iv",)):
        judged = []
        for row, told in rows:
            strength, critical = _number(told, "effective_f"), _number(told, "effective_f_critical_value")
            if strength is None or critical is None:
                strength, critical = _number(told, "first_stage_f") or 0.0, _RULE_OF_THUMB
            judged.append((strength, critical, row["outcome"]))
        weakest = min(judged, key=lambda one: one[0] - one[1])
        weak = tuple({"outcome": name, "effective_f": f, "needed": c} for f, c, name in judged if not f >= c)
        outcomes.append(
            CheckOutcome(
                gate="weak_instrument",
                subject=subject,
                passed=not weak,
                severity="error",
                seen=f"effective F {weakest[0]:.1f}",
                expected=f"at least {weakest[1]:.1f}",
                way_out="Read the Anderson-Rubin set, which holds whatever the strength; give no point."
                if weak
                else "",
                offenders=weak,
            )
        )
    return outcomes


def synthetic_controls_fit(effects: pd.DataFrame, max_ratio: float) -> list[CheckOutcome]:
    """One outcome per analysis with a synthetic control: does it follow the treated unit before the start?

    Its error before the start is held against that of the donors' own synthetic controls; where the estimator does not
    tell it, against the size of the effect, and a failure is a warning: an estimator that takes differences need not fit.

    Parameters
    ----------
    effects : DataFrame
        As for :func:`instruments_are_strong`.
    max_ratio : float
        Largest error before the start, as a multiple of the donors' median error, or of the effect.
    """
    outcomes = []
    for subject, rows in _analyses(effects, _FIT_METHODS):
        judged = []
        for row, told in rows:
            error = _number(told, "pre_rmspe")
            if error is None:
                continue
            donors = _number(told, "placebo_pre_rmspe")
            by = abs(float(str(row["estimate"]))) if donors is None else donors
            judged.append(
                {
                    "outcome": row["outcome"],
                    "method": row["method"],
                    "pre_rmspe": error,
                    "against": "the effect" if donors is None else "the donors' median",
                    "ratio": error / by if by > 0 else float("inf"),
                }
            )
        if not judged:
            continue
        judged.sort(key=lambda one: -float(str(one["ratio"])))
        bad = tuple(one for one in judged if float(str(one["ratio"])) > max_ratio)
        worst = judged[0]
        outcomes.append(
            CheckOutcome(
                gate="pre_fit",
                subject=subject,
                passed=not bad,
                severity="error" if any(one["against"] == "the donors' median" for one in bad) else "warn",
                seen=f"{worst['method']} of {worst['outcome']}: error before the start {worst['ratio']:.2f} times "
                f"{worst['against']}",
                expected=f"at most {max_ratio:g} times",
                way_out="The donors cannot mimic this unit: add donors, or compare it in another design."
                if bad
                else "",
                offenders=bad[:5],
            )
        )
    return outcomes


def _analyses(
    effects: pd.DataFrame, methods: tuple[str, ...]
) -> Iterator[tuple[str, list[tuple[Mapping[str, object], Mapping[str, object]]]]]:
    """Subject of each analysis that has an estimate by one of the methods, with its rows and their diagnostics."""
    if len(effects) == 0:
        return
    keys = ["platform", "treatment_type", "design"]
    chosen = effects[effects["method"].isin(methods) & effects["estimate"].notna()]
    for key, part in chosen.groupby(keys, sort=True):
        rows = part.sort_values(["method", "outcome"]).to_dict("records")
        yield ".".join(map(str, key)), [(row, json.loads(str(row["diagnostics"] or "{}"))) for row in rows]


def _number(told: Mapping[str, object], name: str) -> float | None:
    """A finite or infinite number of the diagnostics, None where there is none."""
    value = told.get(name)
    if isinstance(value, str) and value in ("Infinity", "-Infinity"):
        return float(value)
    return float(value) if isinstance(value, int | float) and not pd.isna(value) else None
