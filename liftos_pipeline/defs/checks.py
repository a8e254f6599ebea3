"""Asset checks of the result tables, from one factory. What SQL can check is a dbt test and arrives with dbt."""

from collections.abc import Callable

import dagster as dg
import pandas as pd

from liftos_pipeline.checks import CheckOutcome
from liftos_pipeline.checks.certificates import no_method_is_blocked
from liftos_pipeline.checks.freshness import factors_are_fresh
from liftos_pipeline.checks.overlap import overlap_for_the_treated
from liftos_pipeline.checks.results import every_row_has_an_interval_or_a_reason
from liftos_pipeline.defs.partitions import daily
from liftos_pipeline.defs.resources import HomeResource
from liftos_pipeline.defs.stage import read_by_day, vantages_of
from liftos_pipeline.schema import Table
from liftos_pipeline.schema.results import CERTIFICATES, EFFECT_ESTIMATES, EXTERNAL_FACTORS, PROPENSITY_SCORES
from liftos_pipeline.settings import Settings

_SEVERITY = {"error": dg.AssetCheckSeverity.ERROR, "warn": dg.AssetCheckSeverity.WARN}

Rule = Callable[[pd.DataFrame, Settings], list[CheckOutcome]]


def table_check(table: Table, name: str, blocking: bool, rule: Rule, description: str) -> dg.AssetChecksDefinition:
    """Check one result table, every as-of day of the run; the worst day decides.

    Parameters
    ----------
    rule : callable
        (rows of one as-of day, settings) -> outcomes.
    """

    @dg.asset_check(
        asset=dg.AssetKey([table.schema, table.name]),
        name=name,
        blocking=blocking,
        description=description,
        partitions_def=daily,
    )
    def check(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
        opened = home.open()
        outcomes = []
        vantages = vantages_of(context, opened)
        for vantage, frames in read_by_day(opened, vantages, lambda inputs: [inputs.result(table)]):
            outcomes.extend(rule(frames[0], vantage.settings))
        return to_result(outcomes)

    return check


def to_result(outcomes: list[CheckOutcome]) -> dg.AssetCheckResult:
    """One Dagster result from the outcomes of a rule."""
    failed = [outcome for outcome in outcomes if not outcome.passed]
    shown = (failed or outcomes)[:5]
    worst = "error" if any(outcome.severity == "error" for outcome in failed) else "warn"
    return dg.AssetCheckResult(
        passed=not failed,
        severity=_SEVERITY[worst],
        metadata={
            "checked": len(outcomes),
            "failed": len(failed),
            "seen": "\n".join(f"{outcome.subject}: {outcome.seen}" for outcome in shown) or "nothing to check",
            "expected": shown[0].expected if shown else "",
            "way_out": shown[0].way_out if failed else "",
            "offenders": dg.MetadataValue.json([list(outcome.offenders) for outcome in shown]),
        },
    )


fresh = table_check(
    EXTERNAL_FACTORS,
    "fresh",
    True,
    lambda rows, _settings: factors_are_fresh(rows),
    "No release of an external factor is missing beyond its grace; a late one warns.",
)
overlap = table_check(
    PROPENSITY_SCORES,
    "overlap",
    False,
    lambda rows, settings: overlap_for_the_treated(rows, settings.liftos_overlap_min_effective_controls),
    "Scores below .9 and enough effective controls in every analysis.",
)
certified = table_check(
    CERTIFICATES,
    "certified",
    False,
    lambda rows, _settings: no_method_is_blocked(rows),
    "No method errs too often on the platform's own units where nobody was treated.",
)
interval_or_reason = table_check(
    EFFECT_ESTIMATES,
    "interval_or_reason",
    True,
    lambda rows, _settings: every_row_has_an_interval_or_a_reason(rows),
    "Every effect has an interval, or says why it has none.",
)
