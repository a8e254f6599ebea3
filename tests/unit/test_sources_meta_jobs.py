"""Insights jobs: begun where Meta finds a span too large, started again where they do not end, then asked in halves."""

from __future__ import annotations

from datetime import date

import orjson
import pytest

from liftos_pipeline.errors import AuthExpired, MalformedPage, PlatformError
from liftos_pipeline.schema import Window
from liftos_pipeline.sources import SOURCES, meta_jobs
from liftos_pipeline.sources.client import TooMuchData
from tests.replies import FIRST, LAST, META_ACCOUNT, NOW, Asked, Platform, Reply, connect
from tests.unit.test_sources_meta import ROW

JOB = "6045000000001"
DONE = {"async_status": "Job Completed", "async_percent_completion": 100}
TOO_MUCH = Reply({"error": {"message": "Please reduce the amount of data you're asking for", "code": 1}}, 400)
GONE = Reply({"error": {"message": "Unsupported post request.", "code": 100}}, 400)


class Jobs:
    """Meta that answers a span of more than ``largest`` days by a job only; ``states`` are its polls, the last for ever."""

    def __init__(self, *states: dict, started: Reply | None = None, largest: int = 1) -> None:
        self.states = list(states)
        self.started = started or Reply({"report_run_id": JOB})
        self.largest = largest
        self.platform = Platform(self.answer)
        self.waits: list[float] = []

    def answer(self, asked: Asked) -> Reply:
        if asked.method == "POST":
            return self.started
        if asked.path.endswith(f"/{JOB}"):
            return Reply({"id": JOB, **(self.states.pop(0) if len(self.states) > 1 else self.states[0])})
        if asked.path.endswith(f"/{JOB}/insights"):
            return self.page(asked)
        if not asked.path.endswith("/insights"):
            return META_ACCOUNT
        span = orjson.loads(asked.query["time_range"])
        days = (date.fromisoformat(span["until"]) - date.fromisoformat(span["since"])).days + 1
        if days > self.largest:
            return TOO_MUCH
        ad = {"ad_id": "1"} if asked.query["level"] == "ad" else {}
        return Reply({"data": [{**ROW, **ad, "date_start": span["since"], "date_stop": span["since"]}]})

    def page(self, asked: Asked) -> Reply:
        """Two pages of one row each."""
        if "after" in asked.query:
            return Reply({"data": [{**ROW, "ad_id": "2"}]})
        link = f"http://platform.test/v26.0/{JOB}/insights?after=1&limit={asked.query['limit']}"
        return Reply({"data": [{**ROW, "ad_id": "1"}], "paging": {"next": link}})

    def fetch(self, start: date = FIRST, end: date = LAST) -> Window:
        stream = SOURCES["meta"].stream("insights_daily")
        return stream.fetch(connect("meta", self.platform, self.waits), "1001", start, end, NOW)

    def asked(self, method: str, end: str) -> list[Asked]:
        return [asked for asked in self.platform.asked if asked.method == method and asked.path.endswith(end)]


def test_a_span_that_is_too_large_is_read_by_a_job() -> None:
    jobs = Jobs(
        {"async_status": "Job Started", "async_percent_completion": 0},
        {**DONE, "async_percent_completion": 60},
        DONE,
    )
    rows = jobs.fetch().rows.to_pylist()
    assert [(row["level"], row["ad_id"]) for row in rows] == [("campaign", None)] * 2 + [("ad", "1"), ("ad", "2")]
    assert jobs.waits == [2.0, 4.0]
    begun = jobs.asked("POST", "/act_1001/insights")
    assert [asked.query["level"] for asked in begun] == ["campaign", "ad"]
    assert all(orjson.loads(a.query["time_range"]) == {"since": str(FIRST), "until": str(LAST)} for a in begun)
    assert "limit" not in begun[0].query
    assert {asked.query["limit"] for asked in jobs.asked("GET", f"{JOB}/insights")} == {"500"}


def test_rows_of_pages_before_the_refusal_are_forgotten() -> None:
    jobs = Jobs(DONE)
    first = Reply(
        {
            "data": [{**ROW, "spend": "1.00"}],
            "paging": {"next": "http://platform.test/v26.0/act_1001/insights?page=2"},
        }
    )
    plain = jobs.answer
    jobs.platform._answer = lambda asked: (
        TOO_MUCH
        if "page" in asked.query
        else first
        if asked.path.endswith("act_1001/insights") and asked.method == "GET"
        else plain(asked)
    )
    window = jobs.fetch()
    assert [str(row["spend"]) for row in window.rows.to_pylist()] == ["14.350000"] * 4
    assert [page.page_no for page in window.pages] == list(range(len(window.pages)))


@pytest.mark.parametrize("state", ["Job Failed", "Job Skipped"])
def test_a_failed_job_is_started_again(state: str) -> None:
    failed = {"async_status": state, "async_percent_completion": 30}
    jobs = Jobs(failed, failed, DONE)
    assert jobs.fetch().rows.num_rows == 4
    assert len(jobs.asked("POST", "insights")) == 4


def test_jobs_that_always_fail_are_asked_in_halves_down_to_one_day() -> None:
    jobs = Jobs({"async_status": "Job Failed"})
    rows = jobs.fetch(FIRST, date(2026, 3, 4)).rows.to_pylist()
    assert [row["date_day"].day for row in rows if row["level"] == "campaign"] == [1, 2, 3, 4]
    assert len(jobs.asked("POST", "insights")) == 3 * meta_jobs.STARTS


def test_a_single_day_that_no_job_answers_names_the_job() -> None:
    jobs = Jobs({"async_status": "Job Failed", "error_message": "too tired"}, largest=0)
    with pytest.raises(TooMuchData, match=f"{JOB}: Job Failed, too tired"):
        jobs.fetch(LAST, LAST)


@pytest.mark.parametrize("percent", [99, None])
def test_a_stuck_job_is_given_up_within_an_hour(percent: int | None) -> None:
    jobs = Jobs(
        {"async_status": "Job Completed" if percent else "Job Running", "async_percent_completion": percent},
        largest=0,
    )
    with pytest.raises(PlatformError, match=r"after 2\d minutes"):
        jobs.fetch(LAST, LAST)
    assert 3600 <= sum(jobs.waits) < 3700
    assert max(jobs.waits) == 30.0


def test_a_server_without_jobs_is_asked_in_halves() -> None:
    jobs = Jobs(DONE, started=GONE, largest=3)
    rows = jobs.fetch().rows.to_pylist()
    assert len(rows) == 2 * 4
    assert jobs.asked("GET", f"{JOB}/insights") == []


def test_credentials_that_end_at_a_job_are_not_too_much_data() -> None:
    expired = Reply({"error": {"message": "expired", "code": 190, "error_subcode": 463}}, 400)
    with pytest.raises(AuthExpired, match="META_ACCESS_TOKEN"):
        Jobs(DONE, started=expired).fetch()


@pytest.mark.parametrize("job_id", [None, {"id": 1}, True])
def test_a_job_without_an_id_is_malformed(job_id: object) -> None:
    with pytest.raises(MalformedPage, match="report_run_id"):
        Jobs(DONE, started=Reply({"report_run_id": job_id})).fetch()
