"""Simulated worlds from panel to verdicts and attribution, beside what is true of them.

The panel is the world's own, as the platforms show it on its last day; treatments are those that are logged. Everything from
the causal-ready rows on is what the pipeline runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from liftos_pipeline.benchmarks.decision_tables import (
    LEVEL,
    curves_of,
    cutoffs_of,
    experiments_of,
    panel_of,
    treatments_of,
)
from liftos_pipeline.settings import CutoffRule, Settings
from liftos_pipeline.simulator import generate, scenario_named
from liftos_pipeline.simulator.world import World
from liftos_pipeline.stages.analysis import ANALYSIS_KEY
from liftos_pipeline.stages.attribution import attribute
from liftos_pipeline.stages.certificates import certificate_rows
from liftos_pipeline.stages.designs import treatments_of_designs
from liftos_pipeline.stages.effects import estimate_effects
from liftos_pipeline.stages.gates import Data, Results, gate_rows
from liftos_pipeline.stages.grid import to_grid
from liftos_pipeline.stages.instruments import instrumented_effects
from liftos_pipeline.stages.landmarks import causal_rows
from liftos_pipeline.stages.money import LiftStudy
from liftos_pipeline.stages.placebos import placebo_rows
from liftos_pipeline.stages.propensity import propensity_scores
from liftos_pipeline.stages.roles import AFTER_DAYS, ROLES
from liftos_pipeline.stages.verdicts import verdict_rows
from liftos_pipeline.stages.weekly import WEEK, by_week, whole_weeks

N_DAYS = 180
BREAK_EVEN = 1.0
STUDY_ERROR = 0.07
"""Standard error of the share that a simulated lift study finds."""
_NOTHING = (
    pd.DataFrame(
        columns=["platform", "account_id", "date_day", "level", "spend", "impressions", "clicks", "conversions"]
    ),
    pd.DataFrame(columns=["platform", "account_id", "unit_id", "attribution_setting", "first_day", "n_days"]),
    pd.DataFrame(columns=["source", "stream", "account_id", "date_day"]),
    pd.DataFrame(columns=["source", "stream", "account_id", "first_day", "last_day"]),
    pd.DataFrame(columns=["platform", "unit_id", "currency_code", "n_days", "first_day"]),
    pd.DataFrame(columns=["platform", "account_id", "account_timezone"]),
)
"""What a world's panel does not come with: levels, attribution settings, receipts, gaps, currencies and time zones."""
_TRUTH = {
    "orders": "effect_on_orders",
    "order_revenue": "effect_on_order_revenue",
    "conversions_reported": "effect_on_reported",
    "revenue_reported": "effect_on_revenue_reported",
}


@dataclass(frozen=True, eq=False)
class Judged:
    """One world.

    ``effects``: rows of ``causal.effect_estimates`` on sales, with the ``truth`` per unit-day of the same rows and the
    ``verdict`` of primary ones. ``decisions``: one row per analysis of an ad platform. ``attribution``: treatments, with
    true totals in orders and in what is reported. ``gates``: rows of ``quality.gates``.
    """

    scenario: str
    seed: int
    effects: pd.DataFrame
    decisions: pd.DataFrame
    attribution: pd.DataFrame
    gates: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Played:
    """Tables of one world as of its last day, by their names in ``schema``."""

    rows: pd.DataFrame
    effects: pd.DataFrame
    gates: pd.DataFrame
    verdicts: pd.DataFrame
    attribution: pd.DataFrame


def play(
    world: World,
    panel: pd.DataFrame,
    rows: pd.DataFrame,
    *,
    n_replays: int,
    studies: Mapping[str, LiftStudy],
    weekly: bool = True,
) -> Played:
    """From panel and causal-ready rows to attribution.

    Parameters
    ----------
    n_replays : int
        Placebos of each certificate; 0 for none.
    weekly : bool
        Whether weekly methods run too.
    """
    as_of, treatments = world.last_day, treatments_of(world)
    certificates = (
        certificate_rows(rows, as_of, LEVEL, world.seed, 20.0, n_replays) if n_replays else pd.DataFrame()
    )
    scores = propensity_scores(rows, world.seed)
    shown = panel if weekly else panel.iloc[:0]
    rules = cutoffs_of(world)
    effects = estimate_effects(
        rows,
        scores,
        treatments,
        certificates,
        shown,
        level=LEVEL,
        seed=world.seed,
        min_effective_controls=20.0,
        rules=rules,
    )
    placebos = placebo_rows(panel, treatments, LEVEL, world.seed, rules)
    results = Results(rows, scores, treatments, certificates, effects, pd.DataFrame(), curves_of(world), placebos)
    settings = Settings(liftos_look_back_days=world.n_days, liftos_seed=world.seed)
    gates = gate_rows(Data(panel, *_NOTHING), results, as_of, settings)
    verdicts = verdict_rows(effects, gates, certificates, break_even=BREAK_EVEN, studies=studies)
    told = attribute(rows, effects, verdicts, break_even=BREAK_EVEN, studies=studies)
    return Played(rows, effects, gates, verdicts, told)


