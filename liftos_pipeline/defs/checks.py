"""Asset checks of the panel and of the result tables. What SQL can check is a dbt test and arrives with dbt.

Blocking where nothing behind it could be used. A platform whose data fail is red and goes on to ``quality.gates``, by
which its results are refused: the other platforms' stand.
"""

import dataclasses
import json
from collections.abc import Callable

import dagster as dg
import pandas as pd

from liftos_pipeline.checks import CheckOutcome
from liftos_pipeline.checks.certificates import no_method_is_blocked
from liftos_pipeline.checks.freshness import factors_are_fresh
from liftos_pipeline.checks.overlap import overlap_for_the_treated
from liftos_pipeline.checks.placebos import paths_were_parallel
from liftos_pipeline.checks.results import every_row_has_an_interval_or_a_reason
from liftos_pipeline.defs.partitions import daily, one_run
from liftos_pipeline.defs.presentation import OWNERS, shown_of
from liftos_pipeline.defs.resources import HomeResource
from liftos_pipeline.defs.stage import read_by_day, vantages_of
from liftos_pipeline.report.asset_pictures import gates_picture, not_passed
from liftos_pipeline.schema import Table
from liftos_pipeline.schema.results import (
    CERTIFICATES,
    EFFECT_ESTIMATES,
    EXTERNAL_FACTORS,
    GATES,
    MATURITY_CURVES,
    PLACEBOS,
    PROPENSITY_SCORES,
)
from liftos_pipeline.settings import Settings
from liftos_pipeline.stages.gates import PANEL_COLUMNS, maturity_outcomes, panel_outcomes, stopping_outcomes

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


def as_outcome(row: dict) -> CheckOutcome:
    """What a rule saw, from its row of ``quality.gates``."""
    names = ("gate", "subject", "passed", "severity", "seen", "expected", "way_out")
    named = {**{name: row[name] for name in names}, "subject": f"{row['gate']} {row['subject']}"}
    return CheckOutcome(**named, offenders=tuple(json.loads(row["offenders"])))


def to_result(outcomes: list[CheckOutcome], check_name: str | None = None) -> dg.AssetCheckResult:
    """One Dagster result from the outcomes of a rule; the name is needed where an op yields several."""
    failed = [outcome for outcome in outcomes if not outcome.passed]
    shown = (failed or outcomes)[:5]
    worst = "error" if any(outcome.severity == "error" for outcome in failed) else "warn"
    return dg.AssetCheckResult(
        check_name=check_name,
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


PANEL_GATES = {
    "density": "No account-day that was pulled holds next to nothing.",
    "holes": "Few campaign-days are missing between full ones.",
    "tracking": "No account counts its outcome differently from some day on.",
    "attribution_setting": "No campaign changed what it attributes.",
    "reconciliation": "Ads, ad groups and campaigns add up to the same.",
    "claims": "Platforms claim no more than was sold.",
    "precedence": "Budgets do not follow outcomes.",
}
"""Check of the panel to what it says when it is green."""
STOPPING = {
    "newest_day": "The day's own data are as full as usual and add up: else the whole run stops until they do.",
    "platform_left": "One platform at least whose data stand: else the whole run stops.",
}
"""Blocking checks of the panel."""
_PANEL = dg.AssetKey(["quality", "panel"])
SEEN = ("gate", "subject", "passed", "severity", "seen", "expected")
"""What summaries show of what a rule saw."""


@dg.asset(
    key=_PANEL,
    deps=[
        dg.AssetKey(["mart", "marketing_panel"]),
        *(dg.AssetKey(["intermediate", name]) for name in ("int_levels__as_of", "int_attribution__as_of")),
    ],
    partitions_def=daily,
    backfill_policy=one_run,
    group_name="mart",
    owners=OWNERS,
    kinds={"python"},
    description="The panel as of each day, judged before anything is computed from it. The mart itself has no partitions.",
    check_specs=[
        dg.AssetCheckSpec(name, asset=_PANEL, blocking=name in STOPPING, description=description)
        for name, description in {**PANEL_GATES, **STOPPING}.items()
    ],
)
def panel(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """All rules on the panel from one reading of it, every as-of day of the run; the worst day decides.

    It stands with the mart, whose gate it is: in the group of what follows results it would turn the graph into a circle.
    """
    opened = home.open()
    outcomes: dict[str, list[CheckOutcome]] = {name: [] for name in (*PANEL_GATES, *STOPPING)}
    vantages = vantages_of(context, opened)
    newest: list[CheckOutcome] = []
    for vantage, (rows, levels, attribution) in read_by_day(
        opened,
        vantages,
        lambda inputs: [inputs.panel(PANEL_COLUMNS), inputs.levels(), inputs.attribution_settings()],
    ):
        found = panel_outcomes(rows, levels, attribution, vantage.as_of, vantage.settings)
        newest = [*found, *stopping_outcomes(rows, levels, found, vantage.as_of, vantage.settings)]
        for outcome in newest:
            outcomes[outcome.gate].append(outcome)
        failed = sum(not outcome.passed for outcome in newest)
        facts = {"checked": len(newest), "failed": failed, "dagster/row_count": len(rows)}
        context.add_asset_metadata(facts, partition_key=vantage.as_of.isoformat())
    seen = pd.DataFrame([dataclasses.asdict(outcome) for outcome in newest])
    chosen, drawn = (seen, None) if seen.empty else (not_passed(seen), gates_picture(seen))
    return dg.MaterializeResult(
        metadata=shown_of(chosen, SEEN, drawn),
        check_results=[to_result(seen, name) for name, seen in outcomes.items()],
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
mature = table_check(
    MATURITY_CURVES,
    "mature",
    False,
    lambda rows, settings: maturity_outcomes(rows, settings),
    "The youngest days that effects look at are complete.",
)
parallel = table_check(
    PLACEBOS,
    "parallel",
    False,
    lambda rows, settings: paths_were_parallel(rows, settings.liftos_placebo_level / 2) if len(rows) else [],
    "Nothing moved the treated apart from the controls before anybody was treated.",
)
analyses_stand = table_check(
    GATES,
    "analyses_stand",
    False,
    lambda rows, _settings: [as_outcome(row) for row in rows.to_dict("records")],
    "No gate of any analysis failed; what failed refuses or caps the verdicts concerned, and only these.",
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
