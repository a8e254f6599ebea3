"""What every rule answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class CheckOutcome:
    """Verdict of one rule on one subject.

    ``severity`` is ``error`` where a number would otherwise be wrong, ``warn`` where it is a judgement.
    ``offenders`` lists the worst five, worst first.
    """

    gate: str
    subject: str
    passed: bool
    severity: Literal["error", "warn"]
    seen: str
    expected: str
    way_out: str
    offenders: tuple[Mapping[str, object], ...] = ()
