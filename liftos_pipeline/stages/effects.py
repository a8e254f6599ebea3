"""Runs the estimators over the analyses: rows of ``causal.effect_estimates``. Which method runs is stated in ``designs``."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from liftos_pipeline.causal import estimate
from liftos_pipeline.causal.licence import licensed
from liftos_pipeline.causal.propensity.overlap import OverlapRule
from liftos_pipeline.causal.results import EffectEstimate, covariance_of
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.stages.analysis import ANALYSIS_KEY, analyses, to_panel
from liftos_pipeline.stages.designs import DESIGNS, treatments_of_designs
from liftos_pipeline.stages.geos import PANEL_COLUMNS as GEO_COLUMNS
from liftos_pipeline.stages.geos import geo_effects
from liftos_pipeline.stages.instruments import PANEL_COLUMNS as INSTRUMENT_COLUMNS
from liftos_pipeline.stages.instruments import Rules, instrumented_effects
from liftos_pipeline.stages.memory import remembered
from liftos_pipeline.stages.roles import GEO_EXPERIMENT, PRIMARY_OUTCOMES, ROLES, roles_of
from liftos_pipeline.stages.weekly import PANEL_COLUMNS as WEEKLY_COLUMNS
from liftos_pipeline.stages.weekly import weekly_effects

PANEL_COLUMNS = tuple(dict.fromkeys([*WEEKLY_COLUMNS, *INSTRUMENT_COLUMNS, *GEO_COLUMNS]))
"""What is read of the panel."""
COVARIANCES = "covariances"
"""Entry of an effect's diagnostics: its covariance with the primary effects of its platform, by ``name_of``."""
_NOBODY = "no unit has 28 observed days before its start and 28 mature days after it, with a control"


