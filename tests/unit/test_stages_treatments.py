"""Change logs and detected breaks become treatments: what belongs together, what stands alone, what it is called."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from liftos_pipeline.schema.results import PROVENANCE, TREATMENTS
from liftos_pipeline.stages.treatments import identify_treatments, remember_treatments

AS_OF = date(2026, 5, 31)
LOOK_BACK = 120
NO_LOG = pd.DataFrame({"platform": [], "account_id": [], "date_day": []}, dtype=object)
NO_DOSE = float("nan")
Change = tuple[str, str, str, float]


def may(number: int) -> date:
    return date(2026, 5, number)


def changes(*logged: Change, known: date = AS_OF) -> pd.DataFrame:
    """(unit, type without its ending, day, dose) of every logged change."""
    frame = pd.DataFrame(logged, columns=["unit_id", "treatment_type", "changed_on", "dose"])
    return frame.assign(
        platform="meta",
        unit_id="meta:1:" + frame["unit_id"],
        treatment_type=frame["treatment_type"] + "_change",
        changed_on=pd.to_datetime(frame["changed_on"]),
        dose=frame["dose"].astype(float),
        first_known_on=pd.Timestamp(known),
    )


def breaks(*found: tuple[str, date, float]) -> pd.DataFrame:
    """(unit, day, size) of every detected break, beside a verdict and another detector's event that are none."""
    none = [(unit, may(15), 9.0, 0, "budget_change") for unit in "abc"] + [("a", may(15), 9.0, 1, "other")]
    events = [(*entry, number, "budget_change") for number, entry in enumerate(found, 1)]
    frame = pd.DataFrame(none + events, columns=["unit_id", "event_on", "estimate", "event_no", "detector"])
    unit = "meta:1:" + frame["unit_id"]
    return frame.assign(
        platform="meta", unit_id=unit, status="detected", event_on=pd.to_datetime(frame["event_on"])
    )


def identify(logged: pd.DataFrame, found: pd.DataFrame, as_of: date = AS_OF) -> pd.DataFrame:
    """Treatments of one day, units by their last word."""
    rows = identify_treatments(logged, found, NO_LOG, as_of, LOOK_BACK)
    return rows.assign(unit_id=rows["unit_id"].str.removeprefix("meta:1:"))


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


def remembered(days: dict[int, tuple[pd.DataFrame, pd.DataFrame]]) -> dict[int, pd.DataFrame]:
    """What the table holds as of each day of May, one day after another."""
    before, held = pd.DataFrame(), {}
    for number, (logged, found) in days.items():
        now = identify_treatments(logged, found, NO_LOG, may(number), LOOK_BACK)
        before = held[number] = remember_treatments(before, now, may(number), LOOK_BACK)
    return held


def test_a_break_keeps_its_id_and_first_day_while_its_date_moves_and_when_a_log_arrives() -> None:
    held = remembered(
        {
            25: (changes(), breaks(("a", may(10), 0.4))),
            26: (changes(), breaks(("a", may(12), 0.5))),
            27: (changes(("a", "budget", "2026-05-11", 0.45), known=may(27)), breaks(("a", may(12), 0.5))),
            28: (changes(("a", "budget", "2026-05-11", 0.45), known=may(27)), breaks()),
        }
    )
    ids = {row["treatment_id"] for rows in held.values() for row in rows.to_dict("records")}
    assert len(ids) == 1 and all(len(rows) == 1 for rows in held.values())
    told = [rows.iloc[0] for rows in held.values()]
    assert [row["started_on"] for row in told] == [may(10), may(12), may(11), may(11)]
    assert [row["evidence"] for row in told] == ["detected", "detected", "both", "logged"]
    assert {row["first_known_on"] for row in told} == {may(25)}
    assert [row["last_seen_on"] for row in told] == [may(25), may(26), may(27), may(28)]


