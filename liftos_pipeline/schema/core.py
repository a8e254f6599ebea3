"""How tables and columns are written down, and the two records that travel from a source to the warehouse.
The tables themselves stand in the modules beside this one; no queries here.

Time. Every fact row carries ``[observed_from, observed_to)``: from when until when a platform said so (UTC).
``observed_to`` of a row that still stands is ``FOREVER``. Instants are TIMESTAMP in UTC, days are DATE in the
account's time zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import pyarrow as pa

SCHEMA_VERSION = 2
FOREVER = datetime(9999, 12, 31)
PLATFORMS = ("meta", "google_ads", "klaviyo", "fred")
AD_PLATFORMS = ("meta", "google_ads")
TREATMENT_TYPES = ("budget_change", "targeting_change", "creative_change")
PROFILE_ID = "profile_id"
"""Column that names a person by the platform's id, in whatever table it stands."""
SourceMode = Literal["live", "simulated", "recorded"]

_ARROW = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "DECIMAL(18,6)": pa.decimal128(18, 6),
}


@dataclass(frozen=True)
class Column:
    """One column: its DuckDB type, what it means (with the unit), whether it may be NULL."""

    name: str
    type: str
    meaning: str
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """One table of the warehouse.

    ``key`` identifies a row at one moment; ``day`` names the DATE column by which a window of a fact table is
    replaced (None: the whole account is replaced, or single keys are upserted).
    """

    schema: str
    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    meaning: str
    day: str | None = None

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def period(self) -> str | None:
        """DATE column of the key that the days pulled do not decide: a row is one period of a series."""
        dates = {column.name for column in self.columns if column.type == "DATE"} - {self.day}
        return next((name for name in self.key if name in dates), None)

    def arrow(self, names: tuple[str, ...] | None = None) -> pa.Schema:
        """Arrow schema of all columns, or of those named."""
        chosen = [c for c in self.columns if names is None or c.name in names]
        return pa.schema([pa.field(c.name, _ARROW[c.type], c.nullable) for c in chosen])

    def ddl(self) -> str:
        body = ",\n  ".join(f"{c.name} {c.type}{'' if c.nullable else ' NOT NULL'}" for c in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.full_name} (\n  {body}\n)"


@dataclass(frozen=True)
class Page:
    """One HTTP response of a pull, already redacted."""

    page_no: int
    url: str
    request_hash: str
    http_status: int
    fetched_at: datetime
    sha256: str
    body: bytes | None
    body_bytes: int
    error: str | None = None


@dataclass(frozen=True)
class Rejected:
    """Values of one row that cannot be true. The row stands without them; here it is as it came, as redacted JSON."""

    date_day: date | None
    reason: str
    detail: str


@dataclass(frozen=True)
class Drift:
    """Something that the platform's documented format does not have: a ``field``, or a ``value`` of a field.

    ``name`` is the field, with ``=value`` behind it for a value.
    """

    kind: Literal["field", "value"]
    name: str


@dataclass(frozen=True)
class Window:
    """All that a platform said at ``observed_at`` of one stream of one account over the days ``start``..``end``.

    ``rows`` has the table's own columns (``table.arrow(source_columns(table))``). ``mode``: ``window`` replaces
    the days, ``snapshot`` the whole account, ``upsert`` only the keys that are present.
    """

    table: Table
    source: str
    stream: str
    account_id: str
    start: date
    end: date
    observed_at: datetime
    rows: pa.Table
    pages: tuple[Page, ...]
    mode: Literal["window", "snapshot", "upsert"]
    source_mode: SourceMode
    api_version: str
    rejected: tuple[Rejected, ...] = ()
    drift: tuple[Drift, ...] = ()


def columns(*spec: tuple) -> tuple[Column, ...]:
    return tuple(Column(*entry) for entry in spec)


FACT_COLUMNS = columns(
    ("observed_from", "TIMESTAMP", "First instant (UTC) at which the platform was seen to say this.", False),
    (
        "observed_to",
        "TIMESTAMP",
        "Instant from which it no longer did; 9999-12-31 while it still does.",
        False,
    ),
    ("row_hash", "VARCHAR", "Hash of the row's own columns.", False),
    ("run_id", "VARCHAR", "Run that first saw this version.", False),
    ("source_mode", "VARCHAR", "live, simulated or recorded.", False),
    ("api_version", "VARCHAR", "Interface version that answered.", False),
)
FACT_COLUMN_NAMES = tuple(c.name for c in FACT_COLUMNS)


def fact(name: str, key: tuple[str, ...], meaning: str, *spec: tuple, day: str | None = None) -> Table:
    account = Column("account_id", "VARCHAR", "Account of the platform.", False)
    extra = Column("extra", "VARCHAR", "JSON of fields that no column holds.")
    return Table("raw", name, ("account_id", *key), (account, *columns(*spec), extra, *FACT_COLUMNS), meaning, day)


def source_columns(table: Table) -> tuple[str, ...]:
    """Columns that a source fills; the load adds the rest."""
    return tuple(c.name for c in table.columns if c.name not in FACT_COLUMN_NAMES)
