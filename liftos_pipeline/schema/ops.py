"""Tables with which the pipeline keeps account of itself: pages, receipts, rejected rows, the home."""

from __future__ import annotations

from liftos_pipeline.schema.core import Table, columns

HOME = Table(
    "ops",
    "home",
    ("schema_version",),
    columns(
        ("schema_version", "INTEGER", "Version of these tables.", False),
        ("source_mode", "VARCHAR", "live or simulated: what this home was first filled with.", False),
        ("created_at", "TIMESTAMP", "When (UTC).", False),
    ),
    "One row: what this home is.",
)
API_PAGE = Table(
    "raw",
    "api_page",
    ("run_id", "source", "stream", "account_id", "window_start", "observed_at", "page_no"),
    columns(
        ("run_id", "VARCHAR", "Run that pulled it.", False),
        ("source", "VARCHAR", "Platform.", False),
        ("stream", "VARCHAR", "Stream.", False),
        ("account_id", "VARCHAR", "Account.", False),
        ("window_start", "DATE", "First day asked for.", False),
        ("window_end", "DATE", "Last day asked for.", False),
        ("observed_at", "TIMESTAMP", "The pull's clock (UTC).", False),
        ("page_no", "INTEGER", "From 0.", False),
        ("url", "VARCHAR", "Address without secrets.", False),
        ("request_hash", "VARCHAR", "SHA-256 of method, address and body.", False),
        ("http_status", "INTEGER", "Status.", False),
        ("fetched_at", "TIMESTAMP", "Wall clock (UTC).", False),
        ("sha256", "VARCHAR", "Of the redacted bytes in the archive.", False),
        ("body_bytes", "BIGINT", "Their length.", False),
        ("error", "VARCHAR", "Why the page could not be read; NULL if it could."),
    ),
    "Every page that was pulled; its bytes are in the archive.",
)
LOAD_RECEIPT = Table(
    "ops",
    "load_receipt",
    ("source", "stream", "account_id", "date_day", "observed_at"),
    columns(
        ("source", "VARCHAR", "Platform.", False),
        ("stream", "VARCHAR", "Stream.", False),
        ("account_id", "VARCHAR", "Account.", False),
        ("date_day", "DATE", "Account-local day that was pulled.", False),
        ("observed_at", "TIMESTAMP", "The pull's clock (UTC).", False),
        ("rows_in", "BIGINT", "Rows of that day; 0 is an empty day, not a missing one.", False),
        ("rows_restated", "BIGINT", "Rows whose content changed against what stood.", False),
        ("rows_vanished", "BIGINT", "Rows that the platform no longer returns.", False),
        ("rows_rejected", "BIGINT", "Rows with values that cannot be true; see ops.rejected_row."),
        (
            "rows_duplicate",
            "BIGINT",
            "Rows that came more than once and equal; one of each is kept and counted in rows_in.",
        ),
        ("run_id", "VARCHAR", "Run.", False),
        ("source_mode", "VARCHAR", "live, simulated or recorded.", False),
        ("finished_at", "TIMESTAMP", "Wall clock (UTC).", False),
    ),
    "Which day of which account was pulled, and when.",
)
REJECTED_ROW = Table(
    "ops",
    "rejected_row",
    ("source", "stream", "account_id", "observed_at", "window_start", "row_no"),
    columns(
        ("source", "VARCHAR", "Platform.", False),
        ("stream", "VARCHAR", "Stream.", False),
        ("account_id", "VARCHAR", "Account.", False),
        ("observed_at", "TIMESTAMP", "The pull's clock (UTC).", False),
        ("row_no", "BIGINT", "Number among the window's rejected rows.", False),
        ("reason", "VARCHAR", "Why it was refused.", False),
        ("detail", "VARCHAR", "JSON of the row, redacted.", False),
        ("run_id", "VARCHAR", "Run.", False),
        ("window_start", "DATE", "First day asked for."),
        ("date_day", "DATE", "The row's day; NULL where it has none."),
    ),
    "Rows with values that cannot be true, as they came. The row is loaded without these values, or, where two rows share a "
    "key and differ, not at all.",
)
SCHEMA_DRIFT = Table(
    "ops",
    "schema_drift",
    ("source", "stream", "kind", "name"),
    columns(
        ("source", "VARCHAR", "Platform.", False),
        ("stream", "VARCHAR", "Stream.", False),
        (
            "kind",
            "VARCHAR",
            "field: one that no column holds, kept in extra. value: one that is not in the list.",
            False,
        ),
        ("name", "VARCHAR", "The field; field=value for a value.", False),
        ("first_seen", "TIMESTAMP", "Clock (UTC) of the first pull with it.", False),
        ("last_seen", "TIMESTAMP", "Clock (UTC) of the last one.", False),
    ),
    "What platforms send beyond their documented format.",
)
HISTORY_GAP = Table(
    "ops",
    "history_gap",
    ("source", "stream", "account_id", "first_day"),
    columns(
        ("source", "VARCHAR", "Platform.", False),
        ("stream", "VARCHAR", "Stream.", False),
        ("account_id", "VARCHAR", "Account.", False),
        ("first_day", "DATE", "First day that the platform no longer serves and that was never pulled.", False),
        ("last_day", "DATE", "Last such day.", False),
        ("recorded_at", "TIMESTAMP", "Clock (UTC) of the pull that found it gone.", False),
        ("run_id", "VARCHAR", "Run.", False),
    ),
    "Days that can never be pulled any more.",
)
RESULT_RECEIPT = Table(
    "ops",
    "result_receipt",
    ("table_name", "as_of"),
    columns(
        ("table_name", "VARCHAR", "Result table.", False),
        ("as_of", "DATE", "Partition.", False),
        ("rows_out", "BIGINT", "Rows written; 0 is an empty result, not a missing one.", False),
        ("run_id", "VARCHAR", "Run.", False),
        ("finished_at", "TIMESTAMP", "Wall clock (UTC).", False),
    ),
    "Which result partition was written, and when.",
)
AS_OF_RUN = Table(
    "ops",
    "as_of_run",
    ("run_id", "as_of"),
    columns(
        ("run_id", "VARCHAR", "Run.", False),
        ("as_of", "DATE", "As-of day that it computed.", False),
        (
            "known_until",
            "TIMESTAMP",
            "It had seen what was pulled before this instant (UTC); NULL everything.",
            True,
        ),
        ("memory_as_of", "DATE", "As-of day whose treatments it remembered; NULL none."),
        ("memory_run_id", "VARCHAR", "Run that had written these; NULL none."),
        ("settings", "VARCHAR", "JSON of the settings behind its results.", False),
        ("code_version", "VARCHAR", "Version of the code.", False),
        ("source_mode", "VARCHAR", "live or simulated.", False),
        ("finished_at", "TIMESTAMP", "Wall clock (UTC).", False),
    ),
    "What each run knew of each as-of day, and by which settings it computed: what a replay needs.",
)
ERASURE = Table(
    "ops",
    "erasure",
    ("erased_at", "profile_hash"),
    columns(
        ("erased_at", "TIMESTAMP", "When the rows were erased (UTC).", False),
        ("profile_hash", "VARCHAR", "Keyed hash of the profile's id, by the home's key; never the id.", False),
        ("profiles", "INTEGER", "Profiles of the person; each has a row, and the counts are the person's.", False),
        ("rows_erased", "VARCHAR", "JSON: rows deleted, or texts cleared, per table.", False),
        ("pages_erased", "BIGINT", "Archived bodies that were written anew without the person.", False),
        ("requester", "VARCHAR", "Who asked for it, as given."),
        ("finished_at", "TIMESTAMP", "When archive and files were rewritten (UTC); NULL until then."),
    ),
    "Who was forgotten, without saying who. Later pulls leave these profiles out.",
)
OPS_TABLES: tuple[Table, ...] = (
    HOME,
    API_PAGE,
    LOAD_RECEIPT,
    REJECTED_ROW,
    SCHEMA_DRIFT,
    HISTORY_GAP,
    RESULT_RECEIPT,
    AS_OF_RUN,
    ERASURE,
)
