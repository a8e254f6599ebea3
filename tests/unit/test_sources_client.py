"""What is tried again, for how long, and what the user reads when it is not."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import orjson
import pytest
from pydantic import SecretStr

from liftos_pipeline.errors import AuthExpired, LiftosError, MalformedPage, PlatformError, RateLimited
from liftos_pipeline.sources import SOURCES
from tests.replies import FIRST, LAST, META_ACCOUNT, NOW, TOKEN, Asked, Platform, Reply, connect, in_turn

GOOGLE_TOKEN = Reply({"access_token": "ya29.fresh-token", "expires_in": 3599, "token_type": "Bearer"})
GOOGLE_CUSTOMER = {"customer": {"id": "1", "currencyCode": "USD", "timeZone": "Etc/UTC", "status": "ENABLED"}}


def meta_error(status: int, code: int, **more: object) -> Reply:
    return Reply({"error": {"message": "said so", "code": code, **more}}, status)


def google_error(status: int, group: str, reason: str, **more: object) -> dict:
    failure = {"errors": [{"errorCode": {group: reason}, "message": "said so"}]}
    return {"error": {"code": status, "status": "X", "message": "top", "details": [failure, more]}}


def pull_meta(*replies: Reply, waits: list[float] | None = None, **changes: object) -> object:
    connection = connect("meta", in_turn(*replies), waits, **changes)
    return SOURCES["meta"].stream("account").fetch(connection, "1001", LAST, LAST, NOW)


def pull_google(*replies: Reply, waits: list[float] | None = None) -> object:
    connection = connect("google_ads", in_turn(GOOGLE_TOKEN, *replies), waits)
    return SOURCES["google_ads"].stream("customer").fetch(connection, "4410000001", LAST, LAST, NOW)


RETRIED = {
    "rate as 400": (meta_error(400, 17), RateLimited),
    "business rate as 400": (meta_error(400, 80000), RateLimited),
    "429": (Reply(b"<html>slow</html>", 429), RateLimited),
    "error with 200": (meta_error(200, 2), PlatformError),
    "marked transient": (meta_error(400, 100, is_transient=True), PlatformError),
    "500": (meta_error(500, 100), PlatformError),
    "html 502": (Reply(b"<html>bad gateway</html>", 502), PlatformError),
    "html 200": (Reply(b"<html>hello</html>"), MalformedPage),
    "cut off": (Reply(b'{"id":"act_1001","curr'), MalformedPage),
    "not a number": (Reply(b'{"id":"act_1001","currency":NaN}'), MalformedPage),
    "infinity": (Reply(b'{"id":"act_1001","currency":Infinity}'), MalformedPage),
    "not utf-8": (Reply(b'{"id":"\xff"}'), MalformedPage),
    "empty": (Reply(b""), MalformedPage),
}


@pytest.mark.parametrize("name", RETRIED)
def test_passing_trouble_is_retried_and_then_forgotten(name: str) -> None:
    waits: list[float] = []
    window = pull_meta(RETRIED[name][0], RETRIED[name][0], META_ACCOUNT, waits=waits)
    assert window.rows["currency_code"].to_pylist() == ["USD"]
    assert len(waits) == 2
    assert waits[1] > waits[0] * 0.9


@pytest.mark.parametrize("name", RETRIED)
def test_lasting_trouble_ends_after_six_tries_with_its_own_class(name: str) -> None:
    reply, kind = RETRIED[name]
    platform = in_turn(reply)
    with pytest.raises(kind) as caught:
        SOURCES["meta"].stream("account").fetch(connect("meta", platform), "1001", LAST, LAST, NOW)
    assert type(caught.value) is kind
    assert len(platform.asked) == 6


FINAL = {
    "expired": (meta_error(400, 190, error_subcode=463), AuthExpired, "META_ACCESS_TOKEN"),
    "no permission": (meta_error(403, 200), AuthExpired, "META_ACCESS_TOKEN"),
    "bare 401": (Reply(b"no", 401), AuthExpired, "META_ACCESS_TOKEN"),
    "old version": (meta_error(400, 2635), PlatformError, "META_API_VERSION"),
    "no such account": (meta_error(400, 100), PlatformError, "META_AD_ACCOUNT_IDS"),
    "redirect": (Reply(b"", 302, {"Location": "https://elsewhere.test/"}), PlatformError, "base URL"),
}


@pytest.mark.parametrize("name", FINAL)
def test_refusals_are_not_retried_and_say_what_to_do(name: str) -> None:
    reply, kind, way_out = FINAL[name]
    platform = in_turn(reply)
    with pytest.raises(kind, match=way_out):
        SOURCES["meta"].stream("account").fetch(connect("meta", platform), "1001", LAST, LAST, NOW)
    assert len(platform.asked) == 1


@pytest.mark.parametrize(
    ("group", "reason", "status", "kind"),
    [
        ("quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED", 429, RateLimited),
        ("internalError", "TRANSIENT_ERROR", 500, PlatformError),
        ("internalError", "DEADLINE_EXCEEDED", 504, PlatformError),
    ],
)
@pytest.mark.parametrize("place", ["body", "array", "after results"])
def test_google_errors_count_wherever_they_stand(
    group: str, reason: str, status: int, kind: type, place: str
) -> None:
    error = google_error(status, group, reason)
    body = {"body": error, "array": [error], "after results": [{"results": [GOOGLE_CUSTOMER]}, error]}[place]
    trouble = Reply(body, 200 if place == "after results" else status)
    assert pull_google(trouble, Reply([{"results": [GOOGLE_CUSTOMER]}])).rows.num_rows == 1
    with pytest.raises(kind, match=reason):
        pull_google(trouble)


@pytest.mark.parametrize(
    ("reply", "variable"),
    [
        (
            Reply([google_error(401, "authenticationError", "OAUTH_TOKEN_EXPIRED")], 401),
            "GOOGLE_ADS_REFRESH_TOKEN",
        ),
        (
            Reply(google_error(403, "authorizationError", "DEVELOPER_TOKEN_NOT_APPROVED"), 403),
            "GOOGLE_ADS_DEVELOPER_TOKEN",
        ),
    ],
)
def test_google_refusals_name_the_credential(reply: Reply, variable: str) -> None:
    with pytest.raises(AuthExpired, match=variable):
        pull_google(reply)


@pytest.mark.parametrize(
    ("error", "variable"),
    [("invalid_grant", "GOOGLE_ADS_REFRESH_TOKEN"), ("invalid_client", "GOOGLE_ADS_CLIENT_ID")],
)
def test_a_refused_refresh_names_the_credential(error: str, variable: str) -> None:
    platform = in_turn(Reply({"error": error, "error_description": "no"}, 400))
    with pytest.raises(AuthExpired, match=variable):
        SOURCES["google_ads"].stream("customer").fetch(connect("google_ads", platform), "1", LAST, LAST, NOW)
    assert len(platform.asked) == 1


def test_google_says_how_long_to_wait() -> None:
    waits: list[float] = []
    error = google_error(429, "quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED", retryDelay="7.5s")
    pull_google(Reply(error, 429), Reply([{"results": [GOOGLE_CUSTOMER]}]), waits=waits)
    assert waits == [7.5]


def test_google_fetches_one_token_and_sends_it() -> None:
    platform = in_turn(GOOGLE_TOKEN, Reply([{"results": [GOOGLE_CUSTOMER]}]))
    connection = connect("google_ads", platform, google_ads_login_customer_id="123-456-7890")
    for _ in range(2):
        window = SOURCES["google_ads"].stream("customer").fetch(connection, "4410000001", LAST, LAST, NOW)
    assert [asked.path for asked in platform.asked].count("/token") == 1
    headers = platform.asked[-1].headers
    assert headers["authorization"] == "Bearer ya29.fresh-token"
    assert headers["login-customer-id"] == "1234567890"
    assert all(b"ya29" not in (page.body or b"") for page in window.pages)


def test_waits_as_told_in_seconds() -> None:
    waits: list[float] = []
    pull_meta(Reply(b"", 429, {"Retry-After": "37"}), META_ACCOUNT, waits=waits)
    assert waits == [37.0]


def test_waits_as_told_by_date() -> None:
    waits: list[float] = []
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
    pull_meta(Reply(b"", 503, {"Retry-After": later}), META_ACCOUNT, waits=waits)
    assert len(waits) == 1
    assert 90 < waits[0] <= 120


def test_a_wait_beyond_the_cap_ends_the_pull_at_once() -> None:
    waits: list[float] = []
    with pytest.raises(RateLimited, match=r"rate limited until \d\d:\d\d UTC"):
        pull_meta(Reply(b"", 429, {"Retry-After": "601"}), META_ACCOUNT, waits=waits)
    assert waits == []


def test_waits_of_a_connection_share_one_budget() -> None:
    waits: list[float] = []
    busy = Reply(b"", 429, {"Retry-After": "400"})
    with pytest.raises(RateLimited):
        pull_meta(busy, busy, busy, META_ACCOUNT, waits=waits, liftos_http_wait_budget_s=900.0)
    assert waits == [400.0, 400.0]


def test_effort_is_counted() -> None:
    connection = connect("meta", in_turn(Reply(b"", 429, {"Retry-After": "3"}), META_ACCOUNT))
    SOURCES["meta"].stream("account").fetch(connection, "1001", LAST, LAST, NOW)
    assert (connection.client.effort.retries, connection.client.effort.waited_s) == (1, 3.0)


def test_a_page_that_cannot_be_read_is_kept_without_its_bytes() -> None:
    window = pull_meta(Reply(b"<html>ann@example.com</html>"), META_ACCOUNT)
    unreadable, read = window.pages
    assert unreadable.body is None
    assert unreadable.body_bytes > 0
    assert "JSONDecodeError" in str(unreadable.error)
    assert (read.page_no, read.body, read.error) == (1, META_ACCOUNT.sent, None)


@pytest.mark.parametrize("secret", [TOKEN, "fredkey0001"])
def test_secrets_reach_no_message_no_page_and_no_log(secret: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    name, stream, account = ("meta", "account", "1001") if secret == TOKEN else ("fred", "observations", "GDP")
    echo = Reply(
        {"error": {"message": f"bad {secret}", "code": 2}, "error_code": 500, "error_message": secret}, 500
    )
    platform = in_turn(echo)
    connection = connect(name, platform, meta_app_secret=None)
    with pytest.raises(PlatformError) as caught:
        SOURCES[name].stream(stream).fetch(connection, account, LAST, LAST, NOW)
    sent = str(platform.asked[0].headers) + str(platform.asked[0].query)
    assert secret in sent
    assert secret not in str(caught.value)
    assert secret not in caplog.text
    assert "again in" in caplog.text


def test_the_proof_travels_but_is_not_recorded() -> None:
    platform = in_turn(META_ACCOUNT)
    connection = connect("meta", platform, meta_app_secret=SecretStr("app-secret-0001"))
    window = SOURCES["meta"].stream("account").fetch(connection, "1001", LAST, LAST, NOW)
    assert len(platform.asked[0].query["appsecret_proof"]) == 64
    assert "appsecret_proof" not in window.pages[0].url


def test_the_clock_travels_in_a_simulated_home_only() -> None:
    for clock, sent in ((None, None), (datetime(2026, 3, 31), "2026-03-31T00:00:00+00:00")):
        platform = in_turn(META_ACCOUNT)
        window = (
            SOURCES["meta"]
            .stream("account")
            .fetch(connect("meta", platform, clock=clock), "1001", LAST, LAST, NOW)
        )
        assert platform.asked[0].headers.get("x-liftos-clock") == sent
        assert window.source_mode == ("live" if clock is None else "simulated")


def test_an_address_that_is_none_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(LiftosError, match="base URL"):
        connect("meta", in_turn(META_ACCOUNT), host="graph.facebook.com")


def test_too_much_data_is_asked_for_in_halves() -> None:
    def answer(asked: Asked) -> Reply:
        if not asked.path.endswith("insights"):
            return META_ACCOUNT
        span = orjson.loads(asked.query["time_range"])
        days = (datetime.fromisoformat(span["until"]) - datetime.fromisoformat(span["since"])).days + 1
        if days > 3:
            return meta_error(400, 100, error_subcode=1487534)
        spans.append((span["since"], span["until"]))
        return Reply({"data": []})

    spans: list[tuple[str, str]] = []
    window = (
        SOURCES["meta"].stream("insights_daily").fetch(connect("meta", Platform(answer)), "1001", FIRST, LAST, NOW)
    )
    campaign_spans = spans[::2]
    assert campaign_spans == [
        ("2026-03-01", "2026-03-03"),
        ("2026-03-04", "2026-03-05"),
        ("2026-03-06", "2026-03-08"),
        ("2026-03-09", "2026-03-10"),
    ]
    assert (window.start, window.end, window.rows.num_rows) == (FIRST, LAST, 0)
