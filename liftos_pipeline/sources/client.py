"""The one HTTP client: sends a request until it is answered, refused or out of time. Retries live here and nowhere
else. What an error body means is the platforms' business (``classify``); paging is in ``pull``.
"""

from __future__ import annotations

import hashlib
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import httpx
import orjson
import tenacity

from liftos_pipeline.errors import AuthExpired, LiftosError, MalformedPage, PlatformError, QuotaSpent, RateLimited
from liftos_pipeline.schema import Page
from liftos_pipeline.sources.http_log import log_no_queries
from liftos_pipeline.sources.redact import Redactor

CLOCK_HEADER = "X-Liftos-Clock"
_LOG = logging.getLogger(__name__)
_FIRST_WAIT_S = {"rate": 2.0}
_DAY_S = 86_400.0
_Payload = TypeVar("_Payload")
_Error = TypeVar("_Error", bound=PlatformError)


class TooMuchData(PlatformError):
    """The platform wants a smaller question; asking the same again would not help."""


@dataclass(frozen=True)
class Problem:
    """Why an answer is not one.

    ``kind``: ``auth`` and ``fatal`` end the pull, ``split`` asks for less; ``rate``, ``transient`` and
    ``malformed`` are tried again. ``wait_s``: seconds that the platform asked to wait, None if it did not say.
    ``is_quota``: what is used up is the day's quota. ``is_cut``: the body ended before its end.
    """

    kind: Literal["auth", "fatal", "split", "rate", "transient", "malformed"]
    found: str
    way_out: str = "Re-run; nothing was loaded."
    wait_s: float | None = None
    is_quota: bool = False
    is_cut: bool = False


Classify = Callable[[int, object], Problem | None]


@dataclass(frozen=True)
class Limits:
    """Bounds of one client. ``wait_budget_s`` is for all waits of its life together."""

    tries: int = 6
    first_wait_s: float = 0.5
    wait_cap_s: float = 600.0
    wait_budget_s: float = 900.0
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0


@dataclass
class Effort:
    """What the client spent beyond the answers: repeated requests, and seconds of waiting before them."""

    retries: int = 0
    waited_s: float = 0.0


@dataclass(frozen=True)
class Request:
    """One request. ``url`` is absolute and has no secrets."""

    method: str
    url: str
    body: bytes = b""
    content_type: str | None = None

    @property
    def hash(self) -> str:
        return hashlib.sha256(b"\n".join([self.method.encode(), self.url.encode(), self.body])).hexdigest()


class _TryAgain(Exception):
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.found)


def parse_json(response: httpx.Response, body: bytes) -> object:  # noqa: ARG001
    """Strict JSON: NaN, Infinity and bytes that are not UTF-8 are refused with ``ValueError``."""
    return orjson.loads(body)


