"""Geo tests' shares against what is asked of them, as a table of 80 columns and as JSON types. Nothing is measured here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from rich import box
from rich.table import Table

from liftos_pipeline.benchmarks.geo_tests import LEAST_POWER, LEVEL, MOST_WIDTH, GeoRow, Share

FEWEST_DRAWS = 5_000
FAMILY_ERROR = 0.05
"""Chance that any of a table's bounds is called missed where all are met exactly."""
PASS, SHORT, UNDECIDED = "pass", "fall short", "undecided"
_COLORS = {PASS: "green", SHORT: "red", UNDECIDED: "yellow"}


def at_most(found: Share, bound: float, n_cells: int, n_draws: int) -> str:
    """Whether a rate that is nominally at its bound exceeds it beyond its Monte-Carlo error."""
    margin = _quantile(n_cells) * math.sqrt(bound * (1 - bound) / n_draws)
    if found.value > bound + margin:
        return SHORT
    return PASS if n_draws >= FEWEST_DRAWS else UNDECIDED


def beyond(found: Share, bound: float, n_cells: int, *, is_least: bool) -> str:
    """Whether a ratio is on the right side of its bound by more than its Monte-Carlo error."""
    away = (found.value - bound) * (1.0 if is_least else -1.0)
    margin = _quantile(n_cells) * found.error
    return PASS if away >= margin else SHORT if away < -margin else UNDECIDED


def verdicts(rows: Sequence[GeoRow]) -> list[dict[str, str]]:
    """Of each row: level; power and width where they are compared."""
    n_published = sum(math.isfinite(row.power_ratio.value) for row in rows)
    found = []
    for row in rows:
        one = {"missed": at_most(row.missed, 1 - LEVEL, len(rows), row.n_draws)}
        if math.isfinite(row.power_ratio.value):
            one["power_ratio"] = beyond(row.power_ratio, LEAST_POWER, n_published, is_least=True)
        if math.isfinite(row.width_ratio.value):
            one["width_ratio"] = beyond(row.width_ratio, MOST_WIDTH, n_published, is_least=False)
        found.append(one)
    return found


def geo_table(rows: Sequence[GeoRow]) -> Table:
    """Shares with their Monte-Carlo errors, in percent, colored by verdict, and the worst verdict in words."""
    table = Table(
        title="geo tests: geo_did, % of draws ± Monte-Carlo error",
        title_justify="left",
        title_style="bold",
        caption=(
            "missed: released, and outside the interval; the same share is false positives without lift. power /: to"
            " least squares with the true covariance. width /: to augmented synthetic control, conformal"
        ),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
    )
    table.add_column("", no_wrap=True)
    for name in ("missed", "refused", "power", "power /", "width /"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row, judged in zip(rows, verdicts(rows), strict=True):
        cells = [_percent(row.missed, judged["missed"]), _percent(row.refused), _percent(row.power)]
        cells += [_shown(getattr(row, name), judged.get(name)) for name in ("power_ratio", "width_ratio")]
        table.add_row(row.cell, *cells, _worst(judged))
    return table


def plain(row: GeoRow) -> dict[str, object]:
    """Fields as JSON types: what is not a number is null."""

    def known(value: object) -> object:
        if isinstance(value, dict):
            return {name: known(entry) for name, entry in value.items()}
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {name: known(value) for name, value in dataclasses.asdict(row).items()}


def _quantile(n_statements: int) -> float:
    from scipy.special import ndtri

    return float(ndtri(1.0 - FAMILY_ERROR / max(n_statements, 1)))


def _percent(found: Share, verdict: str | None = None) -> str:
    return _colored(f"{100 * found.value:.1f}±{100 * found.error:.1f}", verdict)


def _shown(found: Share, verdict: str | None) -> str:
    return _colored(f"{found.value:.2f}±{found.error:.2f}", verdict) if math.isfinite(found.value) else ""


def _colored(text: str, verdict: str | None) -> str:
    return text if verdict is None else f"[{_COLORS[verdict]}]{text}[/]"


def _worst(judged: dict[str, str]) -> str:
    worst = max(judged.values(), key=[PASS, UNDECIDED, SHORT].index)
    return _colored(worst, worst)
