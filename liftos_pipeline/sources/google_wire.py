"""What Google Ads' streams share: the token, the search, and what its errors mean."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime

import httpx
from pydantic import SecretStr

from liftos_pipeline.errors import MalformedPage
from liftos_pipeline.settings import Settings
from liftos_pipeline.sources.client import Client, Limits, Problem, http_problem
from liftos_pipeline.sources.pull import Pull, Row
from liftos_pipeline.sources.redact import Redactor

_CREDENTIALS = "GOOGLE_ADS_REFRESH_TOKEN"
_RATE_REASONS = {
    "RESOURCE_EXHAUSTED",
    "RESOURCE_TEMPORARILY_EXHAUSTED",
    "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION",
    "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION",
}
_DAILY_QUOTA = "RESOURCE_EXHAUSTED"
_TRANSIENT_REASONS = {"TRANSIENT_ERROR", "INTERNAL_ERROR", "DEADLINE_EXCEEDED", "UNAVAILABLE", "INTERNAL"}
_DEVELOPER_TOKEN_REASONS = {
    "DEVELOPER_TOKEN_INVALID",
    "DEVELOPER_TOKEN_NOT_APPROVED",
    "DEVELOPER_TOKEN_PROHIBITED",
}
_NEWER_VERSION = "This interface version is gone: set GOOGLE_ADS_API_VERSION to a newer one."
_CHECK_IDS = "Check GOOGLE_ADS_CUSTOMER_IDS and GOOGLE_ADS_LOGIN_CUSTOMER_ID."
_SPARE_SECONDS = 300.0
_CAMEL = re.compile(r"_([a-z0-9])")


def classify(status: int, payload: object) -> Problem | None:
    """Google's error object decides; it stands in the body, or in any element of the array."""
    error = _error_of(payload)
    if error is not None:
        return _classify_error(status, error)
    if status == 404:
        return Problem("fatal", "HTTP 404: no error body", _NEWER_VERSION)
    return http_problem(status, _CREDENTIALS, "no error body")


def _classify_error(status: int, error: Row) -> Problem:
    reasons, message = _reasons(error)
    code = error.get("code", status)
    found = f"HTTP {status}, {error.get('status')}, {', '.join(sorted(reasons)) or 'no reason'}: {message}"
    known = {*reasons, str(error.get("status"))}
    if code in (401, 403) or known & _DEVELOPER_TOKEN_REASONS:
        name = "GOOGLE_ADS_DEVELOPER_TOKEN" if known & _DEVELOPER_TOKEN_REASONS else _CREDENTIALS
        return Problem("auth", found, f"Renew {name} or its access to the customer, then re-run the same days.")
    if known & _RATE_REASONS or code == 429:
        return Problem("rate", found, wait_s=_retry_delay(error), is_quota=_DAILY_QUOTA in reasons)
    if known & _TRANSIENT_REASONS or (isinstance(code, int) and code >= 500):
        return Problem("transient", found)
    is_old = code == 404 or "UNSUPPORTED_VERSION" in known
    return Problem("fatal", found, _NEWER_VERSION if is_old else _CHECK_IDS)


def _error_of(payload: object) -> Row | None:
    for entry in payload if isinstance(payload, list) else [payload]:
        error = entry.get("error") if isinstance(entry, dict) else None
        if isinstance(error, dict):
            return error
    return None


def _details(error: Row) -> list[Row]:
    details = error.get("details")
    return [entry for entry in details if isinstance(entry, dict)] if isinstance(details, list) else []


def _reasons(error: Row) -> tuple[set[str], str]:
    """Reasons and message of the failures inside an error."""
    reasons, messages = set(), [str(error.get("message", ""))]
    for detail in _details(error):
        failures = detail.get("errors")
        for failure in failures if isinstance(failures, list) else []:
            codes = failure.get("errorCode") if isinstance(failure, dict) else None
            reasons |= {str(reason) for reason in codes.values()} if isinstance(codes, dict) else set()
            messages.append(str(failure.get("message", "")) if isinstance(failure, dict) else "")
    return reasons, " ".join(dict.fromkeys(text for text in messages if text))


def _retry_delay(error: Row) -> float | None:
    for detail in _details(error):
        text = str(detail.get("retryDelay", ""))
        if re.fullmatch(r"\d+(\.\d+)?s", text):
            return float(text[:-1])
    return None


