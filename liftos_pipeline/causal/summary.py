"""A result in words, for a person who did not write the method. Nothing is computed here."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liftos_pipeline.causal.certificate import Certificate
    from liftos_pipeline.causal.results import EffectEstimate

_POPULATIONS = {
    "ate": "averaged over all units",
    "att": "averaged over the treated",
    "overlap": "averaged where both arms occur",
    "late": "averaged over units whose treatment the instruments move",
}
_KINDS = {
    "neyman_hc2": "Neyman standard errors (HC2)",
    "clustered_cr1": "clustered standard errors (CR1)",
    "clustered_cr3": "cluster-jackknife standard errors (CR3)",
}
_INFERENCE = ("std_error", "ci_low", "ci_high", "p_value")
_WIDTH = 110


def shown_estimand(estimand: str) -> str:
    """``att over 3 of 8 group-times`` as ``ATT over 3 of 8 group-times``."""
    name, *rest = estimand.split(" ", 1)
    return " ".join((name.upper(), *rest))


def describe(effect: EffectEstimate) -> str:
    """Estimate, uncertainty, counts, what the method found out about its assumptions, and what is wrong."""
    facts = effect.diagnostics
    lines = [_first_line(effect), *_uncertainty(effect), _counts(effect)]
    if effect.refused is not None:
        lines.append(f"REFUSED, do not use this number: {effect.refused}")
    for part in (_balance, _overlap, _comparisons, _pretrend, _instruments, _sensitivity):
        lines += part(facts)
    lines += _not_defined(effect)
    lines += [f"warning: {text}" for text in effect.warnings if text != f"refused: {effect.refused}"]
    first, *rest = lines
    wrapped = [
        textwrap.fill(line, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False)
        for line in rest
    ]
    return "\n".join((first, *wrapped))


def describe_certificate(certificate: Certificate) -> str:
    """A line per method: its verdict, and in how many replays it erred; below, why others were not judged."""
    percent = f"{100 * certificate.level:g} %"
    where = (
        f"{certificate.n_pre} periods before and {certificate.n_post} after, at {certificate.n_dates} dates"
        if certificate.placement == "adoption"
        else f"in {certificate.n_dates} periods"
        if certificate.n_dates > 1
        else "in one period"
    )
    lines = [
        f"certificate for {certificate.outcome}: {certificate.n_replays} replays, {certificate.n_treated} of "
        f"{certificate.n_units} units treated on paper, {where}; effect injected {certificate.effect:.4g}",
        "",
        f"{'method':28s}{'verdict':10s}{'size':>7s}  {percent + ' limits':15s}{'coverage':>8s}{'bias':>11s}"
        f"{'detectable':>12s}{'widening':>9s}",
    ]
    for row in certificate.table.itertuples():
        if not math.isnan(row.size):
            limits = f"{100 * row.size_low:.1f}-{100 * row.size_high:.1f} %"
            lines.append(
                f"{row.method:28s}{row.status:10s}{100 * row.size:5.1f} %  {limits:15s}{100 * row.coverage:6.1f} %"
                f"{row.bias:11.3g}{row.detectable:12.4g}{row.widening:9.3g}"
            )
    lines += ["", "size: share of replays without an effect whose interval leaves out zero"]
    lines.append(
        "detectable: effect that the interval, widened where it says so, would tell from zero in 80 % of the replays"
    )
    for row in certificate.table.itertuples():
        if math.isnan(row.size):
            text = f"{row.status.replace('_', ' ')}, {row.method}: {row.reason}"
        elif row.answered < certificate.n_replays:
            text = f"{row.method} answered in {row.answered} of {certificate.n_replays} replays"
        else:
            continue
        lines.append(textwrap.fill(text, _WIDTH, subsequent_indent="  ", break_long_words=False))
    return "\n".join(lines)


def _first_line(effect: EffectEstimate) -> str:
    named = effect.diagnostics
    population = _POPULATIONS.get(effect.estimand.split(" ", 1)[0], "")
    first = f"{effect.method} ({shown_estimand(effect.estimand)}): {effect.estimate:.6g}"
    if "outcome" not in named:
        return first
    subject = f"effect of {named['treatment']} on {named['outcome']}"
    return ", ".join(filter(None, (first, subject, population)))


def _uncertainty(effect: EffectEstimate) -> list[str]:
    if all(name in effect.undefined for name in _INFERENCE):
        return [f"no standard error, interval or p-value: {effect.undefined['std_error']}"]
    lines = [
        f"standard error {effect.std_error:.6g}, {100 * effect.level:g} % interval "
        f"[{effect.ci_low:.6g}, {effect.ci_high:.6g}], p {effect.p_value:.3g}"
    ]
    kind, freedom = effect.diagnostics.get("standard_error"), effect.diagnostics.get("degrees_of_freedom")
    if isinstance(kind, str):
        limits = f", t limits with {freedom:.4g} degrees of freedom" if _is_known(freedom) else ""
        lines.append(f"inference: {_KINDS.get(kind, kind)}{limits}")
    return lines


def _counts(effect: EffectEstimate) -> str:
    return (
        f"{effect.n_rows:,} rows, {effect.n_units:,} units ({effect.n_treated:,} treated), "
        f"{effect.n_clusters:,} clusters"
    )


def _balance(facts: Mapping[str, object]) -> list[str]:
    before, after = facts.get("largest_smd_before"), facts.get("largest_smd")
    if not (_is_known(before) and _is_known(after)):
        return []
    size = f"{after:.2g} sd" if before == after else f"{before:.2g} sd before weighting, {after:.2g} sd after"
    return [f"balance: largest difference of a covariate between the arms {size} (good below 0.1)"]


def _overlap(facts: Mapping[str, object]) -> list[str]:
    names = ("share_inside", "ess_treated", "ess_control")
    if not all(_is_known(facts.get(name)) for name in names):
        return []
    share, treated, control = (facts[name] for name in names)
    found = facts.get("overlap_histogram")
    range_ = f"[{found['low']:g}, {found['high']:g}]" if isinstance(found, Mapping) else "the allowed range"
    return [
        f"overlap: {100 * share:.3g} % of propensity scores in {range_}; "  # type: ignore[operator]
        f"weighting leaves the information of {treated:.3g} treated and {control:.3g} untreated units"
    ]


def _comparisons(facts: Mapping[str, object]) -> list[str]:
    shares, lines = facts.get("bacon_weights"), []
    if isinstance(shares, Mapping):
        told = ", ".join(f"{100 * share:.3g} % {str(name).replace('_', ' ')}" for name, share in shares.items())
        lines.append(f"weights of the comparisons in the estimate: {told}")
    cells = facts.get("group_times")
    if isinstance(cells, list):
        lines.append(f"{len(cells)} group-time effects are in diagnostics['group_times']")
    return lines


def _pretrend(facts: Mapping[str, object]) -> list[str]:
    p, n = facts.get("pretrend_p"), facts.get("pretrend_restrictions")
    if not _is_known(p):
        return []
    return [
        f"before adoption: joint test of no effect in {n} periods, p {p:.3g} (a large p is no proof of parallel trends)"
    ]


def _instruments(facts: Mapping[str, object]) -> list[str]:
    strength, lines = facts.get("effective_f"), []
    if _is_known(strength):
        critical = facts.get("effective_f_critical_value")
        against = f" (weak below {critical:.3g})" if _is_known(critical) else ""
        lines.append(f"instruments: effective F {strength:.4g}{against}")
    found = facts.get("anderson_rubin_set")
    if isinstance(found, list):
        told = " and ".join(f"[{low:.6g}, {high:.6g}]" for low, high in found) or "empty"
        lines.append(f"Anderson-Rubin set, which holds with weak instruments too: {told}")
    for name, text in (
        ("wu_hausman_p", "Wu-Hausman test that least squares would do"),
        ("overidentification_p", "test that all instruments agree"),
    ):
        if _is_known(facts.get(name)):
            lines.append(f"{text}: p {facts[name]:.3g}")
    return lines


def _sensitivity(facts: Mapping[str, object]) -> list[str]:
    lines = []
    strength, limit = facts.get("e_value"), facts.get("e_value_limit")
    if _is_known(strength):
        end = f", {limit:.3g} to bring the interval to zero" if _is_known(limit) and limit != 1.0 else ""
        lines.append(
            f"hidden confounding: risk ratios of {strength:.3g} with both treatment and outcome would explain the "
            f"estimate away{end} (E-value)"
        )
    value = facts.get("robustness_value")
    if _is_known(value):
        lines.append(
            f"hidden confounding: one that explains {100 * value:.3g} % of what is left of both treatment and "  # type: ignore[operator]
            "outcome would bring the estimate to zero (robustness value)"
        )
    return lines


def _not_defined(effect: EffectEstimate) -> list[str]:
    """One line per reason, with the fields that it takes away."""
    fields: dict[str, list[str]] = {}
    is_told = all(name in effect.undefined for name in _INFERENCE)
    for name, reason in effect.undefined.items():
        if not (is_told and (name in _INFERENCE or reason == effect.undefined["std_error"])):
            fields.setdefault(reason, []).append(name)
    return [f"undefined {', '.join(names)}: {reason}" for reason, names in fields.items()]


def _is_known(value: object) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)