def test_nothing_that_was_known_is_forgotten() -> None:
    old = date(2026, 1, 20)
    held = remembered(
        {
            19: (changes(), breaks(("a", old, 0.4), ("b", may(2), 0.4))),
            20: (changes(), breaks(("b", may(9), -0.4))),
            31: (changes(("b", "creative", "2026-05-02", NO_DOSE)), breaks()),
        }
    )
    rows = held[31].set_index(["unit_id", "started_on", "treatment_type"])
    told = {key: (row["standing"], row["last_seen_on"], row["first_known_on"]) for key, row in rows.iterrows()}
    assert told == {
        ("meta:1:a", old, "budget_change"): ("lapsed", may(19), may(19)),
        ("meta:1:b", may(2), "budget_change"): ("withdrawn", may(19), may(19)),
        ("meta:1:b", may(2), "creative_change"): ("current", may(31), AS_OF),
        ("meta:1:b", may(9), "budget_change"): ("withdrawn", may(20), may(20)),
    }
    assert held[20]["standing"].tolist() == ["lapsed", "withdrawn", "current"]
    assert held[31]["treatment_id"].is_unique


def test_a_known_treatment_that_is_found_again_stands_again() -> None:
    found = breaks(("a", may(2), 0.4))
    held = remembered({19: (changes(), found), 20: (changes(), breaks()), 21: (changes(), found)})
    assert [rows["standing"].tolist() for rows in held.values()] == [["current"], ["withdrawn"], ["current"]]
    assert held[21]["first_known_on"].tolist() == [may(19)]


def test_remembering_twice_changes_nothing_and_reads_the_table_as_it_is_stored() -> None:
    logged = changes(("a", "budget", "2026-05-01", 0.5), ("b", "creative", "2026-05-03", NO_DOSE), known=may(5))
    found = breaks(("a", may(2), 0.4), ("c", may(9), 0.3))
    held = remembered({25: (logged, found), 26: (logged, found)})
    again = remember_treatments(
        held[25], identify_treatments(logged, found, NO_LOG, may(26), LOOK_BACK), may(26), LOOK_BACK
    )
    pd.testing.assert_frame_equal(again, held[26])
    stored = held[25].astype({name: "datetime64[us]" for name in held[25].columns if name.endswith("_on")})
    from_store = remember_treatments(
        stored.assign(as_of=may(25), run_id="x"),
        identify_treatments(logged, found, NO_LOG, may(26), LOOK_BACK),
        may(26),
        LOOK_BACK,
    )
    pd.testing.assert_frame_equal(from_store, held[26])


def test_changes_of_other_kinds_and_units_are_never_one_with_a_break() -> None:
    held = remembered(
        {
            25: (changes(("a", "creative", "2026-05-10", NO_DOSE)), breaks(("b", may(10), 0.4))),
            26: (changes(("a", "budget", "2026-05-11", 0.2)), breaks(("a", may(19), 0.4))),
        }
    )
    assert len(held[26]) == 4 and held[26]["treatment_id"].is_unique


def test_a_new_treatment_never_takes_the_id_of_an_old_one() -> None:
    """The first one moved away from the day that named it; then another starts on that day."""
    held = remembered(
        {
            25: (changes(), breaks(("a", may(10), 0.4))),
            26: (changes(), breaks(("a", may(12), 0.4))),
            27: (changes(), breaks(("a", may(12), 0.4), ("a", may(10), -0.4))),
        }
    )
    (first,) = held[25]["treatment_id"]
    assert held[27].set_index("started_on")["treatment_id"].to_dict() == {may(10): f"{first}-2", may(12): first}
    assert held[27]["first_known_on"].tolist() == [may(27), may(25)]


