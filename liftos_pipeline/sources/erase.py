"""Takes people who were erased out of what Klaviyo says: whole elements first, then every other mention.

Works on redacted bodies and texts; which people these are is asked elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Iterator
from urllib.parse import unquote_to_bytes

import orjson

ERASED = b"erased"
"""Stands where a mention stood."""

_CURSOR = re.compile(rb'(?<=cursor)((?:\]|%5D)=)([^"&\\\s]+)', re.IGNORECASE)
IsProfile = Callable[[str], bool]


def profile_hash(key: bytes, profile_id: str) -> str:
    """HMAC-SHA256 of a profile's id, by the home's key, as 64 hexadecimal digits. Case matters in ids."""
    return hmac.new(key, b"profile " + profile_id.encode(), hashlib.sha256).hexdigest()


class Mentions:
    """Where some people are named in bytes: by an id as a word of its own, or by the hash of an address.

    Parameters
    ----------
    ids : collection of str
        Profile ids.
    hashes : collection of str
        Keyed hashes of their addresses, as the redactor makes them.
    """

    def __init__(self, ids: Collection[str], hashes: Collection[str]) -> None:
        self.needles = tuple(sorted({*ids, *hashes}))
        self._ids = frozenset(ids)
        self._needles = tuple(needle.encode() for needle in self.needles)
        words = b"|".join(re.escape(needle) for needle in self._needles)
        self._pattern = re.compile(rb"(?<![0-9A-Za-z_])(?:" + words + rb")(?![0-9A-Za-z_])")

    def are_in(self, body: bytes) -> bool:
        """Whether someone is named: plainly, or in the base64 of a page's cursor."""
        if any(needle in body for needle in self._needles) and self._pattern.search(body):
            return True
        return b"cursor" in body and any(self._pattern.search(_decoded(m[2])) for m in _CURSOR.finditer(body))

    def taken_out_of(self, body: bytes) -> bytes:
        """The body without the people's elements and without any other mention of them."""
        body = without_profiles(body, self._ids.__contains__)
        body = _CURSOR.sub(lambda m: m[1] + ERASED if self._pattern.search(_decoded(m[2])) else m[0], body)
        return self._pattern.sub(ERASED, body)


def without_profiles(body: bytes, is_profile: IsProfile) -> bytes:
    """A JSON:API body without the members of ``data`` and ``included`` that are these people or point at one.

    Of a list of related resources only the people are taken out. The same bytes if nothing is, or if it is no JSON.
    """
    try:
        page = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    if not isinstance(page, dict):
        return body
    n_taken = 0
    for member in ("data", "included"):
        entries = page.get(member)
        if isinstance(entries, dict) and _is_of(entries, is_profile):
            page[member] = None
            n_taken += 1
        elif isinstance(entries, list):
            page[member] = [entry for entry in entries if not _is_of(entry, is_profile)]
            n_taken += len(entries) - len(page[member])
            n_taken += sum(_leave_out_related(entry, is_profile) for entry in page[member])
    return orjson.dumps(page) if n_taken else body


def people_in(body: bytes) -> Iterator[tuple[str, str | None]]:
    """Id and hashed address of every profile that stands in a body."""
    try:
        page = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    for member in ("data", "included"):
        entries = page.get(member) if isinstance(page, dict) else None
        for entry in entries if isinstance(entries, list) else [entries]:
            if isinstance(entry, dict) and entry.get("type") == "profile":
                told = entry.get("attributes")
                email = told.get("email") if isinstance(told, dict) else None
                yield str(entry.get("id")), email if isinstance(email, str) and email else None


def _decoded(cursor: bytes) -> bytes:
    plain = unquote_to_bytes(cursor).rstrip(b"=")
    try:
        return base64.urlsafe_b64decode(plain + b"=" * (-len(plain) % 4))
    except binascii.Error:
        return b""


def _names(resource: object, is_profile: IsProfile) -> bool:
    return (
        isinstance(resource, dict)
        and resource.get("type", "profile") == "profile"
        and is_profile(str(resource.get("id")))
    )


def _links(entry: object) -> Iterator[dict[str, object]]:
    relationships = entry.get("relationships") if isinstance(entry, dict) else None
    for link in relationships.values() if isinstance(relationships, dict) else ():
        if isinstance(link, dict):
            yield link


def _is_of(entry: object, is_profile: IsProfile) -> bool:
    return _names(entry, is_profile) or any(_names(link.get("data"), is_profile) for link in _links(entry))


def _leave_out_related(entry: object, is_profile: IsProfile) -> int:
    n_taken = 0
    for link in _links(entry):
        related = link.get("data")
        if isinstance(related, list):
            link["data"] = [resource for resource in related if not _names(resource, is_profile)]
            n_taken += len(related) - len(link["data"])  # type: ignore[arg-type]
    return n_taken
