"""Errors that a user can act on. Each message says what was expected, what was found, and the way out.

Exit codes of the command line hang on the class, so a new class names its code here.
"""

from __future__ import annotations

from datetime import datetime


class LiftosError(Exception):
    """A wrong call, or a quantity that cannot be computed.

    Parameters
    ----------
    expected, found, way_out : str
        The three halves of an honest message. ``way_out`` is an instruction.
    """

    exit_code = 2

    def __init__(self, expected: str, found: str, way_out: str) -> None:
        self.expected = expected
        self.found = found
        self.way_out = way_out
        super().__init__(f"expected {expected}; found {found}. {way_out}")

    def __reduce__(self) -> tuple[type[LiftosError], tuple[str, str, str]]:
        """As another process raises it: by its three halves, not by the message made of them."""
        return type(self), (self.expected, self.found, self.way_out)


class GateRefused(LiftosError):
    """A blocking check failed: the numbers behind it must not be used."""

    exit_code = 1


class WarehouseError(LiftosError):
    """The warehouse cannot be opened, read or written."""

    exit_code = 3


class NotPublished(WarehouseError):
    """The home has no public database, or not yet what was asked of it. Nothing failed: something is to be run first."""

    exit_code = 2


class WindowRefused(WarehouseError):
    """What a platform sent contradicts itself, or lost most of what stood. The old data stands."""


class PlatformError(LiftosError):
    """A platform did not answer as its interface promises."""

    exit_code = 3


class AuthExpired(PlatformError):
    """The platform no longer accepts the credentials. Never retried."""


class MalformedPage(PlatformError):
    """A response that cannot be read as its format, after every retry."""


class RateLimited(PlatformError):
    """The platform's limits outlasted the waiting budget of this run."""


class ProcessEnded(LiftosError):
    """A process that computed was ended from outside."""

    exit_code = 3


class QuotaSpent(RateLimited):
    """The platform's quota of the day is used up. ``until``: when it answers again (UTC, without a zone)."""

    until: datetime