@pytest.mark.parametrize(
    ("as_of", "standing"),
    [(date(2026, 8, 9), "withdrawn"), (date(2026, 8, 10), "lapsed"), (date(2026, 12, 1), "lapsed")],
)
def test_a_break_fades_from_view_and_a_withdrawn_one_stays_withdrawn(as_of: date, standing: str) -> None:
    """Of 120 days to 10 August the first is 13 April; 28 days on it is 11 May."""
    first = remember_treatments(
        pd.DataFrame(),
        identify_treatments(changes(), breaks(("a", may(10), 0.4)), NO_LOG, may(25), LOOK_BACK),
        may(25),
        LOOK_BACK,
    )
    gone = identify_treatments(changes(), breaks(), NO_LOG, as_of, LOOK_BACK)
    later = remember_treatments(first, gone, as_of, LOOK_BACK)
    assert later["standing"].tolist() == [standing]
    much_later = date(2027, 3, 1)
    last = remember_treatments(later, gone, much_later, LOOK_BACK)
    assert last["standing"].tolist() == [standing]


def pulled(first: date, last: date, account: str = "1") -> pd.DataFrame:
    days = pd.date_range(first, last)
    return pd.DataFrame({"platform": "meta", "account_id": account, "date_day": days})


@pytest.mark.parametrize(
    ("log_days", "standing"),
    [
        (pulled(may(3), may(17)), "unexplained"),
        (pulled(may(4), may(17)), "current"),
        (pulled(may(3), may(16)), "current"),
        (pulled(may(3), may(17), "2"), "current"),
        (pulled(may(3), may(17)).assign(platform="google_ads"), "current"),
    ],
)
def test_a_break_that_a_pulled_log_does_not_explain_is_no_treatment(log_days: pd.DataFrame, standing: str) -> None:
    found = breaks(("a", may(10), 0.4))
    (row,) = identify_treatments(changes(), found, log_days, AS_OF, LOOK_BACK).to_dict("records")
    assert (row["evidence"], row["standing"]) == ("detected", standing)
    logged = changes(("a", "budget", "2026-05-11", 0.4))
    (row,) = identify_treatments(logged, found, log_days, AS_OF, LOOK_BACK).to_dict("records")
    assert (row["evidence"], row["standing"]) == ("both", "current")


def test_near_the_newest_day_the_log_is_asked_for_no_day_to_come() -> None:
    found = breaks(("a", may(28), 0.4))
    rows = identify_treatments(changes(), found, pulled(may(21), AS_OF), AS_OF, LOOK_BACK)
    assert rows["standing"].tolist() == ["unexplained"]


def test_what_is_unexplained_takes_nothing_back_and_never_becomes_a_treatment_by_fading() -> None:
    logged = changes(("a", "budget", "2026-04-20", 0.4))
    found = breaks(("a", may(10), -0.4))
    now = identify_treatments(logged, found, pulled(may(1), AS_OF), AS_OF, LOOK_BACK)
    assert now["undone_on"].isna().all()
    assert remember_treatments(now, now, AS_OF, LOOK_BACK)["undone_on"].isna().all()
    later = date(2026, 9, 1)
    gone = identify_treatments(logged, breaks(), pulled(may(1), later), later, LOOK_BACK)
    assert remember_treatments(now, gone, later, LOOK_BACK)["standing"].tolist() == ["current", "unexplained"]
    assert identify(logged, found)["undone_on"].tolist()[0] == may(10)


def test_a_logged_change_that_only_the_data_still_show_is_the_same_treatment() -> None:
    held = remembered(
        {
            25: (changes(("a", "budget", "2026-05-10", 0.4)), breaks()),
            26: (changes(), breaks(("a", may(12), 0.4))),
            27: (changes(("a", "budget", "2026-05-14", 0.4)), breaks()),
        }
    )
    assert [len(rows) for rows in held.values()] == [1, 1, 1]
    assert len({rows["treatment_id"].iat[0] for rows in held.values()}) == 1
    vanished = remembered(
        {
            25: (changes(("a", "budget", "2026-05-10", 0.4)), breaks()),
            26: (changes(("a", "budget", "2026-05-12", 0.4)), breaks()),
        }
    )
    assert vanished[26]["standing"].tolist() == ["withdrawn", "current"]
