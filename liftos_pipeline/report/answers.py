"""One answer per analysis: what it caused, what the platform reported, whether that may be told, and what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping

from liftos_pipeline.report import words
from liftos_pipeline.report.inputs import Record, ReportInput, records
from liftos_pipeline.schema.results import ATTRIBUTION, GATES, VERDICTS

Key = tuple[object, ...]
GATE_MEANINGS: Mapping[str, str] = {
    "overlap": "some changed ones have nothing comparable among those that were not changed",
    "effective_sample_size": "too few comparable ones were left unchanged",
    "pre_trends": "the changed ones moved differently before anything was changed",
    "placebo_in_time": "a test before the start could not rule out that they moved differently anyway",
    "balance": "changed and unchanged ones differ in something that matters",
    "interference": "changes seem to spill over to those they are compared with",
    "certificate": "the method errs too often where nothing was changed",
    "maturity": "it is not sure that the youngest days are complete",
    "tracking": "what an account counts shifted suddenly",
    "attribution_setting": "a campaign's counting rule was changed",
    "density": "days are empty that should not be",
    "holes": "single days are missing",
    "reconciliation": "the platform's own levels do not add up",
    "temporal_consistency": "figures are not of the days before the start",
    "one_currency": "a unit is told in two currencies",
    "weak_instrument": "the instrument hardly moves the treatment",
    "pre_fit": "the stand-in does not follow the campaign before the start",
}


def analysis_key(row: Mapping[str, object]) -> Key:
    return row["platform"], row["treatment_type"], row["design"]


def is_about(subject: str, key: Key) -> bool:
    """Whether a gate on a subject is one of an analysis: it is named, or its platform, or its platform and type."""
    analysis = ".".join(map(str, key))
    return analysis == subject or analysis.startswith(f"{subject}.")


def answers(given: ReportInput) -> list[Record]:
    """One record per analysis on sales, channel by channel: the count of sales first, its value under ``money``."""
    verdicts = {(*analysis_key(row), row["outcome"]): row for row in given.rows(VERDICTS)}
    failed = [row for row in given.rows(GATES) if not row["passed"]]
    truth = {} if given.truth is None else {analysis_key(row): row for row in records(given.truth)}
    found: dict[Key, Record] = {}
    for row in given.rows(ATTRIBUTION):
        if row["scope"] != "treatment":
            continue
        key = analysis_key(row)
        told = _answer(row, verdicts.get((*key, row["outcome"]), {}))
        if row["outcome"] in words.COUNTS:
            about = [gate for gate in failed if is_about(str(gate["subject"]), key)]
            found.setdefault(key, {}).update({**told, **_failed(told, about), **_truth(told, truth.get(key))})
        else:
            found.setdefault(key, {})["money"] = told
    return [answer for answer in found.values() if "outcome" in answer]


def channel_totals(given: ReportInput) -> dict[object, Record]:
    """The sum of each channel over what may be told, by platform: the count, its value under ``money``."""
    found: dict[object, Record] = {}
    for row in given.rows(ATTRIBUTION):
        if row["scope"] == "channel":
            total = _numbers(row)
            of_channel = found.setdefault(row["platform"], {})
            of_channel.update(total if row["outcome"] in words.COUNTS else {"money": total})
    return found


_NUMBERS = (
    *("outcome", "label", "method", "treated_units", "treated_unit_days", "reported", "reported_change"),
    *("incremental", "incremental_low", "incremental_high", "level", "incremental_spend"),
    *("marginal_iroas", "marginal_iroas_low", "marginal_iroas_high", "average_iroas", "iroas_reason"),
    *("wasted_spend", "refused"),
)
_JUDGED = (
    *("tier", "verdict", "direction", "decision", "q_value", "robustness", "net_return", "net_low", "net_high"),
    "policy_version",
)


def _numbers(row: Record) -> Record:
    return {name: row[name] for name in _NUMBERS}


def _answer(row: Record, verdict: Record) -> Record:
    """Numbers of one outcome with what was judged of them."""
    reasons = str(verdict.get("reasons") or row["refused"] or "").splitlines()
    return {
        **{name: row[name] for name in ("platform", "treatment_type", "design")},
        **_numbers(row),
        **{name: verdict.get(name) for name in _JUDGED},
        "verdict": verdict.get("verdict", "refuse"),
        "decision": verdict.get("decision", "keep"),
        "reasons": reasons,
        "gates_failed": json.loads(str(verdict.get("gates_failed") or "[]")),
    }


def _failed(answer: Record, about: list[Record]) -> Record:
    """Why no more may be told, in plain words, and the way out of each gate that failed. Errors refuse: where there is one,
    warnings are not the reason."""
    behind = answer["gates_failed"]
    failed = [gate for gate in about if isinstance(behind, list) and gate["gate"] in behind]
    failed = [gate for gate in failed if gate["severity"] == "error"] or failed
    return {
        "because": [GATE_MEANINGS[str(gate["gate"])] for gate in failed if gate["gate"] in GATE_MEANINGS],
        "ways_out": list(dict.fromkeys(str(gate["way_out"]) for gate in failed if gate["way_out"])),
    }


def _truth(answer: Record, row: Record | None) -> Record:
    if row is None:
        return {"truth": None, "true_orders": None}
    is_reported = answer["label"] == "effect_on_reported"
    return {
        "truth": row["true_reported"] if is_reported else row["true_orders"],
        "true_orders": row["true_orders"],
    }
