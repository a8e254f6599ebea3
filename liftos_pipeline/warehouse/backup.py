"""Copies a home to another folder and back, beside any run. What grows too old is deleted elsewhere.

The working file is copied under the exclusive lock. The archive follows it: bodies are stored before the rows that name
them, so the copy has all that its rows need. Credentials (``liftos.toml``) and logs are not copied.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from liftos_pipeline import __version__
from liftos_pipeline.errors import LiftosError, WarehouseError
from liftos_pipeline.schema import SCHEMA_VERSION
from liftos_pipeline.warehouse.disk import room_on_disk
from liftos_pipeline.warehouse.locks import file_lock
from liftos_pipeline.warehouse.store import Warehouse

MANIFEST = "backup.json"
_PLAIN = ("liftos.duckdb", "hash.key")
_FOLDERS = ("reports", "dagster")
_SQLITE = (".db", ".sqlite")
_LEFT_OUT = {"lock", "turnstile"}
_SIDE_FILES = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Copied:
    """``files``: how many. ``size``: bytes in all. ``made_at``: when the back-up was made (UTC)."""

    folder: Path
    files: int
    size: int
    made_at: datetime


def back_up(warehouse: Warehouse, target: Path) -> Copied:
    """Copy a home into a new folder. It is there whole, or not at all.

    Raises
    ------
    LiftosError
        The folder exists already, the home is empty, or its tables are in a lake.
    WarehouseError
        The home cannot be read, or the disk is full.
    """
    if target.exists():
        raise LiftosError("a folder that is not there yet", str(target), "Name a new one, for example by the day.")
    if warehouse.lake is not None:
        raise LiftosError(
            "a home whose tables are in its own file",
            f"a lake with its catalog at {warehouse.lake.shown}",
            "Back up the catalog's database and the folder of Parquet files together, by pg_dump and a copy.",
        )
    if not warehouse.working_file.exists():
        raise LiftosError("a home with data", f"none in {warehouse.home}", "LIFTOS_HOME names another home.")
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with room_on_disk(target.parent):
        partial.mkdir(parents=True)
        _copy_working_file(warehouse, partial)
        for source in _others(warehouse.home):
            _copy(source, partial / source.relative_to(warehouse.home))
        made_at = datetime.now(UTC)
        hashes = {str(file.relative_to(partial)): _sha256(file) for file in _files(partial)}
        manifest = {
            "liftos": __version__,
            "schema_version": SCHEMA_VERSION,
            "source_mode": warehouse.source_mode,
            "made_at": made_at.isoformat(),
            "files": hashes,
        }
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1))
        partial.replace(target)
    return _copied(target, list(hashes), made_at)


def restore(source: Path, home: Path) -> Copied:
    """Put a back-up into an empty home. What was broken off is completed by the same call: the working file comes last.

    Raises
    ------
    LiftosError
        The folder is no back-up, or the home has data.
    WarehouseError
        A file is not as it was backed up, or is of a newer version.
    """
    manifest = _manifest(source)
    working_file = Warehouse(home, manifest["source_mode"]).working_file
    if working_file.exists():
        raise LiftosError("a home without data", f"some in {home}", "Set LIFTOS_HOME to a new folder.")
    damaged = [
        name
        for name, sha256 in manifest["files"].items()
        if not (source / name).is_file() or _sha256(source / name) != sha256
    ]
    if damaged:
        raise WarehouseError(
            "every file as it was backed up", f"others: {', '.join(damaged[:5])}", "Take another back-up."
        )
    last = working_file.relative_to(home).parts[0]
    with room_on_disk(home):
        for name in sorted(manifest["files"], key=lambda name: Path(name).parts[0] == last):
            target = home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh = target.with_name(f".{target.name}.restore")
            shutil.copy2(source / name, fresh)
            fresh.replace(target)
    return _copied(source, list(manifest["files"]), datetime.fromisoformat(manifest["made_at"]))


def _manifest(source: Path) -> dict:  # type: ignore[type-arg]
    try:
        manifest = json.loads((source / MANIFEST).read_text())
    except (OSError, ValueError):
        raise LiftosError(
            f"a back-up with its {MANIFEST}", str(source), "`liftos backup FOLDER` makes one."
        ) from None
    if manifest["schema_version"] > SCHEMA_VERSION:
        raise WarehouseError(
            f"a back-up of version {SCHEMA_VERSION} or older",
            f"version {manifest['schema_version']}",
            "Update liftos-pipeline.",
        )
    return dict(manifest)


def _copy_working_file(warehouse: Warehouse, partial: Path) -> None:
    with warehouse.write() as connection:
        connection.execute("CHECKPOINT")
    target = partial / warehouse.working_file.relative_to(warehouse.home)
    target.parent.mkdir(parents=True)
    with file_lock(warehouse.folder, exclusive=True):
        shutil.copy2(warehouse.working_file, target)
        log = warehouse.working_file.with_name(warehouse.working_file.name + ".wal")
        if log.exists():
            shutil.copy2(log, target.with_name(log.name))


def _others(home: Path) -> list[Path]:
    """All that is kept beside the working file, in the order of copying."""
    found = [home / name for name in _PLAIN if (home / name).exists()]
    for folder in ("archive", *_FOLDERS):
        found.extend(_files(home / folder) if (home / folder).is_dir() else [])
    return [file for file in found if file.name not in _LEFT_OUT and not file.name.endswith(_SIDE_FILES)]


def _copy(source: Path, target: Path) -> None:
    """SQLite files by SQLite, which knows what others are writing. What a run removes meanwhile is left out."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix in _SQLITE:
        with closing(sqlite3.connect(source, timeout=60)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
        return
    try:
        shutil.copy2(source, target)
    except FileNotFoundError:
        target.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _copied(folder: Path, names: list[str], made_at: datetime) -> Copied:
    return Copied(folder, len(names), sum((folder / name).stat().st_size for name in names), made_at)
