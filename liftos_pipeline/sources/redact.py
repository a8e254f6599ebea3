"""Takes people and secrets out of what platforms send, on the bytes, before anything parses or stores them.

What counts as a person's field is here; where pages are stored is not. Every page passes here, so each search
begins with a plain substring test.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator

import orjson

from liftos_pipeline.settings import SIMULATED
from liftos_pipeline.sources.erase import profile_hash, without_profiles

TOKEN_NAMES: dict[str, tuple[bytes, ...]] = {
    "meta": (b"access_token", b"appsecret_proof"),
    "google_ads": (b"access_token", b"refresh_token"),
    "klaviyo": (b"api_key",),
    "fred": (b"api_key",),
}
"""Names under which a platform could echo a credential, in an address or as a JSON member."""

PERSON_FIELDS: dict[str, tuple[tuple[str, str], ...]] = {
    "meta": (("actor_", "(?:name|id)"),),
    "google_ads": (),
    "klaviyo": (
        ("email", ""),
        ("first", "[_ ]?name"),
        ("last", "[_ ]?name"),
        ("full", "[_ ]?name"),
        ("customer", "[_ ]?name"),
        ("sender_name", ""),
        ("from_label", ""),
        ("phone", "(?:[_ ]?number)?"),
        ("address", "[_ ]?[12]?"),
        ("latitude", ""),
        ("longitude", ""),
        ('zip"', ""),
        ('ip"', ""),
    ),
    "fred": (),
}
"""JSON members that hold a person, as (literal, rest of the name); any prefix that ends in ``_`` or ``$`` and any
case are a person's too. Addresses of e-mail are found wherever they stand."""

_VALUE = r'"?\s*:\s*(?:"((?:[^"\\]|\\.)*)"|\\"((?:[^"\\]|\\\\.)*)\\"|(-?\d[\d.e+\-]*))'
_LOCAL_PART = rb"(?:[\w.+\-!#$*^~'\x80-\xff]|%(?!40)|\\u(?!0040)[0-9a-fA-F]{4})"
_EMAIL = re.compile(
    rb"(?<![\w.+\-!#$*^~'\x80-\xff])" + _LOCAL_PART + rb"++(?:@|%40|\\u0040)[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*"
    rb"\.[A-Za-z\x80-\xff][A-Za-z0-9\-\x80-\xff]+"
)
_PHONE = re.compile(rb'(?<=")\+[1-9]\d{6,14}(?=")')
_ADDRESS = re.compile(rb'address"\s*:\s*\{[^{}]*\}')
_ADDRESS_NAME = re.compile(rb'(?<="name":)(\s*)"((?:[^"\\]|\\.)*)"')

Edit = tuple[int, int, bytes]


class Redactor:
    """Replaces people by keyed hashes and drops secrets.

    Parameters
    ----------
    key : bytes
        Key of the home. The same person has the same hash in one home, and another in every other home.
    source : str
        Platform: which members hold a person.
    secrets : iterable of str
        The credentials in use; they are removed wherever they are echoed.
    """

    def __init__(self, key: bytes, source: str, secrets: Iterable[str] = ()) -> None:
        self._key = key
        self._secrets = tuple(s.encode() for s in secrets if len(s) >= 4 and s != SIMULATED)
        self._tokens = tuple(
            (name, re.compile(name + rb'(?:=(?:[^&"\\#\s]|\\/)*(?:&|\\u0026)?|"\s*:\s*"(?:[^"\\]|\\.)*")'))
            for name in TOKEN_NAMES[source]
        )
        self._people = tuple(
            (mark.encode(), re.compile((mark + rest + r"\\?" + _VALUE).encode()))
            for mark, rest in PERSON_FIELDS[source]
        )
        self._holds_customers = source == "klaviyo"
        self._erased: frozenset[str] = frozenset()

    def leave_out(self, erased: frozenset[str]) -> None:
        """From now on take out whole profiles too: those whose keyed hashes (``erase.profile_hash``) are given."""
        self._erased = erased if self._holds_customers else frozenset()

    def hash(self, text: str) -> str:
        """First 32 hexadecimal digits of HMAC-SHA256 of the text in lower case without outer blanks."""
        return hmac.new(self._key, text.strip().lower().encode(), hashlib.sha256).hexdigest()[:32]

    def body(self, raw: bytes) -> bytes:
        """The bytes without people and secrets; the same bytes if there was nothing to take out."""
        for secret in self._secrets:
            if secret in raw:
                raw = raw.replace(secret, b"")
        lowered = raw.lower() if self._holds_customers else raw
        edits = list(self._edits(raw, lowered))
        raw = _apply(edits, raw)
        if self._holds_customers and b'"+' in raw:
            raw = _PHONE.sub(self._hashed_match, raw)
        if _may_hold_address(raw):
            raw = _EMAIL.sub(self._hashed_match, raw)
        return without_profiles(raw, self._is_erased) if self._erased else raw

    def text(self, text: str) -> str:
        """A message or an address without people and secrets."""
        return self.body(text.encode()).decode(errors="replace")

    def _is_erased(self, profile_id: str) -> bool:
        return profile_hash(self._key, profile_id) in self._erased

    def _edits(self, raw: bytes, lowered: bytes) -> Iterator[Edit]:
        for name, pattern in self._tokens:
            for found in _matches(raw, name, pattern):
                is_member = raw.startswith(b'"', found.start() + len(name))
                yield *found.span(), name + b'":""' if is_member else b""
        for mark, pattern in self._people:
            for found in _matches(lowered, mark, pattern):
                if lowered[found.start() - 1 : found.start()] in (b'"', b"$", b"_"):
                    yield from self._person(raw, found)
        if self._holds_customers:
            for block in _matches(lowered, b'address"', _ADDRESS):
                for name_found in _ADDRESS_NAME.finditer(lowered, *block.span()):
                    start, end = name_found.span(2)
                    if start < end:
                        yield start, end, self._hashed(raw[start:end])

    def _person(self, raw: bytes, found: re.Match[bytes]) -> Iterator[Edit]:
        group = found.lastindex or 0
        start, end = found.span(group)
        if start < end:
            hashed = self._hashed(raw[start:end])
            yield start, end, b'"' + hashed + b'"' if group == 3 else hashed

    def _hashed_match(self, found: re.Match[bytes]) -> bytes:
        return self._hashed(found.group())

    def _hashed(self, json_text: bytes) -> bytes:
        try:
            plain = orjson.loads(b'"' + json_text.replace(b"%40", b"@") + b'"')
        except orjson.JSONDecodeError:
            plain = json_text.decode(errors="replace")
        return self.hash(plain).encode()


def _matches(text: bytes, literal: bytes, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """Matches of a pattern that begins with a literal, found by the literal."""
    position = text.find(literal)
    while position >= 0:
        found = pattern.match(text, position)
        if found is not None:
            yield found
        position = text.find(literal, position + len(literal))


def _may_hold_address(raw: bytes) -> bool:
    if b"@" in raw:
        return True
    percent, backslash = raw.find(b"%"), raw.find(b"\\")
    return (percent >= 0 and raw.find(b"%40", percent) >= 0) or (
        backslash >= 0 and raw.find(b"\\u0040", backslash) >= 0
    )


def _apply(edits: list[Edit], raw: bytes) -> bytes:
    """The bytes with the spans replaced; a span that overlaps an earlier one is covered by it."""
    if not edits:
        return raw
    pieces, position = [], 0
    for start, end, text in sorted(edits):
        if start < position:
            continue
        pieces += [raw[position:start], text]
        position = end
    return b"".join([*pieces, raw[position:]])
