"""What changed since the last as-of day, and what lies behind it as far as the tables say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from liftos_pipeline.report import words
from liftos_pipeline.report.answers import Key, analysis_key
from liftos_pipeline.report.inputs import Record, ReportInput, records
from liftos_pipeline.schema.results import ATTRIBUTION, VERDICTS


def changes_since(given: ReportInput) -> Record | None:
    """Per analysis: verdict, evidence, number then and now, how far the estimate moved, and why. None on a first day."""
    earlier = given.earlier
    if earlier is None:
        return None
    then_verdicts, now_verdicts = (
        _by_analysis(rows) for rows in (records(earlier.tables[VERDICTS.full_name]), given.rows(VERDICTS))
    )
    then_sums, now_sums = (
        _by_analysis(row for row in rows if row["scope"] == "treatment")
        for rows in (records(earlier.tables[ATTRIBUTION.full_name]), given.rows(ATTRIBUTION))
    )
    then_given, now_given = (_primary(records(frame)) for frame in (earlier.given, given.given))
    rows = []
    for key in sorted({*then_verdicts, *now_verdicts}, key=str):
        then, now = then_verdicts.get(key), now_verdicts.get(key)
        moved = _moved(then_given.get(key), now_given.get(key))
        rows.append(
            {
                **dict(zip(("platform", "treatment_type", "design"), key, strict=True)),
                "outcome": (now or then or {}).get("outcome"),
                "verdict_then": None if then is None else then["verdict"],
                "verdict_now": None if now is None else now["verdict"],
                "incremental_then": _told(then_sums.get(key)),
                "incremental_now": _told(now_sums.get(key)),
                "moved_in_errors": moved,
                "why": _why(then, now, then_sums.get(key), now_sums.get(key))
                + _why_given(then_given.get(key), now_given.get(key)),
            }
        )
    return {
        "since": earlier.as_of.isoformat(),
        "command": f"liftos explain --from {earlier.as_of} --to {given.as_of}",
        "analyses": rows,
    }


def _by_analysis(rows: Iterable[Record]) -> dict[Key, Record]:
    """Rows about the count of sales, by analysis."""
    return {analysis_key(row): row for row in rows if row["outcome"] in words.COUNTS}


def _primary(rows: list[Record]) -> dict[Key, Record]:
    return _by_analysis([row for row in rows if row["role"] == "primary"])


def _told(row: Mapping[str, object] | None) -> object:
    return None if row is None else row["incremental"]


def _moved(then: Record | None, now: Record | None) -> float | None:
    """Change of the estimate in standard errors of the earlier one; None where either is unknown."""
    if then is None or now is None:
        return None
    before, after, error = then["estimate"], now["estimate"], then["std_error"]
    if not (isinstance(before, float) and isinstance(after, float) and isinstance(error, float) and error > 0.0):
        return None
    return (after - before) / error


def _why(then: Record | None, now: Record | None, before: Record | None, after: Record | None) -> list[str]:
    if then is None:
        return ["new: the first treated days with a full before and after"]
    if now is None:
        return ["no longer in the look-back window, or its treatments were withdrawn"]
    found = []
    was, is_now = (
        set(str(row["gates_failed"]).strip("[]").replace('"', "").split(", ")) - {""} for row in (then, now)
    )
    found += [f"the check {_plain(name)} now fails" for name in sorted(is_now - was)]
    found += [f"the check {_plain(name)} now passes" for name in sorted(was - is_now)]
    units = [row["treated_units"] if row else None for row in (before, after)]
    if isinstance(units[0], int) and isinstance(units[1], int) and units[0] != units[1]:
        found.append(f"{units[1]} changed units instead of {units[0]}")
    if then["policy_version"] != now["policy_version"]:
        found.append(f"policy {now['policy_version']} instead of {then['policy_version']}")
    return found


def _plain(gate: str) -> str:
    return gate.replace("_", " ")


def _why_given(then: Record | None, now: Record | None) -> list[str]:
    """What the runs themselves differ in."""
    if then is None or now is None:
        return []
    named = {"n_rows": "rows", "code_version": "version", "seed": "seed", "certificate": "certificate"}
    found = [
        f"{name} {now[column] or 'none'} instead of {then[column] or 'none'}"
        for column, name in named.items()
        if then[column] != now[column]
    ]
    if then["vintage"] != now["vintage"]:
        found.append(
            f"data {str(now['vintage']).replace('_', ' ')}, then {str(then['vintage']).replace('_', ' ')}"
        )
    return found