def judged_world(scenario: str, seed: int, with_study: bool, n_replays: int) -> Judged:
    """Play a world to its decisions, and hold them against its truth.

    Parameters
    ----------
    with_study : bool
        Whether each ad platform has a lift study of the world, with an error of ``STUDY_ERROR``.
    """
    world = generate(scenario_named(scenario), seed, N_DAYS)
    panel, treatments = panel_of(world), treatments_of(world)
    rows = causal_rows(panel, treatments, experiments_of(world))
    truth = truth_of(world)
    studies = _studies(truth, seed) if with_study else {}
    played = play(world, panel, rows, n_replays=n_replays, studies=studies)
    means = means_of(rows, truth)
    sales = played.effects[played.effects["label"] != "secondary"]
    is_weekly, is_instrumented = sales["method"].eq("staggered_did"), sales["method"].eq("iv")
    sales = pd.concat(
        [
            sales[~is_weekly & ~is_instrumented].merge(means, on=ANALYSIS_KEY),
            sales[is_weekly].merge(_weekly_means(panel, treatments, truth), on=ANALYSIS_KEY),
            sales[is_instrumented],
        ],
        ignore_index=True,
    )
    of_compliers = _complier_means(panel, treatments, truth, cutoffs_of(world))
    sales["truth"] = [
        of_compliers.get(tuple(row[name] for name in (*ANALYSIS_KEY, "outcome")), np.nan)
        if row["method"] == "iv"
        else row[_TRUTH[row["outcome"]]]
        for row in sales.to_dict("records")
    ]
    verdict = played.verdicts[[*ANALYSIS_KEY, "outcome", "method", "verdict", "tier"]]
    return Judged(
        scenario,
        seed,
        sales.drop(columns=["diagnostics", "warnings"]).merge(
            verdict, on=[*ANALYSIS_KEY, "outcome", "method"], how="left"
        ),
        _decisions(played.verdicts, means, rows),
        _attributed(played.attribution, means),
        played.gates,
    )


def truth_of(world: World) -> pd.DataFrame:
    """True effects per treated unit-day, and what budget changes add to spend."""
    as_of = world.start + timedelta(days=N_DAYS - 1)
    truth = world.truth(as_of)
    dose = world.treatments().query("treatment_type == 'budget_change'").set_index("unit_id")["dose"]
    panel = world.panel(as_of)
    spend = panel.set_index(["unit_id", "date_day"])["spend"]
    keys = pd.MultiIndex.from_arrays([truth["unit_id"], pd.to_datetime(truth["date_day"])])
    stepped = truth["treatment_type"].eq("budget_change") & truth["platform"].ne("klaviyo")
    share = -np.expm1(-truth["unit_id"].map(dose[~dose.index.duplicated()]).fillna(0.0).to_numpy())
    added = spend.reindex(keys).to_numpy(dtype=float) * share
    return truth.assign(
        date_day=pd.to_datetime(truth["date_day"]), spend=np.where(stepped, np.nan_to_num(added), 0.0)
    )


