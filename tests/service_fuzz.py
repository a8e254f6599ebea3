"""Requests that nobody would write: made from the OpenAPI document, and panels that are almost right.

``make fuzz`` runs 10,000 of them on a home with a few results; the tests run a few hundred.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable

from liftos_pipeline.causal import ESTIMATORS
from liftos_pipeline.causal.specification import options_of
from tests import service
from tests.panels import NEVER, adoption_panel

SERVER_ERROR = 500
_ODD = (None, 0, 1, -1, 0.5, 1e308, -1e308, 1e-320, 2**63, "", "x", "2026-01-01", True, [], {}, [1], {"a": 1})
_WORDS = (
    "linear",
    "lasso",
    "boosting",
    "cr3",
    "wild_bootstrap",
    "jackknife",
    "bootstrap",
    "conformal",
    "liml",
    "x0",
)


class ServerErrors(AssertionError):
    """Requests that were answered by 5xx."""


def from_document(app: FastAPI, count: int, start: int = 0) -> Counter[int]:
    """Statuses of ``count`` requests made from the document, half of them to the two that compute.

    Raises
    ------
    ServerErrors
        One was answered by 5xx.
    """
    found: Counter[int] = Counter()
    operations = [o.ok() for o in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations()]
    posts = sum(operation.method == "post" for operation in operations)
    for operation in operations:
        n_examples = count // 2 // (posts if operation.method == "post" else len(operations) - posts)
        for is_negative in (False, True):
            with suppress(Unsatisfiable):  # an operation without parameters has no wrong ones
                _ask_all(operation, is_negative, max(1, n_examples // 2), start, found)
    return found


def _ask_all(operation: object, is_negative: bool, n_examples: int, start: int, found: Counter[int]) -> None:
    mode = schemathesis.GenerationMode.NEGATIVE if is_negative else schemathesis.GenerationMode.POSITIVE

    @seed(start)
    @settings(
        max_examples=n_examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))  # type: ignore[attr-defined]
    def ask(case: schemathesis.Case) -> None:
        answer = case.call()
        found[answer.status_code] += 1
        if answer.status_code >= SERVER_ERROR:
            raise ServerErrors(f"{answer.status_code} {case.as_curl_command()[:2000]}")

    ask()


def from_panels(client: TestClient, count: int, start: int = 0) -> Counter[int]:
    """Statuses of ``count`` analyses of panels that were broken in one way or another, by all methods.

    Raises
    ------
    ServerErrors
        One was answered by 5xx.
    """
    rng = random.Random(start)
    found: Counter[int] = Counter()
    for _ in range(count):
        method = rng.choice(list(ESTIMATORS))
        task = rng.choice(["analyze", "analyze", "counterfactual"])
        body = orjson.dumps(_request(rng, method), option=orjson.OPT_SERIALIZE_NUMPY)
        answer = client.post(f"/api/v1/causal/{task}?method={method}", content=body)
        found[answer.status_code] += 1
        orjson.loads(answer.content)
        if answer.status_code >= SERVER_ERROR:
            Path(tempfile.gettempdir(), "liftos_fuzz.json").write_bytes(body)
            raise ServerErrors(f"{answer.status_code} {task} {method} {answer.text} {body[-600:]!r}")
    return found


def _request(rng: random.Random, method: str) -> dict[str, object]:
    """Mostly what the method wants, with something broken."""
    starts = rng.choice([*[(3, NEVER)] * 6, (2, 4, NEVER), (1, NEVER), (0, NEVER), (NEVER,), (3,), (1, 2)])
    n_units, n_periods = rng.choice([1, 2, 3, 5, 8, 20, 20, 30, 30]), rng.choice([1, 4, 7, 12, 12, 12, 12, 12])
    panel = adoption_panel(
        rng.randrange(100), n_units, n_periods, starts, n_covariates=3, missing=rng.choice([0, 0, 0.3])
    )
    _break(rng, panel)
    if rng.random() < 0.2:
        request: dict[str, object] = {
            "records": service.records(panel, rng.choice([("orders",), ("a", "orders")]))
        }
        more = {"outcome": "a", "covariates": ["fatigue"], "treatment": "orders"}
        _maybe(rng, request, more, 0.1)
        return request | ({"instruments": ["fatigue"]} if method == "iv" else {})
    rows = panel.to_dict("records")
    for _ in range(rng.choice([0, 0, 0, 0, 1, 2])):
        if rows:
            rng.choice(rows)[rng.choice(list(panel))] = rng.choice(_ODD)
    request = {"rows": rows, "outcome": "y", "treatment": "d", "unit": "unit"}
    _maybe(rng, request, {"period": "t"}, 0.8)
    _maybe(
        rng, request, {"covariates": rng.choice([["x0"], ["x0", "x1"]]), "weights": "w", "cluster": "region"}, 0.3
    )
    request |= {"instruments": ["x2"]} if method == "iv" else {}
    known = [name for name in options_of(ESTIMATORS[method].function) if name not in ("level", "seed", "estimand")]
    if rng.random() < 0.5:
        value = rng.choice([*_ODD, *_WORDS, [0.5, 2], 2, 3, 4, 20, 200])
        request["options"] = {rng.choice([*known, *known, "nothing"]): value}
    _maybe(rng, request, {"estimand": rng.choice(["att", "ate", "overlap", "late"])}, 0.1)
    return request


def _maybe(rng: random.Random, request: dict[str, object], more: dict[str, object], chance: float = 0.5) -> None:
    request.update({name: value for name, value in more.items() if rng.random() < chance})


def _break(rng: random.Random, panel) -> None:  # type: ignore[no-untyped-def]
    """One of many ways in which a column can be hard to compute with."""
    ways: list[Callable[[], object]] = [
        lambda: panel.__setitem__("y", 0.0),
        lambda: panel.__setitem__("y", panel["d"].astype(float)),
        lambda: panel.__setitem__("y", panel["y"] * 1e300),
        lambda: panel.__setitem__("y", panel["y"] * 1e-300),
        lambda: panel.__setitem__("x0", panel["d"].astype(float)),
        lambda: panel.__setitem__("x0", panel["y"]),
        lambda: panel.__setitem__("x1", panel["x0"]),
        lambda: panel.__setitem__("x1", panel["d"].astype(float)),
        lambda: panel.__setitem__("d", 1 - panel["d"]),
        lambda: panel.__setitem__("d", panel["t"] % 2),
        lambda: panel.__setitem__("d", panel["x0"]),
        lambda: panel.__setitem__("unit", panel["unit"] // 3),
        lambda: panel.__setitem__("region", 0),
        lambda: panel.__setitem__("y", panel["y"].abs() + 10),
        *[lambda: None] * 12,
    ]
    rng.choice(ways)()


def main(count: int) -> None:
    """Half from the document, half from panels; prints how often each status came."""
    with tempfile.TemporaryDirectory() as folder:
        service.published_home(Path(folder))
        app = service.application(Path(folder))
        found = from_document(app, count // 2)
        found += from_panels(TestClient(app), count - found.total())
    print(f"{found.total()} requests: " + ", ".join(f"{n} x {status}" for status, n in sorted(found.items())))  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
