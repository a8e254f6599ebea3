"""Places figures: each as a data address with the words that say the same."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from liftos_pipeline.report import words
from liftos_pipeline.report.evidence import results_to_draw
from liftos_pipeline.report.inputs import Record, ReportInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from liftos_pipeline.causal.results import EffectEstimate

MOST_ANALYSES = 12
"""With pictures of their evidence: a page stays below 2 MB and is made in under 3 s."""


@dataclass(frozen=True)
class Picture:
    """``source``: data address. ``text``: what it shows, for whoever does not see it. ``caption``: how to read it.
    ``told``: what it shows in a few words, where no table beside it says so."""

    source: str
    text: str
    caption: str
    told: str = ""


def attribution_picture(answers: list[Record], outcomes: tuple[str, ...], simulated: bool) -> Picture | None:
    """Caused beside reported, of answers on the given outcomes."""
    from liftos_pipeline.causal.plots.narrow import narrow_attribution

    own = [answer for answer in answers if answer["outcome"] in outcomes]
    if not own:
        return None
    rows = [
        {
            "name": f"{words.channel(answer['platform'])}\n{words.change(answer['treatment_type'])}",
            "reported": answer["reported_change"],
            "caused": answer["incremental"],
            "low": answer["incremental_low"],
            "high": answer["incremental_high"],
            "truth": answer["truth"],
            "note": "no answer"
            if answer["verdict"] == "refuse"
            else f"direction: {answer['direction'] or 'unclear'}",
        }
        for answer in own
    ]
    named = words.listed(list(dict.fromkeys(words.outcome(answer["outcome"]) for answer in own)))
    text = "; ".join(_in_words(answer) for answer in own)
    truth = ", orange triangles the simulated truth" if simulated else ""
    return as_picture(
        narrow_attribution(rows, f"change in {named}"),
        f"Caused beside reported. {text}.",
        "Grey bars: the change that the platform (for orders: the shop) counted. Blue: what was caused, with its "
        f"interval{truth}.",
    )


def timeline_picture(timeline: Record) -> Picture | None:
    """When what was changed."""
    from liftos_pipeline.causal.plots.narrow import narrow_timeline

    weeks = timeline["weeks"]
    if not isinstance(weeks, list) or not weeks:
        return None
    rows = [
        {
            "channel": words.channel(row["platform"]),
            "change": words.change(row["treatment_type"]),
            "week": date.fromisoformat(row["week"]),
            "starts": float(row["starts"]),
        }
        for row in weeks
    ]
    return as_picture(
        narrow_timeline(rows),
        f"Starts of changes by week, {timeline['n_treatments']} in all; the table has the counts by month.",
        "A dot is a week with starts; the larger, the more.",
    )


_FIGURES = {
    "path": (
        "narrow_path",
        "Effect by weeks since the start. Before the dashed line nobody was changed: points should lie around zero. The band "
        "holds for all weeks at once.",
    ),
    "gap": ("narrow_gap", "The campaign less its stand-in (orange), and the same of untouched campaigns (grey)."),
    "overlap": (
        "narrow_overlap",
        "How likely each was to be changed. Upwards the changed, downwards the others: they should cover the same range.",
    ),
}


def evidence_pictures(given: ReportInput, answer: Record) -> list[Picture]:
    """Path or gap, and overlap, of one answer, as far as it has them."""
    from liftos_pipeline.causal.plots import narrow

    found = []
    for name, result in results_to_draw(given, answer).items():
        function, caption = _FIGURES[name]
        draw: Callable[[EffectEstimate], Figure] = getattr(narrow, function)
        told = _SHOWN[name](result)
        found.append(as_picture(draw(result), f"{_of(answer)}: {told}", caption, f"{words.capital(told)}."))
    return found


def _path_in_words(result: EffectEstimate) -> str:
    assert result.path is not None
    path = result.path[result.path["std_error"].notna() & (result.path["std_error"] > 0.0)]
    before, after = path[path["event_time"] < 0], path[path["event_time"] >= 0]
    outside = [int(((part["band_low"] > 0.0) | (part["band_high"] < 0.0)).sum()) for part in (before, after)]
    return (
        f"effect by week. {outside[0]} of {len(before)} weeks before the start have a band that leaves out zero, "
        f"{outside[1]} of {len(after)} after it"
    )


def _overlap_in_words(result: EffectEstimate) -> str:
    ess, below = (result.diagnostics.get(name) for name in ("ess_control", "share_treated_below_high"))
    return f"overlap of scores. {words.share(below)} of the changed are comparable; {words.amount(ess)} effective controls"


def _gap_in_words(result: EffectEstimate) -> str:
    assert result.path is not None
    after = result.path.loc[result.path["event_time"] >= 0, "estimate"]
    return f"gap to the synthetic control, {words.number(float(after.mean()))} on average after the start"


_SHOWN: dict[str, Callable[[EffectEstimate], str]] = {
    "path": _path_in_words,
    "gap": _gap_in_words,
    "overlap": _overlap_in_words,
}


def _of(answer: Record) -> str:
    return f"{words.channel(answer['platform'])}, {words.change(answer['treatment_type'], answer['design'])}"


def _in_words(answer: Record) -> str:
    caused = answer["incremental"]
    ends = words.span(answer["incremental_low"], answer["incremental_high"])
    told = f"caused {words.amount(caused, signed=True)} ({ends})" if words.known(caused) else "caused: not told"
    return f"{_of(answer)}: {told}, reported {words.amount(answer['reported_change'], signed=True)}"


def as_picture(figure: Figure, text: str, caption: str, told: str = "") -> Picture:
    from liftos_pipeline.causal.plots.narrow import svg_of

    return Picture(f"data:image/svg+xml;base64,{base64.b64encode(svg_of(figure)).decode()}", text, caption, told)
