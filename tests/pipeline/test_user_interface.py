"""A backfill that is launched as its pages ask for it succeeds."""

from __future__ import annotations

from concurrent.futures import Future


def test_a_backfill_from_the_user_interface_succeeds(backfill_status: Future[str]) -> None:
    assert backfill_status.result() == "COMPLETED_SUCCESS"
