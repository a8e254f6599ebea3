"""Treatments from one as-of day to the next: what is kept, withdrawn, lapsed, or never explained by a log."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from liftos_pipeline.stages.treatments import identify_treatments, remember_treatments
from tests.change_logs import AS_OF, LOOK_BACK, NO_DOSE, NO_LOG, breaks, changes, identify, may


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
