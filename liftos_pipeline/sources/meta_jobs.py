"""Meta's insights jobs: what is too much for one answer is worked out by the platform and fetched when it is done.
What is asked stands in ``meta_insights``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from liftos_pipeline.errors import AuthExpired, PlatformError, RateLimited
from liftos_pipeline.sources.client import TooMuchData
from liftos_pipeline.sources.meta_wire import next_link
from liftos_pipeline.sources.pull import Pull, Row

STARTS = 3
PATIENCE_S = 1200.0
"""A job that is not done by then is started again: three of them make an hour."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 30.0
_OVER = ("Job Failed", "Job Skipped")
_STATUS = {"fields": "async_status,async_percent_completion,error_code,error_message,error_subcode,error_user_msg"}


def walk_job(pull: Pull, path: str, params: Mapping[str, str | int], page_rows: int) -> Iterator[Row]:
    """Pages of a job's answer.

    Raises
    ------
    TooMuchData
        Jobs are refused here, or none of three came to an end: ask for less.
    """
    job_id = _done(pull, path, {name: value for name, value in params.items() if name != "limit"})
    yield from pull.walk(f"{job_id}/insights", {"limit": page_rows}, next_link)


def _done(pull: Pull, path: str, params: Mapping[str, str | int]) -> str:
    """Id of a job that is done."""
    told = "none was started"
    for _ in range(STARTS):
        job_id = _started(pull, path, params)
        told = _outcome(pull, job_id)
        if told == "done":
            return job_id
    raise TooMuchData(
        f"an insights job of {pull.stream} that ends",
        f"{STARTS} that did not, the last one {told}",
        "Re-run; nothing of this window was loaded.",
    )


def _started(pull: Pull, path: str, params: Mapping[str, str | int]) -> str:
    try:
        job_id = pull.start(path, params).get("report_run_id")
    except (AuthExpired, RateLimited, TooMuchData):
        raise
    except PlatformError as error:
        wanted, way_out = f"an insights job of {pull.stream}", "Narrow the window to fewer days."
        raise TooMuchData(wanted, error.found, way_out) from error
    if not isinstance(job_id, str | int) or isinstance(job_id, bool):
        raise pull.malformed("report_run_id", job_id, "an id")
    return str(job_id)


def _outcome(pull: Pull, job_id: str) -> str:
    """``done``, or how the job ended otherwise."""
    waited, pause = 0.0, _FIRST_PAUSE_S
    while True:
        job = pull.get(job_id, _STATUS)
        state, percent = job.get("async_status"), job.get("async_percent_completion")
        if state == "Job Completed" and percent in (100, "100"):
            return "done"
        if state in _OVER:
            return f"{job_id}: {state}, {job.get('error_message') or 'no reason given'}"
        if waited >= PATIENCE_S:
            return f"{job_id}: {state} at {percent} % after {waited / 60:.0f} minutes"
        pull.pause(pause)
        waited, pause = waited + pause, min(2 * pause, _LONGEST_PAUSE_S)
