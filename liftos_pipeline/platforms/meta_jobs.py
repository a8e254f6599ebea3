"""Insights jobs of a simulated Meta: started by a POST, asked for by their id, read like a synchronous answer. A job is
done at once; jobs that are not are a matter of the fault plan.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from hashlib import sha256
from threading import Lock

from liftos_pipeline.platforms.wire import Request, Response, as_json

_KEPT = 256
_NOT_THE_QUESTION = ("access_token", "after", "limit")
_jobs: OrderedDict[str, Job] = OrderedDict()
_lock = Lock()


@dataclass(frozen=True)
class Job:
    """What a job was asked."""

    path: str
    query: tuple[tuple[str, str], ...]

    def request(self, asked: Request) -> Request:
        """The synchronous question that the job answers, at the clock of who asks."""
        return replace(asked, path=self.path, query=dict(self.query))


def start(request: Request) -> Response:
    """Start a job; the same question has the same id."""
    asked = {**request.query, **request.form}
    query = tuple(sorted(pair for pair in asked.items() if pair[0] not in _NOT_THE_QUESTION))
    digest = sha256(repr((request.path, query)).encode()).hexdigest()
    job_id = str(10**15 + int(digest[:12], 16))
    with _lock:
        _jobs[job_id] = Job(request.path, query)
        while len(_jobs) > _KEPT:
            _jobs.popitem(last=False)
    return as_json({"report_run_id": job_id})


def job_of(job_id: str) -> Job | None:
    """Job of an id; None if this server does not know it."""
    with _lock:
        return _jobs.get(job_id)


def status(job_id: str) -> Response:
    """Answer a poll."""
    told = {"id": job_id, "async_status": "Job Completed", "async_percent_completion": 100}
    return as_json({**told, "is_running": False})
