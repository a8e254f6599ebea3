"""What is stored holds no person and no secret, and is otherwise what was sent."""

from __future__ import annotations

import hashlib
import hmac

import orjson
import pytest

from liftos_pipeline.sources.redact import Redactor
from tests.replies import HASH_KEY, TOKEN


def hashed(text: str) -> str:
    return hmac.new(HASH_KEY, text.encode(), hashlib.sha256).hexdigest()[:32]


@pytest.fixture
def klaviyo() -> Redactor:
    return Redactor(HASH_KEY, "klaviyo", ("pk_0001",))


@pytest.fixture
def meta() -> Redactor:
    return Redactor(HASH_KEY, "meta", (TOKEN,))


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"campaign_name":"A \\"B\\"","spend":"14.35","n":1e3}],"paging":{"cursors":{"after":"MQ=="}}}',
        b'[ {"results": [ {"campaign": {"name": "x+y 50% off"}} ] } ]\n',
        '{"name":"Zoë","first":"place","zip_count":"7"}'.encode(),
    ],
)
def test_pages_without_people_stay_byte_for_byte(klaviyo: Redactor, meta: Redactor, body: bytes) -> None:
    assert klaviyo.body(body) == body
    assert meta.body(body) == body


@pytest.mark.parametrize(
    "sent",
    ["ann@example.com", "Ann@Example.com ", "ann%40example.com", "ann\\u0040example.com"],
)
def test_every_spelling_of_an_address_has_one_hash(klaviyo: Redactor, sent: str) -> None:
    body = klaviyo.body(b'{"a":[{"email":"' + sent.encode() + b'"}],"note":"write to ' + sent.encode() + b' now"}')
    found = orjson.loads(body)
    assert found["a"][0]["email"] == hashed("ann@example.com")
    assert found["note"].split()[2] == hashed("ann@example.com")


def test_accented_addresses_leave_valid_json(klaviyo: Redactor) -> None:
    body = klaviyo.body(b'{"x":"j\\u00fcrgen@example.de, j\xc3\xbcrgen@example.de"}')
    assert orjson.loads(body)["x"] == f"{hashed('jürgen@example.de')}, {hashed('jürgen@example.de')}"


PERSONS = {
    "$first_name": "Zebulon",
    "Last Name": "Quixworth",
    "phone_number": "(500) 555-0006",
    "reach me": "+15005550007",
    "billing_address": {"name": "Zebulon Quixworth", "city": "Ohio", "address1": "7 Elm Street", "zip": "44101"},
    "extra": '{"customerName":"Zebulon","n":1}',
    "location": {"latitude": 41.4993, "longitude": -81.6944, "ip": "203.0.113.9", "region": "OH"},
}


@pytest.mark.parametrize(
    "gone",
    [
        "Zebulon",
        "Quixworth",
        "555-0006",
        "15005550007",
        "Elm Street",
        "44101",
        "41.4993",
        "81.6944",
        "203.0.113.9",
    ],
)
def test_names_numbers_and_addresses_are_hashed(klaviyo: Redactor, gone: str) -> None:
    assert gone.encode() in orjson.dumps(PERSONS)
    body = klaviyo.body(orjson.dumps(PERSONS))
    assert gone.encode() not in body
    kept = orjson.loads(body)
    assert (kept["billing_address"]["city"], kept["location"]["region"]) == ("Ohio", "OH")
    assert orjson.loads(kept["extra"]) == {"customerName": hashed("zebulon"), "n": 1}


@pytest.mark.parametrize("separator", ["&", "\\u0026"])
def test_tokens_leave_addresses_that_still_work(meta: Redactor, separator: str) -> None:
    link = f"https:\\/\\/h\\/v\\/x?limit=5{separator}access_token={TOKEN}{separator}after=MQ"
    body = meta.body(b'{"paging":{"next":"' + link.encode() + b'"},"access_token" : "' + TOKEN.encode() + b'"}')
    assert TOKEN.encode() not in body
    found = orjson.loads(body)
    assert found["paging"]["next"] == "https://h/v/x?limit=5&after=MQ"
    assert found["access_token"] == ""


def test_a_secret_goes_wherever_it_is_echoed(meta: Redactor) -> None:
    assert meta.text(f"token {TOKEN} is bad") == "token  is bad"


def test_actors_of_meta_are_hashed(meta: Redactor) -> None:
    found = orjson.loads(meta.body(b'{"actor_id":"100001","actor_name":"Ann \\"A\\" B","object_id":"7"}'))
    assert found == {"actor_id": hashed("100001"), "actor_name": hashed('ann "a" b'), "object_id": "7"}


def test_homes_hash_differently() -> None:
    here, there = (Redactor(key, "klaviyo").hash("ann@example.com") for key in (HASH_KEY, b"another"))
    assert here == hashed("ann@example.com") != there