def means_of(rows: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Mean truth of the treated rows of every analysis over the 28 days from each start."""
    treated = rows.loc[rows["is_treated"] == 1, [*ANALYSIS_KEY, "unit_id", "started_on"]]
    days = treated.assign(started_on=pd.to_datetime(treated["started_on"])).merge(
        truth.drop(columns=["started_on", "platform"]), on=["unit_id", "treatment_type"]
    )
    age = (days["date_day"] - days["started_on"]).dt.days
    inside = days[(age >= 0) & (age < AFTER_DAYS)]
    return inside.groupby(ANALYSIS_KEY)[[*_TRUTH.values(), "spend"]].mean().reset_index()


def _weekly_means(panel: pd.DataFrame, treatments: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Mean truth of the treated unit-weeks of every weekly analysis, over their days."""
    designed = treatments_of_designs(treatments)
    parts = []
    for (platform, kind), starts in designed.groupby(["platform", "treatment_type"]):
        column = ROLES[platform].count
        grid = to_grid(panel, platform, (column,))
        first = pd.Timestamp(grid.days[whole_weeks(grid)[0]])
        own = truth[truth["treatment_type"] == kind]
        others = designed[(designed["platform"] == platform) & (designed["treatment_type"] != kind)]
        for design in sorted(set(starts["design"])):
            weeks = by_week(grid, starts, others, design, column)
            treated = weeks[weeks["treated"] == 1]
            adopted = treated.groupby("unit")["week"].min()
            event = treated["week"] - treated["unit"].map(adopted)
            has_base = pd.MultiIndex.from_frame(weeks[["spell", "week"]])
            base = pd.MultiIndex.from_arrays([treated["spell"], treated["unit"].map(adopted) - 2])
            treated = treated.assign(event=event)[base.isin(has_base)]
            week = (own["date_day"] - first).dt.days // WEEK
            inside = own.assign(week=week).merge(
                treated[["unit", "week", "event"]], left_on=["unit_id", "week"], right_on=["unit", "week"]
            )
            mean = inside.groupby("event")[[*_TRUTH.values(), "spend"]].mean().mean()
            parts.append({"platform": platform, "treatment_type": kind, "design": design, **mean})
    return pd.DataFrame(parts)


def _complier_means(
    panel: pd.DataFrame, treatments: pd.DataFrame, truth: pd.DataFrame, rules: list[CutoffRule]
) -> dict[tuple[str, ...], float]:
    """True effect per treated unit-day on the units that an instrument moved, by analysis and outcome.

    An instrumented estimate is linear in the outcome: on the outcome less the effects of the treatment it is off by the true
    ones, weighted as it weighs them.
    """
    keys = ["unit_id", "date_day"]
    found: dict[tuple[str, ...], float] = {}
    for kind in sorted({rule.treatment_type for rule in rules}):
        own = truth[(truth["treatment_type"] == kind) & (truth["platform"] == "google_ads")]
        caused = panel[keys].merge(own[[*keys, *_TRUTH.values()]].groupby(keys).sum().reset_index(), how="left")
        without = panel.assign(
            **{name: panel[name] - caused[effect].fillna(0.0).to_numpy() for name, effect in _TRUTH.items()}
        )
        mine = [rule for rule in rules if rule.treatment_type == kind]
        both = zip(*(instrumented_effects(p, treatments, mine, LEVEL, 0) for p in (panel, without)), strict=True)
        for seen, less in both:
            if seen.treatment_type == kind and not isinstance(seen.found, str) and not isinstance(less.found, str):
                key = (seen.platform, kind, seen.design, ROLES[seen.platform].outcomes[seen.outcome])
                found[key] = seen.found.estimate - less.found.estimate
    return found


def _studies(truth: pd.DataFrame, seed: int) -> dict[str, LiftStudy]:
    """What a lift study on raised budgets would have found of each ad platform."""
    rng = np.random.default_rng([seed, 7])
    found = {}
    for platform in ("google_ads", "meta"):
        own = truth[(truth["platform"] == platform) & (truth["treatment_type"] == "budget_change")]
        share = float(own["effect_on_orders"].sum() / own["effect_on_reported"].sum())
        found[platform] = LiftStudy(max(share + rng.normal(0.0, STUDY_ERROR), 0.0), STUDY_ERROR)
    return found


def _decisions(verdicts: pd.DataFrame, means: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Per analysis of an ad platform: true net return per unit-day, our decision, and that by reported return on spend."""
    ads = verdicts[verdicts["outcome"].eq("revenue_reported")].merge(means, on=ANALYSIS_KEY)
    treated = (
        rows[rows["is_treated"] == 1].groupby(ANALYSIS_KEY)[["value_after", "volume_after"]].agg(["sum", "size"])
    )
    flat = pd.DataFrame(
        {
            "roas": treated[("value_after", "sum")] / treated[("volume_after", "sum")],
            "n_rows": treated[("value_after", "size")],
        }
    ).reset_index()
    found = ads.merge(flat, on=ANALYSIS_KEY)
    return pd.DataFrame(
        {
            **{name: found[name] for name in (*ANALYSIS_KEY, "verdict", "decision", "net_return")},
            "net_truth": found["effect_on_order_revenue"] - BREAK_EVEN * found["spend"],
            "spend": AFTER_DAYS * found["n_rows"] * found["spend"],
            "naive": np.where(found["roas"] >= BREAK_EVEN, "go", "no_go"),
        }
    )


def _attributed(told: pd.DataFrame, means: pd.DataFrame) -> pd.DataFrame:
    """Counts attributed to treatments and channels, with true totals."""
    counts = told[told["scope"].eq("treatment") & told["outcome"].isin(["orders", "conversions_reported"])]
    found = counts.merge(means, on=ANALYSIS_KEY)
    days = found["treated_unit_days"].to_numpy(dtype=float)
    found["true_orders"] = found["effect_on_orders"] * days
    found["true_reported"] = np.where(
        found["platform"].eq("klaviyo"), found["true_orders"], found["effect_on_reported"] * days
    )
    return found
