"""Change logs and detected breaks become treatments: what belongs together, what stands alone, what it is called."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from liftos_pipeline.schema.results import PROVENANCE, TREATMENTS
from liftos_pipeline.stages.treatments import identify_treatments
from tests.change_logs import AS_OF, LOOK_BACK, NO_DOSE, NO_LOG, breaks, changes, identify, may


def identified(logged: pd.DataFrame, found: pd.DataFrame) -> list[tuple]:
    columns = ["unit_id", "treatment_type", "started_on", "evidence", "detected_on"]
    return list(identify(logged, found)[columns].itertuples(index=False, name=None))


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
    (row,) = identify(changes(), breaks(("a", may(20), -0.4))).to_dict("records")
    assert (row["platform"], row["dose"], row["first_known_on"]) == ("meta", -0.4, AS_OF)
    assert (row["evidence"], row["assignment_method"]) == ("detected", "observational")


def test_a_confirmed_change_keeps_the_logs_day_dose_and_knowledge() -> None:
    logged = changes(("a", "budget", "2026-05-10", 0.3), known=may(12))
    (row,) = identify(logged, breaks(("a", may(13), 0.2))).to_dict("records")
    assert (row["started_on"], row["dose"], row["first_known_on"]) == (may(10), 0.3, may(12))
    assert row["assignment_method"] == "observational"


def test_the_nearest_pairs_are_matched_first_and_only_of_one_direction() -> None:
    logged = changes(("a", "budget", "2026-05-07", 0.3), ("a", "budget", "2026-05-13", 0.3))
    rows = identify(logged, breaks(("a", may(13), 0.3)))
    assert rows["evidence"].tolist() == ["logged", "both"]
    rows = identify(logged.iloc[:1], breaks(("a", may(8), -0.5)))
    assert rows["evidence"].tolist() == ["logged", "detected"]


def test_changes_of_one_day_are_one_treatment_with_the_sum_of_the_known_doses() -> None:
    logged = pd.concat(
        [
            changes(("a", "budget", "2026-05-10", 0.5), ("a", "budget", "2026-05-11", 9.0), known=may(20)),
            changes(("a", "budget", "2026-05-10", -0.2), ("b", "budget", "2026-05-10", 9.0), known=may(19)),
            changes(("a", "budget", "2026-05-10", NO_DOSE), ("a", "creative", "2026-05-10", NO_DOSE)),
        ]
    )
    rows = identify(logged, breaks())
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
    rows = identify(logged, breaks(("b", may(25), 0.1)))
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
    (alone,) = identify(first, breaks())["treatment_id"]
    later = identify(pd.concat([more, first]), breaks(("a", may(12), 0.2)), date(2026, 6, 30))
    named = later.set_index(["unit_id", "treatment_type"])["treatment_id"]
    assert named["a", "budget_change"] == alone
    assert named.nunique() == 3
    (moved,) = identify(changes(("a", "budget", "2026-05-11", 0.3)), breaks())["treatment_id"]
    assert moved != alone


def test_the_order_of_the_inputs_does_not_matter() -> None:
    logged = changes(
        ("a", "budget", "2026-05-10", 0.3),
        ("a", "budget", "2026-05-14", 0.2),
        ("b", "creative", "2026-05-01", 0.0),
    )
    found = breaks(("a", may(12), 0.3), ("a", may(25), 0.2), ("b", may(3), 0.2))
    expected = identify(logged, found)
    pd.testing.assert_frame_equal(identify(logged[::-1], found[::-1]), expected)


@pytest.mark.parametrize("logged", [changes(), changes(("a", "budget", "2026-05-10", 0.3))])
@pytest.mark.parametrize("found", [breaks().iloc[:0], breaks(), breaks(("c", may(20), 0.3))])
def test_empty_inputs_leave_the_tables_columns(logged: pd.DataFrame, found: pd.DataFrame) -> None:
    rows = identify(logged, found)
    added = {"as_of", *(column.name for column in PROVENANCE)}
    assert list(rows.columns) == [c.name for c in TREATMENTS.columns if c.name not in added]
    assert len(rows) == len(logged) + (found.loc[found["event_no"] > 0, "unit_id"] == "meta:1:c").sum()


@pytest.mark.parametrize(
    ("day", "dose", "visibility"),
    [
        ("2026-05-10", 0.50, "unseen"),
        ("2026-05-10", -0.50, "unseen"),
        ("2026-05-10", 0.49, "small"),
        ("2026-05-10", NO_DOSE, "small"),
        ("2026-05-11", 0.9, "unseen"),
        ("2026-05-12", 0.9, "out_of_view"),
        ("2026-02-22", 0.9, "unseen"),
        ("2026-02-21", 0.9, "out_of_view"),
    ],
)
def test_a_logged_step_that_should_have_been_seen_is_called_unseen(day: str, dose: float, visibility: str) -> None:
    """Watched are the 120 days to 31 May, 1 February to 31 May; a step needs 21 of them on either side."""
    (row,) = identify(changes(("a", "budget", day, dose)), breaks()).to_dict("records")
    assert (row["evidence"], row["visibility"]) == ("logged", visibility)


def test_what_nobody_tests_and_what_stands_close_to_another_change_is_not_called_unseen() -> None:
    logged = changes(
        ("a", "creative", "2026-05-10", NO_DOSE),
        ("b", "budget", "2026-04-15", 0.9),
        ("b", "budget", "2026-05-06", 0.9),
        ("c", "budget", "2026-04-12", 0.9),
        ("c", "budget", "2026-05-04", 0.9),
        ("d", "budget", "2026-05-10", 0.9),
    )
    rows = identify(logged, breaks())
    expected = ["not_watched", "crowded", "crowded", "unseen", "unseen", "not_watched"]
    assert rows["visibility"].tolist() == expected
    untested = breaks().assign(status="undetermined")
    assert set(identify(logged, untested)["visibility"]) == {"not_watched"}
    assert identify(logged, breaks(("b", date(2026, 4, 16), 0.9)))["visibility"].tolist()[1] == "seen"


def test_a_change_that_is_taken_back_says_since_when() -> None:
    logged = changes(
        ("a", "budget", "2026-03-01", 0.5),
        ("a", "budget", "2026-04-01", -0.3),
        ("a", "budget", "2026-05-01", -0.15),
        ("b", "budget", "2026-03-01", -0.5),
        ("b", "budget", "2026-04-01", 0.42),
        ("c", "budget", "2026-03-01", 0.5),
        ("c", "creative", "2026-04-01", NO_DOSE),
        ("c", "budget", "2026-04-01", -0.42),
    )
    undone = identify(logged, breaks())[["unit_id", "treatment_type", "started_on", "undone_on"]].dropna()
    april, march = date(2026, 4, 1), date(2026, 3, 1)
    assert undone.to_dict("split")["data"] == [["a", "budget_change", march, may(1)]]
    closer = changes(("b", "budget", "2026-03-01", -0.5), ("b", "budget", "2026-04-01", 0.43))
    assert identify(closer, breaks())["undone_on"].tolist() == [april, None]


def test_starts_of_an_account_that_fall_on_one_day_are_a_quasi_experiment() -> None:
    one_date = [(f"{name}", "budget", "2026-05-01", 0.5) for name in "abc"]
    first = changes(*one_date)
    elsewhere = changes(("x", "budget", "2026-05-09", 0.5), ("y", "budget", "2026-05-02", 0.5))
    elsewhere["unit_id"] = elsewhere["unit_id"].str.replace("meta:1:", "meta:2:")
    rows = identify_treatments(
        pd.concat([first, elsewhere]), breaks(("b", may(25), 0.5)), NO_LOG, AS_OF, LOOK_BACK
    )
    methods = rows.set_index(["unit_id", "evidence"])["assignment_method"].to_dict()
    assert methods == {
        ("meta:1:a", "logged"): "quasi_experimental",
        ("meta:1:b", "logged"): "quasi_experimental",
        ("meta:1:b", "detected"): "observational",
        ("meta:1:c", "logged"): "quasi_experimental",
        ("meta:2:x", "logged"): "observational",
        ("meta:2:y", "logged"): "observational",
    }
    told = rows.loc[rows["assignment_method"] == "quasi_experimental"].iloc[0]
    assert told["assignment_test"] == "3 of 3 starts of account meta:1 fall on 2026-05-01 (p = 4.1e-05)"
    assert told["control_group_id"] == "accounts without that date"
    assert rows["assignment_probability"].isna().all() and set(rows["randomization_unit"]) == {"campaign"}
    same_day = elsewhere.assign(changed_on=pd.Timestamp(may(1)))
    assert set(
        identify_treatments(pd.concat([first, same_day]), breaks(), NO_LOG, AS_OF, LOOK_BACK)["assignment_method"]
    ) == {"observational"}
    assert set(identify(first, breaks())["assignment_method"]) == {"observational"}
    two = pd.concat([changes(*one_date[:2]), elsewhere])
    assert set(identify_treatments(two, breaks(), NO_LOG, AS_OF, LOOK_BACK)["assignment_method"]) == {
        "observational"
    }
