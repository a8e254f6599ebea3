"""Change logs and detected breaks become treatments: what belongs together, what stands alone, what it is called."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from liftos_pipeline.schema.results import PROVENANCE, TREATMENTS
from liftos_pipeline.stages.treatments import identify_treatments

AS_OF = date(2026, 5, 31)
NO_DOSE = float("nan")
Change = tuple[str, str, str, float]


def may(number: int) -> date:
    return date(2026, 5, number)


def changes(*logged: Change, known: date = AS_OF) -> pd.DataFrame:
    """(unit, type without its ending, day, dose) of every logged change."""
    frame = pd.DataFrame(logged, columns=["unit_id", "treatment_type", "changed_on", "dose"])
    return frame.assign(
        platform="meta",
        treatment_type=frame["treatment_type"] + "_change",
        changed_on=pd.to_datetime(frame["changed_on"]),
        dose=frame["dose"].astype(float),
        first_known_on=pd.Timestamp(known),
    )


def breaks(*found: tuple[str, date, float]) -> pd.DataFrame:
    """(unit, day, size) of every detected break, beside a verdict and another detector's event that are none."""
    none = [("a", may(15), 9.0, 0, "budget_change"), ("a", may(15), 9.0, 1, "other")]
    events = [(*entry, number, "budget_change") for number, entry in enumerate(found, 1)]
    frame = pd.DataFrame(none + events, columns=["unit_id", "event_on", "estimate", "event_no", "detector"])
    return frame.assign(platform="meta", event_on=pd.to_datetime(frame["event_on"]))


def identified(logged: pd.DataFrame, found: pd.DataFrame) -> list[tuple]:
    columns = ["unit_id", "treatment_type", "started_on", "evidence", "detected_on"]
    return list(identify_treatments(logged, found, AS_OF)[columns].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("detected", "is_same"), [(3, True), (2, False), (9, True), (10, True), (11, True), (17, True), (18, False)]
)
def test_a_break_within_a_week_of_a_logged_change_confirms_it(detected: int, is_same: bool) -> None:
    rows = identified(changes(("a", "budget", "2026-05-10", 0.3)), breaks(("a", may(detected), 0.2)))
    if is_same:
        assert rows == [("a", "budget_change", may(10), "both", may(detected))]
    else:
        expected = [
            ("a", "budget_change", may(10), "logged", None),
            ("a", "budget_change", may(detected), "detected", may(detected)),
        ]
        assert rows == sorted(expected, key=lambda row: row[2])


@pytest.mark.parametrize(("near", "far"), [(8, 16), (11, 7), (12, 4), (9, 12)])
def test_the_nearest_break_is_taken_and_the_other_stands_alone(near: int, far: int) -> None:
    found = [("a", may(near), 0.2), ("a", may(far), 1.0)]
    for order in (found, found[::-1]):
        rows = identified(changes(("a", "budget", "2026-05-10", 0.3)), breaks(*order))
        assert sorted(rows, key=lambda row: row[3]) == [
            ("a", "budget_change", may(10), "both", may(near)),
            ("a", "budget_change", may(far), "detected", may(far)),
        ]


def test_a_break_explains_one_change_only() -> None:
    logged = changes(("a", "budget", "2026-05-10", 0.3), ("a", "budget", "2026-05-14", 0.3))
    assert identified(logged, breaks(("a", may(11), 0.3))) == [
        ("a", "budget_change", may(10), "both", may(11)),
        ("a", "budget_change", may(14), "logged", None),
    ]


def test_a_break_explains_budget_changes_of_its_own_unit_only() -> None:
    logged = changes(
        ("a", "targeting", "2026-05-10", NO_DOSE),
        ("a", "creative", "2026-05-10", NO_DOSE),
        ("b", "budget", "2026-05-10", 0.3),
    )
    assert identified(logged, breaks(("a", may(10), 0.3))) == [
        ("a", "budget_change", may(10), "detected", may(10)),
        ("a", "creative_change", may(10), "logged", None),
        ("a", "targeting_change", may(10), "logged", None),
        ("b", "budget_change", may(10), "logged", None),
    ]


def test_an_unlogged_break_brings_its_size_and_is_known_since_today() -> None:
    (row,) = identify_treatments(changes(), breaks(("a", may(20), -0.4)), AS_OF).to_dict("records")
    assert (row["platform"], row["dose"], row["first_known_on"]) == ("meta", -0.4, AS_OF)
    assert (row["evidence"], row["assignment_method"]) == ("detected", "observational")


def test_a_confirmed_change_keeps_the_logs_day_dose_and_knowledge() -> None:
    logged = changes(("a", "budget", "2026-05-10", 0.3), known=may(12))
    (row,) = identify_treatments(logged, breaks(("a", may(13), 0.2)), AS_OF).to_dict("records")
    assert (row["started_on"], row["dose"], row["first_known_on"]) == (may(10), 0.3, may(12))
    assert row["assignment_method"] == "observational"