class Client:
    """Client of one platform.

    Parameters
    ----------
    source : str
        Platform, for messages.
    base_url : str
        Where its paths begin. Links to any other origin are refused.
    headers : callable
        Gives the headers of each request, so that a token can be renewed.
    classify : callable
        From status and parsed body (None if it cannot be parsed) to a problem, or None.
    redactor : Redactor
        Applied to every body before it is parsed.
    secret_params : mapping
        Query parameters that travel but are never recorded.
    transport : httpx.BaseTransport or None
        In-process server of a simulated home.
    clock : datetime or None
        Sent as ``X-Liftos-Clock`` in a simulated home.
    halves_what_is_cut : bool
        Whether a body that is cut short at every try is too much data rather than an outage.
    sleep, jitter : callable
        How to wait, and a draw from [0, 1) for the length of waits that the platform does not prescribe.
    """

    def __init__(
        self,
        source: str,
        base_url: str,
        headers: Callable[[], Mapping[str, str]],
        classify: Classify,
        *,
        redactor: Redactor,
        limits: Limits | None = None,
        secret_params: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: datetime | None = None,
        halves_what_is_cut: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.source = source
        self.effort = Effort()
        self.redactor = redactor
        self.stored: Callable[[Request], httpx.Response] | None = None
        """Gives the answers that were kept, redacted, in place of the platform's."""
        self._base = base_url.rstrip("/")
        self._origin = _origin(self._base)
        if self._origin[0] not in ("http", "https") or not self._origin[1]:
            raise LiftosError(
                f"an http(s) address of {source}",
                redactor.text(base_url),
                f"Correct the base URL setting of {source}.",
            )
        self._headers = headers
        self._classify = classify
        self._secret_params = dict(secret_params or {})
        self._limits = limits or Limits()
        self._halves_what_is_cut = halves_what_is_cut
        self._sleep = sleep
        self._jitter = jitter
        self._clock = None if clock is None else _as_utc(clock).isoformat()
        timeout = httpx.Timeout(self._limits.read_timeout_s, connect=self._limits.connect_timeout_s)
        self._http = httpx.Client(transport=transport, timeout=timeout, follow_redirects=False)
        log_no_queries()

    def url(self, path: str, params: Mapping[str, str | int] | None = None) -> str:
        """Absolute address of a path of this platform."""
        address = f"{self._base}/{path.lstrip('/')}"
        return str(httpx.URL(address, params=dict(params))) if params else address

    def own_link(self, link: str, place: str = "a link") -> str:
        """A link that the platform sent, if it leads to the platform itself. ``place``: where it stood.

        Raises
        ------
        PlatformError
            It leads elsewhere: following it would hand the credentials to another server.
        """
        if _origin(link) != self._origin:
            raise PlatformError(
                f"links of {self.source} to {'://'.join(map(str, self._origin[:2]))}",
                f"{self.redactor.text(link)[:200]} in {place}",
                f"Check the base URL setting of {self.source}.",
            )
        return link

    def send(
        self,
        request: Request,
        pages: list[Page],
        parse: Callable[[httpx.Response, bytes], _Payload] = parse_json,  # type: ignore[assignment]
    ) -> _Payload:
        """Payload of an answer. Every answer that came, also one that could not be read, is appended to ``pages``.

        Raises
        ------
        AuthExpired, RateLimited, MalformedPage, TooMuchData, PlatformError
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TryAgain),
            wait=self._wait,
            stop=self._is_over,
            sleep=self._sleep,
            before_sleep=lambda state: self._note(request, state),
            reraise=True,
        )
        try:
            payload: _Payload = retrying(self._once, request, pages, parse)
            return payload
        except _TryAgain as last:
            raise self._given_up(request, last.problem) from last

    def secret_form(self, path: str, form: Mapping[str, str]) -> object:
        """Payload of a form post whose question and answer are secrets: nothing of it is kept or redacted."""
        encoded = str(httpx.QueryParams(dict(form))).encode()
        request = Request("POST", self.url(path), encoded, "application/x-www-form-urlencoded")
        return self.send(request, [], lambda response, _: orjson.loads(response.content))

    def pause(self, seconds: float) -> None:
        """Wait, as between two questions after a job."""
        self._sleep(seconds)

    def close(self) -> None:
        self._http.close()

    def _once(
        self, request: Request, pages: list[Page], parse: Callable[[httpx.Response, bytes], _Payload]
    ) -> _Payload:
        if self.stored is None:
            response = self._answer(request)
            body = self.redactor.body(response.content)
        else:
            response = self.stored(request)
            body = response.content
        payload: _Payload | None
        fault: str | None
        try:
            payload, fault = parse(response, body), None
        except ValueError as error:
            payload, fault = None, f"{type(error).__name__}: {error}"
        page = self._page(request, len(pages), response.status_code, body, fault)
        pages.append(page)
        problem = self._classify(response.status_code, payload)
        if problem is None and fault is not None:
            problem = Problem("malformed", f"{fault}; {page.body_bytes} bytes, SHA-256 {page.sha256}")
        if problem is not None:
            self._raise(request, problem, _retry_after(response))
        return payload  # type: ignore[return-value]

    def _answer(self, request: Request) -> httpx.Response:
        """A whole answer; the body is read apart, to know whether it was the body that broke off."""
        response = None
        try:
            response = self._http.send(self._on_the_wire(request), stream=True)
            response.read()
        except httpx.RequestError as error:
            text = self.redactor.text(str(error)) or "no answer"
            problem = Problem("transient", f"{type(error).__name__}: {text}", is_cut=response is not None)
            raise _TryAgain(problem) from error
        finally:
            if response is not None:
                response.close()
        return response

    def _on_the_wire(self, request: Request) -> httpx.Request:
        headers = dict(self._headers())
        if request.content_type:
            headers["Content-Type"] = request.content_type
        if self._clock:
            headers[CLOCK_HEADER] = self._clock
        url = httpx.URL(request.url)
        if self._secret_params:
            url = url.copy_merge_params(self._secret_params)
        return self._http.build_request(request.method, url, content=request.body or None, headers=headers)

    def _raise(self, request: Request, problem: Problem, told_s: float | None) -> None:
        if problem.kind in ("rate", "transient", "malformed"):
            raise _TryAgain(problem if told_s is None else replace(problem, wait_s=told_s))
        kinds: dict[str, type[PlatformError]] = {"auth": AuthExpired, "split": TooMuchData}
        raise self._error(kinds.get(problem.kind, PlatformError), request, problem)

    def _error(self, kind: type[_Error], request: Request, problem: Problem) -> _Error:
        place = self.redactor.text(f"{request.method} {request.url.split('?')[0]}")
        return kind(f"an answer of {self.source} to {place}", self.redactor.text(problem.found), problem.way_out)

    def _given_up(self, request: Request, problem: Problem) -> PlatformError:
        if problem.kind == "rate":
            return self._limited(request, problem)
        if problem.is_cut and self._halves_what_is_cut:
            return self._error(TooMuchData, request, problem)
        kind = MalformedPage if problem.kind == "malformed" else PlatformError
        return self._error(kind, request, problem)

    def _limited(self, request: Request, problem: Problem) -> RateLimited:
        """A wait that is longer than any we would do is a quota of the day."""
        wait = "" if problem.wait_s is None else f" until {_in_seconds(problem.wait_s):%H:%M} UTC"
        found = f"rate limited{wait}: {problem.found}"
        told = Problem("rate", found, "Re-run later; what is loaded stays.")
        wait_s = problem.wait_s or 0.0
        if not problem.is_quota and wait_s <= self._limits.wait_cap_s:
            return self._error(RateLimited, request, told)
        error = self._error(QuotaSpent, request, told)
        error.until = _in_seconds(wait_s or _DAY_S).replace(tzinfo=None)
        return error

    def _wait(self, state: tenacity.RetryCallState) -> float:
        problem = _problem(state)
        if problem.wait_s is not None:
            return problem.wait_s
        first = max(_FIRST_WAIT_S.get(problem.kind, 0.0), self._limits.first_wait_s)
        return first * 2.0 ** (state.attempt_number - 1) * (0.5 + self._jitter() / 2)

    def _is_over(self, state: tenacity.RetryCallState) -> bool:
        """Out of tries, or the wait that is asked for is longer than what may still be waited."""
        left = self._limits.wait_budget_s - self.effort.waited_s
        return (
            state.attempt_number >= self._limits.tries
            or state.upcoming_sleep > self._limits.wait_cap_s
            or state.upcoming_sleep > left
        )

    def _note(self, request: Request, state: tenacity.RetryCallState) -> None:
        self.effort.retries += 1
        self.effort.waited_s += state.upcoming_sleep
        _LOG.warning(
            "%s: %s; again in %.1f s: %s",
            self.source,
            _problem(state).found,
            state.upcoming_sleep,
            self.redactor.text(request.url),
        )

    def _page(self, request: Request, page_no: int, status: int, body: bytes, fault: str | None) -> Page:
        return Page(
            page_no=page_no,
            url=self.redactor.text(request.url),
            request_hash=request.hash,
            http_status=status,
            fetched_at=datetime.now(UTC).replace(tzinfo=None),
            sha256=hashlib.sha256(body).hexdigest(),
            body=None if fault else body,
            body_bytes=len(body),
            error=fault,
        )


def http_problem(status: int, variables: str, found: str) -> Problem | None:
    """Reading of a bare HTTP status; ``variables`` names the credentials to renew."""
    if status < 300:
        return None
    if status in (401, 403):
        return Problem("auth", f"HTTP {status}: {found}", f"Renew {variables}, then re-run the same days.")
    if status == 429:
        return Problem("rate", f"HTTP 429: {found}")
    if status == 408 or status >= 500:
        return Problem("transient", f"HTTP {status}: {found}")
    return Problem("fatal", f"HTTP {status}: {found}", "Check the base URL, the account ids and the API version.")


def _problem(state: tenacity.RetryCallState) -> Problem:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, _TryAgain):
        raise TypeError(f"only an answer to be tried again is waited for, not {error!r}")
    return error.problem


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds asked for in ``Retry-After``, given as seconds or as an HTTP date; None if absent or unreadable."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (_as_utc(moment) - datetime.now(UTC)).total_seconds())


def _as_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parsed = urlsplit(url)
        port = parsed.port
    except ValueError:
        return ("", "", None)
    return (parsed.scheme, parsed.hostname or "", port or {"http": 80, "https": 443}.get(parsed.scheme))
