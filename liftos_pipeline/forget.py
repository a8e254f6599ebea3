"""Erases one person from a home: archive, tables, files, in an order in which a kill at any moment leaves a state that
the same call completes.

New bodies are stored first. One transaction then deletes the rows, points pages at the new bodies and writes the audit
row. The old bodies are dropped and the files rewritten after it; until then the audit row has no ``finished_at``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from liftos_pipeline.errors import LiftosError
from liftos_pipeline.ingest import Home
from liftos_pipeline.sources.erase import Mentions, people_in, profile_hash, without_profiles
from liftos_pipeline.sources.redact import Redactor
from liftos_pipeline.warehouse.archive import bodies_where, drop_bodies, keep_body
from liftos_pipeline.warehouse.compact import compact
from liftos_pipeline.warehouse.erasure import (
    ErasureRequest,
    NewBody,
    erase_rows,
    erased_profiles,
    finish,
    is_in_tables,
    people_of,
    unfinished,
)
from liftos_pipeline.warehouse.publish import publish


@dataclass(frozen=True)
class Forgotten:
    """What was erased.

    ``rows``: rows deleted or cleared per table. ``pages``: archived bodies written anew. ``elsewhere``: other files of
    the home that still name the person, relative to it. ``erased_at`` is None where nothing was left to erase.
    """

    erased_at: datetime | None
    profile_hashes: tuple[str, ...]
    rows: dict[str, int]
    pages: int
    elsewhere: tuple[str, ...]


def forget_person(home: Home, profile: str, requester: str | None = None) -> Forgotten:
    """Erase a person by the id of a Klaviyo profile, or by an address of e-mail.

    Profiles that ever had the same address are the same person.

    Raises
    ------
    LiftosError
        Nobody like that is in this home, or the requester's text names the person.
    """
    ids, hashes = _person(home, profile.strip())
    warehouse, archive = home.warehouse, home.warehouse.archive_file
    known = {one: profile_hash(home.hash_key, one) for one in ids}
    mentions = Mentions(ids, hashes)
    if requester is not None and (profile.strip() in requester or mentions.are_in(requester.encode())):
        raise LiftosError(
            "a requester's text without the person", "their id or address in it", "It is kept: reword it."
        )
    is_here = is_in_tables(warehouse, ids) or _is_on_pages(archive, ids)
    if not is_here and not erased_profiles(warehouse) & set(known.values()):
        _complete_or_refuse(home)
        return Forgotten(None, (), {}, 0, ())
    bodies = _new_bodies(archive, mentions)
    if not is_here and not bodies:
        if unfinished(warehouse):
            _rewrite_files(home, [])
        else:
            publish(warehouse)  # the last step, after which nothing is unfinished, may have been broken off
        return Forgotten(None, tuple(sorted(known.values())), {}, 0, tuple(_elsewhere(home, mentions)))
    request = ErasureRequest(known, hashes, lambda text: mentions.taken_out_of(text.encode()).decode(), requester)
    erased_at, rows = erase_rows(warehouse, request, bodies)
    _rewrite_files(home, list(bodies))
    return Forgotten(
        erased_at, tuple(sorted(known.values())), rows, len(bodies), tuple(_elsewhere(home, mentions))
    )


def _person(home: Home, profile: str) -> tuple[frozenset[str], frozenset[str]]:
    """All ids and hashed addresses of a person, from tables and archive."""
    is_address = "@" in profile
    ids = frozenset() if is_address or not profile else frozenset({profile})
    hashes = frozenset({Redactor(home.hash_key, "klaviyo").hash(profile)} if is_address else ())
    while ids or hashes:
        found_ids, found_hashes = people_of(home.warehouse, ids, hashes)
        for _, body in bodies_where(home.warehouse.archive_file, Mentions(ids, hashes).are_in):
            for one, address in people_in(body):
                if one in ids or address in hashes:
                    found_ids |= {one}
                    found_hashes |= {address} if address else set()
        if found_ids <= ids and found_hashes <= hashes:
            break
        ids, hashes = ids | found_ids, hashes | found_hashes
    return ids, hashes


def _is_on_pages(archive: Path, ids: frozenset[str]) -> bool:
    """Whether a page has one of them as a person: a word of the format could be taken for an id."""
    if not ids:
        return False
    pages = bodies_where(archive, Mentions(ids, ()).are_in)
    return any(without_profiles(body, ids.__contains__) is not body for _, body in pages)


def _complete_or_refuse(home: Home) -> None:
    """Nobody like that is known. An address is not, once it was erased: then the files may have to be completed."""
    if not unfinished(home.warehouse):
        raise LiftosError(
            "a Klaviyo profile of this home, by its id or its address",
            "nobody like that in its tables or pages",
            "Take profile_id from raw.klaviyo_profiles. An address that was erased before is no longer known.",
        )
    _rewrite_files(home, [])


def _new_bodies(archive: Path, mentions: Mentions) -> dict[str, NewBody]:
    """Store every body that names them without them; by the old hash."""
    found = {}
    for sha256, body in bodies_where(archive, mentions.are_in):
        without = mentions.taken_out_of(body)
        found[sha256] = NewBody(keep_body(archive, without), len(without))
    return found


def _rewrite_files(home: Home, old: list[str]) -> None:
    drop_bodies(home.warehouse.archive_file, old)
    compact(home.warehouse)
    publish(home.warehouse)
    finish(home.warehouse)
    publish(home.warehouse)


def _elsewhere(home: Home, mentions: Mentions) -> Iterator[str]:
    """Files that are neither the warehouse nor the archive: logs, reports, Dagster's records."""
    if not mentions.needles:
        return
    own = {home.warehouse.folder, home.warehouse.archive_file.parent}
    for path in sorted(home.settings.home.rglob("*")):
        is_other = path.is_file() and path != home.warehouse.public_file and not own & set(path.parents)
        if is_other and mentions.are_in(path.read_bytes()):
            yield path.relative_to(home.settings.home).as_posix()
