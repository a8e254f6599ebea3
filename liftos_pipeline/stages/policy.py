"""From what is known about an effect to what may be done with it. One policy, with a version; nothing is computed.

Raise ``POLICY_VERSION`` with every change of a rule or threshold: verdicts are kept with the version that gave them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from liftos_pipeline.causal.verdicts import CLEARED, WIDENED
from liftos_pipeline.stages.designs import Tier

POLICY_VERSION = "1"
Verdict = Literal["report", "widen", "direction_only", "refuse"]
RANK: Mapping[Verdict, int] = {"report": 0, "widen": 1, "direction_only": 2, "refuse": 3}

NO_CONSEQUENCE = frozenset({"fresh", "freshness", "one_time_zone", "certificate", "interval_or_reason"})
"""Gates that change nothing: days that are missing are unknown, not wrong; macro factors are held fixed by the calendar; the
others say what the effect itself carries already."""
NOTED = frozenset({"placebo_in_time", "precedence", "claims", "maturity"})
"""Warnings that are told and cost a quasi-experiment its tier, no more: a placebo that could not have seen a violation, an
alarm, claims beyond all orders, which the label says already, and maturity that is not known yet."""
LEAST_E_VALUE = 1.1
"""An observational effect that weaker hidden confounding would explain away is told by its direction alone."""


@dataclass(frozen=True)
class FailedGate:
    """A gate that failed for an analysis. ``severity`` error: a number would be wrong."""

    gate: str
    severity: str
    seen: str


@dataclass(frozen=True)
class Facts:
    """What is known about one primary effect.

    ``refused``, ``undefined``: reasons, None without one. ``certificate``: status of its method; None where the method is
    not certified. ``e_value``: of the limit next to zero, 1 where the interval holds zero, None where unknown.
    """

    tier: Tier
    refused: str | None
    undefined: str | None
    failed: tuple[FailedGate, ...]
    certificate: str | None
    certificate_reason: str | None
    e_value: float | None
    is_told_from_zero: bool


@dataclass(frozen=True)
class Judgement:
    """``reasons``: why it is not ``report``, and what a reader should know beside."""

    verdict: Verdict
    tier: Tier
    reasons: tuple[str, ...]


def judge(facts: Facts) -> Judgement:
    """The verdict: the strictest that any rule asks for.

    Refused: what the estimator or the certificate refuses, what has no interval, what a gate of severity error stops.
    Direction only: another gate fails that is not merely noted; an observational effect whose method is not certified, or
    that little hidden confounding would explain away. Widened: the certificate says so. A quasi-experiment counts as
    observational while a gate of it fails.
    """
    asked: list[tuple[Verdict, str]] = []
    failed = [gate for gate in facts.failed if gate.gate not in NO_CONSEQUENCE]
    tier: Tier = "T3" if facts.tier == "T2" and failed else facts.tier
    if facts.refused is not None:
        asked.append(("refuse", facts.refused))
    elif facts.undefined is not None:
        asked.append(("refuse", f"no interval: {facts.undefined}"))
    asked.extend((_asked_by(gate), f"{gate.gate}: {gate.seen}") for gate in failed)
    if facts.certificate == WIDENED:
        asked.append(("widen", facts.certificate_reason or "widened by its certificate"))
    elif tier == "T3" and facts.certificate != CLEARED:
        asked.append(
            ("direction_only", f"its method is not certified: {facts.certificate_reason or 'no certificate'}")
        )
    if tier == "T3" and facts.is_told_from_zero and facts.e_value is not None and facts.e_value < LEAST_E_VALUE:
        asked.append(
            (
                "direction_only",
                f"hidden confounding with a risk ratio of {facts.e_value:.2f} would explain it away",
            )
        )
    none: Verdict = "report"
    strictest = max((verdict for verdict, _ in asked), key=RANK.__getitem__, default=none)
    return Judgement(
        strictest, tier, tuple(reason for _, reason in sorted(asked, key=lambda entry: -RANK[entry[0]]))
    )


def _asked_by(gate: FailedGate) -> Verdict:
    if gate.severity == "error":
        return "refuse"
    return "report" if gate.gate in NOTED else "direction_only"


def applies(subject: str, analysis: str) -> bool:
    """Whether a gate on ``subject`` is one of an analysis, named ``platform.treatment_type.design``.

    A subject is the analysis or what stands before it: its platform, its platform and treatment type.
    """
    return analysis == subject or analysis.startswith(f"{subject}.")
