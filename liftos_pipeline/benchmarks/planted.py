"""Violations planted into worlds: which of those that move an estimate are blocked.

Each world is played twice, with the violation and without it, from the same draws. An analysis counts where its estimate moves
by at least its standard error without the violation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from liftos_pipeline.benchmarks.decision_tables import experiments_of, panel_of, treatments_of
from liftos_pipeline.benchmarks.decision_worlds import N_DAYS, Played, means_of, play, truth_of
from liftos_pipeline.simulator import generate, scenario_named
from liftos_pipeline.simulator.scenario import Scenario
from liftos_pipeline.simulator.world import World
from liftos_pipeline.stages.analysis import ANALYSIS_KEY
from liftos_pipeline.stages.landmarks import causal_rows
from liftos_pipeline.stages.roles import ROLES

DRIFT_PER_DAY = 0.012
"""Log points by which the outcome of treated units grows a day, from ten weeks before their start on."""
_BEFORE_DAYS, _GROWING_DAYS = 70, 98
_CLEAN, _BUDGET = "staggered_rollout", "budget_change"

Damage = Callable[[World, pd.DataFrame, pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]
"""World, panel, causal-ready rows to the panel and rows as they would be with the violation."""


def broken_trends(world: World, panel: pd.DataFrame, _rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Units whose budget will change grow faster from long before on."""
    treatments = treatments_of(world)
    budgets = treatments[treatments["treatment_type"] == _BUDGET]
    first = budgets.groupby("unit_id")["started_on"].min()
    since = (panel["date_day"] - pd.to_datetime(panel["unit_id"].map(first))).dt.days
    growth = np.exp(DRIFT_PER_DAY * (since + _BEFORE_DAYS).clip(0, _GROWING_DAYS).fillna(0.0))
    moved = ["conversions_reported", "revenue_reported", "orders", "order_revenue"]
    grown = panel.assign(**{name: panel[name] * growth for name in moved})
    return grown, causal_rows(grown, treatments, experiments_of(world))


def leaked_covariate(_world: World, panel: pd.DataFrame, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A covariate of the days before holds what came after."""
    leaked = np.log1p(rows["count_after"].clip(lower=0.0)) - np.log1p(rows["count_before"].clip(lower=0.0))
    return panel, rows.assign(count_momentum=leaked)


def missing_days(world: World, panel: pd.DataFrame, _rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two weeks of half of the accounts hold nothing, though they were pulled."""
    rng = np.random.default_rng([world.seed, 11])
    day = (panel["date_day"] - pd.Timestamp(world.start)).dt.days
    counted = ["spend", "impressions", "clicks", "conversions_reported", "revenue_reported"]
    hurt = panel.copy()
    for platform, accounts in panel.groupby("platform")["account_id"].unique().items():
        first = int(rng.integers(60, 130))
        chosen = accounts[: max(len(accounts) // 2, 1)]
        lost = (panel["platform"] == platform) & panel["account_id"].isin(chosen) & day.between(first, first + 13)
        own = counted if platform != "klaviyo" else ["orders", "order_revenue", "email_sends", "email_clicks"]
        hurt.loc[lost, own] = 0.0
    return hurt, causal_rows(hurt, treatments_of(world), experiments_of(world))


DAMAGES: dict[str, Damage] = {
    "broken parallel trends": broken_trends,
    "leaked covariate": leaked_covariate,
    "missing days": missing_days,
}
"""Violations of the data of a clean world."""
Without = Callable[[Scenario], Scenario]


def _usual(scenario: Scenario) -> Scenario:
    """The scenario with the usual selection and restatement."""
    usual = scenario_named(_CLEAN)
    return replace(
        scenario, base_hazard=usual.base_hazard, selection=usual.selection, restatement=usual.restatement
    )


WORLDS: dict[str, tuple[str, Without]] = {
    "no overlap": ("poor_overlap", _usual),
    "missing days and rows": ("outage", lambda scenario: replace(scenario, outages=None, cells=None)),
    "immature conversions": ("restated_conversions", _usual),
    "tracking break": ("tracking_break", lambda scenario: replace(scenario, tracking_break=None)),
}
"""Violations that a world is made of: its name, and the same world without."""


def planted(name: str, seed: int) -> pd.DataFrame:
    """Primary analyses of sales of one world: ``moved`` and ``blocked``."""
    if name in DAMAGES:
        world = generate(scenario_named(_CLEAN), seed, N_DAYS)
        panel = panel_of(world)
        rows = causal_rows(panel, treatments_of(world), experiments_of(world))
        clean = _played(world, panel, rows)
        hurt = _played(world, *DAMAGES[name](world, panel, rows))
        return _compared(clean, hurt, name)
    scenario, without = WORLDS[name]
    hurt_world = generate(scenario_named(scenario), seed, N_DAYS)
    clean_world = generate(without(scenario_named(scenario)), seed, N_DAYS)
    worlds = [_of(world) for world in (clean_world, hurt_world)]
    return _compared(worlds[0], worlds[1], name, hurt_world)


def _of(world: World) -> Played:
    panel = panel_of(world)
    return _played(world, panel, causal_rows(panel, treatments_of(world), experiments_of(world)))


def _played(world: World, panel: pd.DataFrame, rows: pd.DataFrame) -> Played:
    return play(world, panel, rows, n_replays=0, studies={}, weekly=False)


def _compared(clean: Played, hurt: Played, name: str, world: World | None = None) -> pd.DataFrame:
    """Where both have the analysis on the same treated units; else, against the truth of the hurt one's own rows."""
    keys = [*ANALYSIS_KEY, "outcome"]
    before, after = (_primary(played).set_index(keys) for played in (clean, hurt))
    joined = after.join(before[["estimate", "std_error"]], rsuffix="_clean", how="left")
    reference = joined["estimate_clean"]
    if world is not None and name == "no overlap":
        means = means_of(hurt.rows, truth_of(world)).set_index(ANALYSIS_KEY)
        reference = pd.Series([_true(means, key) for key in joined.index], index=joined.index)
    moved = (joined["estimate"] - reference).abs() >= joined["std_error_clean"]
    blocked = hurt.verdicts.set_index(keys)["verdict"].eq("refuse").reindex(joined.index)
    found = pd.DataFrame({"name": name, "moved": moved, "blocked": blocked.fillna(value=True)}).reset_index()
    return found[found["treatment_type"] == _BUDGET] if DAMAGES.get(name) is broken_trends else found


def _primary(played: Played) -> pd.DataFrame:
    effects = played.effects
    return effects[(effects["role"] == "primary") & (effects["label"] != "secondary")]


def _true(means: pd.DataFrame, key: tuple[str, ...]) -> float:
    platform, kind, design, outcome = key
    roles = ROLES[platform]
    names = {
        roles.count: "effect_on_orders" if platform == "klaviyo" else "effect_on_reported",
        roles.value: "effect_on_order_revenue" if platform == "klaviyo" else "effect_on_revenue_reported",
    }
    return (
        float(means.at[(platform, kind, design), names[outcome]])
        if (platform, kind, design) in means.index
        else np.nan
    )