def classify_token(status: int, payload: object) -> Problem | None:
    """Errors of the token exchange: a string, not an object."""
    body = payload if isinstance(payload, dict) else {}
    error = body.get("error")
    if isinstance(error, str) and status < 500:
        found = f"HTTP {status}, {error}: {body.get('error_description', '')}"
        names = "GOOGLE_ADS_REFRESH_TOKEN"
        if error in ("invalid_client", "unauthorized_client"):
            names = "GOOGLE_ADS_CLIENT_ID and GOOGLE_ADS_CLIENT_SECRET"
        return Problem("auth", found, f"Renew {names}, then re-run the same days.")
    return http_problem(status, _CREDENTIALS, "no error body")


class RefreshedToken:
    """Headers with an access token that is fetched when first needed and again shortly before it ends."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: datetime | None,
        transport: httpx.BaseTransport | None,
        hash_key: bytes,
        sleep: Callable[[float], None],
    ) -> None:
        self._form = {
            "grant_type": "refresh_token",
            "client_id": settings.google_ads_client_id or "",
            "client_secret": _open(settings.google_ads_client_secret),
            "refresh_token": _open(settings.google_ads_refresh_token),
        }
        self._fixed = {"developer-token": _open(settings.google_ads_developer_token)}
        manager = (settings.google_ads_login_customer_id or "").replace("-", "").strip()
        if manager:
            self._fixed["login-customer-id"] = manager
        self.secrets = (self._form["client_secret"], self._form["refresh_token"], self._fixed["developer-token"])
        self._client = Client(
            "google_ads",
            settings.liftos_google_oauth_base_url,
            dict,
            classify_token,
            redactor=Redactor(hash_key, "google_ads", self.secrets),
            limits=Limits(wait_budget_s=settings.liftos_http_wait_budget_s),
            transport=transport,
            clock=clock,
            sleep=sleep,
        )
        self._token = ""
        self._ends_at = 0.0

    def headers(self) -> Mapping[str, str]:
        """Authorization, developer token, and manager account if there is one."""
        if not self._token or time.monotonic() >= self._ends_at:
            self._refresh()
        return {**self._fixed, "Authorization": f"Bearer {self._token}"}

    def _refresh(self) -> None:
        payload = self._client.secret_form("token", self._form)
        token = payload.get("access_token") if isinstance(payload, dict) else None
        if not isinstance(payload, dict) or not isinstance(token, str):
            raise MalformedPage(
                "access_token in the answer of the token exchange",
                f"{type(payload).__name__} without it",
                "Check LIFTOS_GOOGLE_OAUTH_BASE_URL.",
            )
        seconds = payload.get("expires_in", 0)
        life = float(seconds) if isinstance(seconds, int | float) else 0.0
        self._token, self._ends_at = token, time.monotonic() + max(life - _SPARE_SECONDS, 0.0)


def _open(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def search(pull: Pull, customer_id: str, query: str) -> list[Row]:
    """Rows of a GAQL query, appended to the pull's; they come as an array of batches.

    Raises
    ------
    MalformedPage
        The answer is no array of objects.
    """
    answer = pull.post(f"customers/{customer_id}/googleAds:searchStream", {"query": query})
    first = len(pull.rows)
    batches = answer if isinstance(answer, list) else [answer]
    rows: list[object] = []
    for batch in batches:
        found = batch.get("results", []) if isinstance(batch, dict) else None
        if not isinstance(found, list):
            raise pull.malformed("results", found if isinstance(batch, dict) else batch, "a list")
        rows += found
    pull.add(rows, "results")
    return pull.rows[first:]


def last_id(resource_name: object) -> object:
    """Id at the end of a resource name such as ``customers/1/campaigns/2``."""
    return resource_name.rsplit("/", 1)[-1] if isinstance(resource_name, str) else resource_name


def known_fields(fields: str) -> dict[str, frozenset[str]]:
    """From a GAQL field list, the members of each part of a row as the answer spells them."""
    known: dict[str, set[str]] = {}
    for field in fields.split(", "):
        resource, member = (_CAMEL.sub(lambda m: m.group(1).upper(), name) for name in field.split(".")[:2])
        known.setdefault(resource, {"resourceName"}).add(member)
    return {resource: frozenset(members) for resource, members in known.items()}
