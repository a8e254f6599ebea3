"""The register of faults: what can go wrong between a platform and a table, what the pipeline does about it, what the
user sees, and how the bundled server does it. ``fault_plan`` gives them; no behaviour here.
"""

from __future__ import annotations

from dataclasses import dataclass

from liftos_pipeline.platforms import fault_answers as answers
from liftos_pipeline.platforms import fault_rows as rows
from liftos_pipeline.platforms.fault_wire import Injection


@dataclass(frozen=True)
class Fault:
    """One fault.

    ``injections``: how the bundled server does it; empty where no server can, and then ``otherwise`` says what does.
    """

    number: int
    name: str
    pipeline: str
    user: str
    injections: tuple[Injection, ...] = ()
    otherwise: str = ""

    @property
    def injected(self) -> str:
        """How the fault is brought about, in one line."""
        return ", ".join(f"`{one.name}`" for one in self.injections) or self.otherwise


FAULTS: tuple[Fault, ...] = (
    Fault(
        1,
        "rate limit: HTTP 429, Meta's codes as HTTP 400, `Retry-After` in seconds or as a date",
        "waits as told, at most 600 s at once and 15 minutes a connection, then asks for the same page",
        '`retries` and `throttled_seconds` of the run; over the budget: red, "rate limited until HH:MM UTC", re-run',
        answers.LIMITS,
    ),
    Fault(
        2,
        "HTTP 5xx, error body with status 200, time-out, reset, truncated body",
        "asks up to six times, with growing pauses; Google's stream, cut each time, is asked for in halves",
        "`retries`; then red, what stood before stands",
        answers.OUTAGES,
    ),
    Fault(
        3,
        "empty middle page, `next` without cursors, paging loop, `next` on another server",
        "follows `next` and nothing else; a loop or another server ends the pull",
        "red, with stream and page",
        rows.PAGES,
    ),
    Fault(
        4,
        "insights job failed, skipped or stuck; too much data",
        "a span that is too large is read by a job, started up to three times for 20 minutes each, then in halves",
        "red, with the job's id, if a single day fails",
        answers.JOBS,
    ),
    Fault(
        5,
        "token expired or revoked, permission missing",
        "is not asked again; its other accounts and the other platforms go on",
        "its check `pulled` is red, with the setting to renew; `quality.gates` names the command; exit code 3",
        answers.CREDENTIALS,
    ),
    Fault(
        6,
        "additional field",
        "kept in `extra` (advertising, events, metrics, lists), else left out; remembered in `ops.schema_drift`",
        "green; `liftos doctor` lists it",
        rows.ADDITIONS,
    ),
    Fault(
        7,
        "required field missing or renamed, other type; unknown word of an enumeration",
        "keeps the pages, refuses the window; an unknown word is kept as it came and remembered",
        "red, with field, sample and page; the pages are kept: `liftos reparse` reads them again after a mended parser",
        rows.SHAPES,
    ),
    Fault(
        8,
        "a row twice, pages that overlap",
        "one row; the receipt counts the others",
        "green, `rows_duplicate`",
        rows.REPEATS,
    ),
    Fault(
        9,
        "one key, two contents",
        "refuses the window, keeps both in `ops.rejected_row`; the old data stands",
        "red, with the window",
        rows.CONFLICTS,
    ),
    Fault(
        10,
        "conversions that come later, restated rows",
        "pulls the newest days again (Meta 28; Google 30, weekly 90; Klaviyo 3, weekly 30), keeps every version",
        "`rows_restated`",
        rows.RESTATEMENTS,
    ),
    Fault(
        11,
        "a row or a day vanishes",
        "closes the version; a window that lost most of its rows is held, the old data stands",
        "`rows_vanished`; red if held, with the setting that accepts it: LIFTOS_ACCEPT_VANISHED",
        rows.LOSSES,
    ),
    Fault(12, "empty day", "receipt with `rows_in` 0", "green, a day of zeros", rows.EMPTINESS),
    Fault(
        13,
        "missing day",
        "no receipt: the day is NULL in the panel, and the next run pulls it",
        "red until it is pulled",
        otherwise="every fault that ends a run leaves one",
    ),
    Fault(
        14, "other currency", "kept with every row", "`currency_code`; the gate `one_currency`", rows.CURRENCIES
    ),
    Fault(
        15,
        "other account time zone",
        "the account is asked first, its days are cut in the zone it names then",
        "`account_timezone`, every version of it; `is_boundary` on the days around the change",
        rows.TIME_ZONES,
    ),
    Fault(
        16,
        "daylight saving",
        "days from the time-zone database: 23 or 25 hours",
        "green",
        rows.TIME_ZONES,
    ),
    Fault(
        17,
        "killed at any moment",
        "a window is loaded whole or not at all; what has no receipt is pulled again",
        "the next run ends with the same tables",
        otherwise="`kill -9`, in the campaign",
    ),
    Fault(
        18,
        "two runs at once",
        "one writes, the other waits for the lock",
        "both end; the tables are those of one run",
        otherwise="two processes, in the campaign of the warehouse",
    ),
    Fault(
        19,
        "HTML with status 200, broken JSON, NaN or Infinity",
        "asks up to six times; length, hash and reason of every answer are kept",
        "red, with the SHA-256 of the body",
        answers.BODIES,
    ),
    Fault(
        20,
        "negative, infinite or absurd amount; clicks or reach above impressions",
        "the value becomes unknown, the row goes to `ops.rejected_row` as it came, the rest is loaded; a list of entities is "
        "refused",
        "`rows_rejected`, and a warning of the check `pulled`",
        rows.NUMBERS,
    ),
    Fault(
        21,
        "event dated ahead or far back",
        "kept with the day that it names; state is receipts, no cursor to run ahead",
        "green; the day's own pull brings it",
        rows.EVENTS,
    ),
    Fault(
        22,
        "Google's change log lost: not pulled for 30 days",
        "the days that the platform no longer answers for are recorded in `ops.history_gap`",
        "changes of those days are unknown in the panel; `liftos doctor` lists them as lost",
        otherwise="30 days without a run",
    ),
    Fault(
        23,
        "interface version that has ended",
        "is not asked again",
        "red, with the setting: META_API_VERSION, GOOGLE_ADS_API_VERSION, KLAVIYO_REVISION; `liftos doctor` warns 60 days "
        "before, where the end is known",
        answers.VERSIONS,
    ),
    Fault(
        24,
        "daily quota used up",
        "the stream is put off: no failure, no receipt; the next run pulls its days",
        "`deferred_until` of the run",
        answers.QUOTAS,
    ),
    Fault(
        25,
        "FRED: another series, a shrunk series, no answer",
        "refuses values that cannot be the series, holds one that lost half of its periods; the last good vintage stands",
        "red; factors are marked stale; LIFTOS_ACCEPT_VANISHED lets a held one through",
        rows.SERIES,
    ),
    Fault(
        26,
        "credentials in links and errors",
        "taken out of every body, address and message before anything is kept",
        "nothing",
        answers.SECRETS,
    ),
    Fault(
        27,
        "disk full",
        "fails before the transaction is committed; the old data stands",
        "red, exit code 3: free some space, re-run",
        otherwise="a limit on file size, in the tests",
    ),
    Fault(
        28,
        "merged Klaviyo profile",
        "events follow the profile that they are sent with; both versions are kept until `liftos forget` erases the person",
        "`rows_restated`",
        rows.PEOPLE,
    ),
)

INJECTIONS: dict[str, Injection] = {one.name: one for fault in FAULTS for one in fault.injections}


def fault_table() -> str:
    """The register as the README has it."""
    head = ("", "fault", "what happens", "what you see", "how it is injected")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [f"| {f.number} | {f.name} | {f.pipeline} | {f.user} | {f.injected} |" for f in FAULTS]
    return "\n".join(lines)
