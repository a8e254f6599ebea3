"""The warehouse for several machines: DuckLake, its catalog in Postgres, its data as Parquet in a folder that all reach.

Writers take turns by an advisory lock of the catalog, which Postgres frees when their process dies; readers see the last
commit and wait for nobody. Computing stays outside the lock, as with the working file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import duckdb

from liftos_pipeline.errors import LiftosError, WarehouseError

NAME = "liftos"
"""Name under which the lake is attached: that of the public database, whose views name it."""
INSTALL = "Install the extra: pip install -e '.[cluster]' in the clone."
_EXTENSIONS = ("ducklake", "postgres_scanner")
_LOCK = 7_305_021_400_001
_ALIVE = {
    "keepalives": 1,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "connect_timeout": 10,
}
"""A writer whose machine is gone loses its lock within a minute."""


@dataclass(frozen=True)
class Lake:
    """Where the lake is.

    Parameters
    ----------
    catalog : str
        URL of a Postgres database of its own, ``postgresql://user:password@host:port/database``.
    data : str
        Folder of the Parquet files, or the address of an object store: the same for every machine.
    """

    catalog: str
    data: str

    @property
    def shown(self) -> str:
        """The catalog's address without its password."""
        parts = urlsplit(self.catalog)
        return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the writers' lock.

        Raises
        ------
        WarehouseError
            The catalog does not answer.
        """
        try:
            import psycopg2
        except ImportError as error:
            raise LiftosError("psycopg2 for a warehouse on DuckLake", str(error), INSTALL) from error
        try:
            connection = psycopg2.connect(self.catalog, **_ALIVE)
        except psycopg2.Error as error:
            raise self._silent(error) from error
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 5")
                cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            yield
        finally:
            connection.close()

    def connect(self, temporary: str, read_only: bool) -> duckdb.DuckDBPyConnection:
        """A connection whose current database is the lake.

        Raises
        ------
        WarehouseError
            The catalog does not answer, or is not one of a lake.
        """
        connection = duckdb.connect(config={"temp_directory": temporary})
        try:
            load_extensions(connection)
            connection.execute(self.attach_sql(read_only))
            connection.execute(f"USE {NAME}")
        except duckdb.Error as error:
            connection.close()
            raise self._silent(error) from error
        return connection

    def attach_sql(self, read_only: bool = False) -> str:
        """SQL that attaches the lake."""
        options = f"DATA_PATH '{_text(self.data)}'" + (", READ_ONLY" if read_only else "")
        return f"ATTACH 'ducklake:postgres:{_text(self.catalog)}' AS {NAME} ({options})"

    def _silent(self, error: Exception) -> WarehouseError:
        said = str(error).strip().splitlines()[0].replace(self.catalog, self.shown)
        password = urlsplit(self.catalog).password
        return WarehouseError(
            f"a DuckLake catalog that answers at {self.shown}",
            said.replace(password, "***") if password else said,
            "Start Postgres, create the database, and check LIFTOS_WAREHOUSE. Nothing was written.",
        )


def lake_of(setting: str, data: str) -> Lake:
    """The lake that ``LIFTOS_WAREHOUSE`` names.

    Raises
    ------
    LiftosError
        Not ``ducklake:`` with the URL of a Postgres database behind it.
    """
    kind, _, catalog = setting.partition(":")
    parts = urlsplit(catalog)
    if kind != "ducklake" or parts.scheme not in ("postgresql", "postgres") or len(parts.path) < 2:
        raise LiftosError(
            "ducklake:postgresql://user:password@host:port/database in LIFTOS_WAREHOUSE",
            f"{kind}:{parts.scheme}://{parts.hostname or ''}{parts.path}",
            "Correct the setting, or unset it for the home's own file.",
        )
    return Lake(catalog, data)


def load_extensions(connection: duckdb.DuckDBPyConnection) -> None:
    """Load DuckLake and its Postgres catalog, from the installed packages at first.

    Raises
    ------
    LiftosError
        A package is missing.
    """
    for name in _EXTENSIONS:
        try:
            connection.execute(f"LOAD {name}")
        except duckdb.Error:
            try:
                from duckdb_extensions import import_extension

                import_extension(name, con=connection)
            except ImportError as error:
                raise LiftosError(f"the DuckDB extension {name}", str(error), INSTALL) from error
            connection.execute(f"LOAD {name}")


def _text(value: str) -> str:
    return value.replace("'", "''")