def test_the_nearest_pairs_are_matched_first_and_only_of_one_direction() -> None:
    logged = changes(("a", "budget", "2026-05-07", 0.3), ("a", "budget", "2026-05-13", 0.3))
    rows = identify_treatments(logged, breaks(("a", may(13), 0.3)), AS_OF)
    assert rows["evidence"].tolist() == ["logged", "both"]
    rows = identify_treatments(logged.iloc[:1], breaks(("a", may(8), -0.5)), AS_OF)
    assert rows["evidence"].tolist() == ["logged", "detected"]


def test_changes_of_one_day_are_one_treatment_with_the_sum_of_the_known_doses() -> None:
    logged = pd.concat(
        [
            changes(("a", "budget", "2026-05-10", 0.5), ("a", "budget", "2026-05-11", 9.0), known=may(20)),
            changes(("a", "budget", "2026-05-10", -0.2), ("b", "budget", "2026-05-10", 9.0), known=may(19)),
            changes(("a", "budget", "2026-05-10", NO_DOSE), ("a", "creative", "2026-05-10", NO_DOSE)),
        ]
    )
    rows = identify_treatments(logged, breaks(), AS_OF)
    assert len(rows) == 4
    both = rows.set_index(["unit_id", "treatment_type", "started_on"])
    budget = both.loc[("a", "budget_change", may(10))]
    assert budget["dose"] == pytest.approx(0.3)
    assert budget["first_known_on"] == may(19)
    assert pd.isna(both.loc[("a", "creative_change", may(10)), "dose"])


def test_treatments_of_one_unit_at_most_28_days_apart_share_a_group() -> None:
    logged = changes(
        ("a", "budget", "2026-01-01", 0.1),
        ("a", "creative", "2026-01-29", NO_DOSE),
        ("a", "targeting", "2026-02-26", NO_DOSE),
        ("a", "budget", "2026-03-27", 0.1),
        ("a", "budget", "2026-05-01", 0.1),
        ("b", "budget", "2026-03-01", 0.1),
        ("b", "budget", "2026-05-01", 0.1),
    )
    rows = identify_treatments(logged, breaks(("b", may(25), 0.1)), AS_OF)
    members = rows.groupby("overlap_group")["started_on"].agg(list).to_list()
    assert sorted(members) == [
        [date(2026, 1, 1), date(2026, 1, 29), date(2026, 2, 26)],
        [date(2026, 3, 1)],
        [date(2026, 3, 27)],
        [may(1)],
        [may(1), may(25)],
    ]
    assert rows.groupby("overlap_group")["unit_id"].nunique().max() == 1


def test_ids_stay_the_same_whatever_else_is_known() -> None:
    first = changes(("a", "budget", "2026-05-10", 0.3))
    more = changes(("b", "budget", "2026-05-10", 0.3), ("a", "creative", "2026-05-10", NO_DOSE))
    (alone,) = identify_treatments(first, breaks(), AS_OF)["treatment_id"]
    later = identify_treatments(pd.concat([more, first]), breaks(("a", may(12), 0.2)), date(2026, 6, 30))
    named = later.set_index(["unit_id", "treatment_type"])["treatment_id"]
    assert named["a", "budget_change"] == alone
    assert named.nunique() == 3
    (moved,) = identify_treatments(changes(("a", "budget", "2026-05-11", 0.3)), breaks(), AS_OF)["treatment_id"]
    assert moved != alone


def test_the_order_of_the_inputs_does_not_matter() -> None:
    logged = changes(
        ("a", "budget", "2026-05-10", 0.3),
        ("a", "budget", "2026-05-14", 0.2),
        ("b", "creative", "2026-05-01", 0.0),
    )
    found = breaks(("a", may(12), 0.3), ("a", may(25), 0.2), ("b", may(3), 0.2))
    expected = identify_treatments(logged, found, AS_OF)
    pd.testing.assert_frame_equal(identify_treatments(logged[::-1], found[::-1], AS_OF), expected)


@pytest.mark.parametrize("logged", [changes(), changes(("a", "budget", "2026-05-10", 0.3))])
@pytest.mark.parametrize("found", [breaks().iloc[:0], breaks(), breaks(("c", may(20), 0.3))])
def test_empty_inputs_leave_the_tables_columns(logged: pd.DataFrame, found: pd.DataFrame) -> None:
    rows = identify_treatments(logged, found, AS_OF)
    added = {"as_of", *(column.name for column in PROVENANCE)}
    assert list(rows.columns) == [c.name for c in TREATMENTS.columns if c.name not in added]
    assert len(rows) == len(logged) + (found["unit_id"] == "c").sum()
