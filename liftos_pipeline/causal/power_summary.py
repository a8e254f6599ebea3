"""What a design could see, in words. Nothing is computed here."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liftos_pipeline.causal.power_result import Power

_WIDTH = 110


def describe_power(found: Power) -> str:
    """The detectable effect beside the formulas', the effect asked for, the curve, and other designs."""
    design = found.design
    whole = f" in whole clusters ({found.n_clusters})" if design.assigned == "cluster" else ""
    lines = [
        f"power of {found.method} on {found.outcome}: {design.n_treated} of {found.n_units} units treated{whole}, "
        f"{design.n_pre} periods before and {design.n_post} after",
        *_wrapped([*_detectable(found), *_asked(found), *(f"warning: {text}" for text in found.warnings)]),
        "",
        *_curve(found),
        "",
        *_designs(found),
    ]
    return "\n".join(lines)


def _wrapped(lines: list[str]) -> list[str]:
    return [
        textwrap.fill(line, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False)
        for line in lines
    ]


def _effect(found: Power, effect: float) -> str:
    share = found.relative(effect)
    told = "" if math.isnan(share) or math.isinf(share) else f" ({100 * share:.3g} % of the mean {found.mean:.4g})"
    return f"{effect:.4g}{told}"


def _detectable(found: Power) -> list[str]:
    percent = f"{100 * found.power:g} %"
    limits = ""
    if found.simulated is not None:
        limits = (
            f", limits {found.detectable_low:.4g} to {found.detectable_high:.4g}; simulated "
            f"{found.simulated.detectable:.4g}, and {100 * (found.allowance - 1):.1f} % for noise that few windows show"
        )
    lines = [f"smallest effect seen in {percent} of cases: {_effect(found, found.detectable)}{limits}"]
    noise = found.noise
    clusters = ""
    if found.design.assigned == "cluster":
        clusters = f", intraclass correlation {noise.intraclass:.2f} (variance x {noise.design_effect:.3g})"
    lines.append(
        f"by formula: {found.analytic:.4g}; noise of a row {noise.sd:.4g}, correlation of successive periods "
        f"{noise.autocorrelation:.2f}{clusters}"
    )
    lines.append(f"as if errors were independent, for comparison only: {found.independent:.4g}")
    if found.simulated is not None:
        seen = found.simulated
        lines.append(
            f"simulated on {seen.n_replays} placebo treatments at {seen.n_dates} dates; without an effect zero is left "
            f"out in {100 * seen.size:.1f} % ({100 * seen.size_low:.1f}-{100 * seen.size_high:.1f} %)"
        )
    return lines


def _asked(found: Power) -> list[str]:
    if found.can_see is None:
        return []
    limits = ""
    if found.simulated is not None:
        limits = f" ({100 * found.effect_power_low:.0f}-{100 * found.effect_power_high:.0f} %)"
    word = "can be seen" if found.can_see else "CANNOT BE SEEN"
    lines = [f"effect {_effect(found, found.effect)} {word}: power {100 * found.effect_power:.0f} %{limits}"]
    if found.reason is not None:
        lines.append(found.reason)
    if found.recommended is not None:
        cheap = found.recommended
        lines.append(
            f"cheapest design below that sees it: {cheap['n_treated']} treated units, {cheap['n_post']} periods after, "
            f"simulated power {100 * cheap['power']:.0f} % "
            f"({100 * cheap['power_low']:.0f}-{100 * cheap['power_high']:.0f} %)"
        )
    return lines


def _curve(found: Power) -> list[str]:
    lines = [f"{'effect':>12s}{'of mean':>9s}{'power':>8s}  {'limits':10s}{'formula':>8s}{'independent':>13s}"]
    for row in found.curve.itertuples():
        share = "" if math.isnan(row.effect_relative) else f"{100 * row.effect_relative:.3g} %"
        power, limits = ("", "") if math.isnan(row.power) else _shares(row.power, row.power_low, row.power_high)
        lines.append(
            f"{row.effect:12.4g}{share:>9s}{power:>8s}  {limits:10s}{100 * row.power_analytic:6.0f} %"
            f"{100 * row.power_independent:11.0f} %"
        )
    return lines


def _shares(value: float, low: float, high: float) -> tuple[str, str]:
    return f"{100 * value:.0f} %", f"{100 * low:.0f}-{100 * high:.0f} %"


def _designs(found: Power) -> list[str]:
    """Detectable effects, a line per number of treated units and a column per duration."""
    table = found.designs.pivot(index="n_treated", columns="n_post", values="detectable")
    beyond = found.designs.pivot(index="n_treated", columns="n_post", values="is_extrapolated")
    lines = [
        "smallest effect seen, by units treated (lines) and periods after the start (columns)",
        f"{'treated':>9s}" + "".join(f"{n:>11d}" for n in table.columns),
    ]
    for n_treated, row in table.iterrows():
        cells = [f"{value:.4g}{'*' if beyond.loc[n_treated, n] else ' '}" for n, value in row.items()]
        lines.append(f"{n_treated:>9d}" + "".join(f"{cell:>11s}" for cell in cells))
    if beyond.to_numpy().any():
        lines.append("* the window is longer than the panel: extrapolated from its fitted autocorrelation")
    return lines