def estimate_effects(
    rows: pd.DataFrame,
    scores: pd.DataFrame,
    treatments: pd.DataFrame,
    certificates: pd.DataFrame,
    panel: pd.DataFrame,
    *,
    level: float,
    seed: int,
    min_effective_controls: float,
    rules: Rules = (),
    experiments: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Effects of every analysis, outcome and method.

    An analysis that the treatments call for and the data cannot carry has a row with the reason and no number. What the
    certificate of a method says about it is applied: an interval is widened, a blocked method's effect refused.

    Parameters
    ----------
    rows, scores, treatments, certificates : DataFrame
        ``causal.causal_marketing_data``, ``causal.propensity_scores``, ``causal.treatments``, ``causal.certificates``
        as of one day.
    panel : DataFrame
        ``PANEL_COLUMNS`` of ``marketing_panel`` as of the same day.
    level : float
        Level of the intervals.
    seed : int
        Seed of folds and draws.
    min_effective_controls : float
        Effective number of control units below which an effect is refused.
    rules : sequence of CutoffRule or InstrumentRule, optional
        Declared instruments.
    experiments : DataFrame, optional
        ``mart.experiments_as_of``: those of regions are analysed here.
    """
    rule = OverlapRule(min_effective_units=min_effective_controls)
    licences = _licences(certificates)
    keys = [*ANALYSIS_KEY, "window_start", "unit_id"]
    scored = rows.merge(scores[[*keys, "propensity"]], on=keys, how="left") if len(rows) else rows
    landmarked = {(platform, kind, design): part for platform, kind, design, part in analyses(scored)}
    designed = treatments_of_designs(treatments)
    wanted = set(designed[ANALYSIS_KEY].itertuples(index=False, name=None)) | set(landmarked)
    answers: list[_Answer] = []
    for platform, kind, design in sorted(wanted):
        part = landmarked.get((platform, kind, design))
        for outcome, column in ROLES[platform].outcomes.items():
            licence = licences.get((platform, column), {})
            methods = methods_of(design, outcome)
            if part is None:
                answers.extend(_Answer(platform, kind, design, outcome, method, _NOBODY) for method in methods)
            else:
                answers.extend(
                    _analysis(platform, kind, design, part, outcome, methods, licence, level, seed, rule)
                )
    for found in itertools.chain(
        weekly_effects(panel, treatments, level, seed),
        instrumented_effects(panel, treatments, rules, level, seed),
        () if experiments is None else geo_effects(panel, experiments, level, seed),
    ):
        names = (found.platform, found.treatment_type, found.design, found.outcome, found.method)
        answers.append(_Answer(*names, found.found))
    return _table(answers, level)


def methods_of(design: str, outcome: str) -> tuple[str, ...]:
    """Landmarked methods of an outcome; a secondary one is told by the method of decisions alone."""
    methods = DESIGNS[design].landmarked
    return methods if outcome in PRIMARY_OUTCOMES else tuple(m for m in methods if m == DESIGNS[design].primary)


def name_of(treatment_type: str, design: str, outcome: str) -> str:
    """Name of a primary effect within its platform; ``outcome`` is the role."""
    return f"{treatment_type}/{design}/{outcome}"


@dataclass(frozen=True, eq=False)
class _Answer:
    """One effect, or the reason why there is none."""

    platform: str
    treatment_type: str
    design: str
    outcome: str
    method: str
    found: EffectEstimate | str
    licence: Mapping[str, object] | None = None

    @property
    def is_primary(self) -> bool:
        """Spend of regions has a method of its own."""
        return self.method == DESIGNS[self.design].primary or self.design == GEO_EXPERIMENT

    @property
    def name(self) -> str:
        return name_of(self.treatment_type, self.design, self.outcome)


Licence = Mapping[str, Mapping[str, object]]
"""Method to its row of a certificate."""


def _licences(certificates: pd.DataFrame) -> Mapping[tuple[str, str], Licence]:
    found: dict[tuple[str, str], dict[str, Mapping[str, object]]] = {}
    for row in certificates.to_dict("records"):
        known = {name: None if pd.isna(value) else value for name, value in row.items() if name in _LICENSED}
        found.setdefault((row["platform"], row["outcome"]), {})[row["method"]] = known
    return found


_LICENSED = (
    *("status", "reason", "size", "size_low", "size_high", "coverage", "widening", "n_replays", "answered"),
    *("treatment_type", "windows_until"),
)
"""What an estimate carries of its certificate."""


def method_options(method: str, rule: OverlapRule) -> dict[str, object]:
    """Options of a landmarked analysis."""
    return {"estimand": "att"} if method == "difference_in_means" else {"estimand": "att", "overlap_rule": rule}


@remembered
def _analysis(
    platform: str,
    kind: str,
    design: str,
    part: pd.DataFrame,
    outcome: str,
    methods: tuple[str, ...],
    licence: Licence,
    level: float,
    seed: int,
    rule: OverlapRule,
) -> list[_Answer]:
    """Answers of the landmarked methods to one analysis and outcome."""
    part = part[part[[f"{outcome}_{when}" for when in ("before", "after", "trend")]].notna().all(axis=1)]
    has_scores = bool(part["propensity"].notna().all())
    answers = []
    try:
        panel = to_panel(part, outcome, part["propensity"].to_numpy() if has_scores else None)
    except LiftosError as error:
        return [_Answer(platform, kind, design, outcome, method, str(error)) for method in methods]
    for method in methods:
        found: EffectEstimate | str
        try:
            found = estimate(method, panel, level=level, seed=seed, **method_options(method, rule))
        except LiftosError as error:
            found = str(error)
        own = licence.get(method)
        if own is not None and not isinstance(found, str):
            found = licensed(found, own)
        answers.append(_Answer(platform, kind, design, outcome, method, found, own))
    return answers


def _table(answers: Sequence[_Answer], level: float) -> pd.DataFrame:
    joint: dict[int, dict[str, float]] = {}
    for platform in sorted({answer.platform for answer in answers}):
        joint |= _joint(answer for answer in answers if answer.platform == platform and answer.is_primary)
    rows = [
        {
            "platform": answer.platform,
            "treatment_type": answer.treatment_type,
            "design": answer.design,
            "outcome": roles_of(answer.platform, answer.design).outcomes[answer.outcome],
            "label": roles_of(answer.platform, answer.design).label_of(answer.outcome),
            "role": "primary" if answer.is_primary else DESIGNS[answer.design].role_of(answer.method),
            **(
                _refusal(answer.method, level, answer.found)
                if isinstance(answer.found, str)
                else _row(answer.found, answer.licence, joint.get(id(answer)))
            ),
        }
        for answer in answers
    ]
    return pd.DataFrame(rows)


def _joint(primary: Iterable[_Answer]) -> dict[int, dict[str, float]]:
    """Covariances of the primary effects of one platform that have a standard error."""
    known = [a for a in primary if not isinstance(a.found, str) and math.isfinite(a.found.std_error)]
    if not known:
        return {}
    covariance = covariance_of([answer.found for answer in known if not isinstance(answer.found, str)])
    names = [answer.name for answer in known]
    return {
        id(answer): dict(zip(names, map(float, row), strict=True))
        for answer, row in zip(known, covariance, strict=True)
    }


def _row(
    result: EffectEstimate, licence: Mapping[str, object] | None, covariances: Mapping[str, float] | None
) -> dict[str, object]:
    told = result.to_row()
    if covariances is not None:
        facts = {**json.loads(str(told["diagnostics"])), COVARIANCES: covariances}
        told["diagnostics"] = json.dumps(facts, allow_nan=False, sort_keys=True)
    return {
        "method": result.method,
        "estimand": result.estimand,
        "estimate": _known(result.estimate),
        "std_error": _known(result.std_error),
        "ci_low": _known(result.ci_low),
        "ci_high": _known(result.ci_high),
        "level": result.level,
        "p_value": _known(result.p_value),
        "n_rows": result.n_rows,
        "n_units": result.n_units,
        "n_treated": result.n_treated,
        "n_clusters": result.n_clusters,
        "refused": told["refused"],
        "undefined": result.without_interval,
        "warnings": told["warnings"],
        "diagnostics": told["diagnostics"],
        "certificate": None if licence is None else licence["status"],
        "certified_size": None if licence is None else licence["size"],
    }


def _refusal(method: str, level: float, reason: str) -> dict[str, object]:
    return {
        "method": method,
        "estimand": "att",
        "estimate": None,
        "std_error": None,
        "ci_low": None,
        "ci_high": None,
        "level": level,
        "p_value": None,
        "n_rows": 0,
        "n_units": 0,
        "n_treated": 0,
        "n_clusters": 0,
        "refused": reason,
        "undefined": None,
        "warnings": None,
        "diagnostics": "{}",
        "certificate": None,
        "certified_size": None,
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
