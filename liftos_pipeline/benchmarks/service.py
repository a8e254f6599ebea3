"""The service under load: reads at 200 a second, and analyses of 10,000 rows, against a real server on this machine.

Server and load share the machine's cores. Reads are started on a clock, whether earlier ones have ended or not, and are
timed from when they were due, so that a server that falls behind cannot hide it.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import orjson
import pandas as pd

from liftos_pipeline.schema import Table
from liftos_pipeline.schema.decisions import ATTRIBUTION, VERDICTS
from liftos_pipeline.schema.results import EFFECT_ESTIMATES, GATES
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.publish import publish
from liftos_pipeline.warehouse.results import replace_partitions

RATE = 200
READ_LIMIT_MS, ANALYSIS_LIMIT_MS = 20.0, 500.0
_CONNECTIONS = 32
N_UNITS, N_PERIODS = 100, 100
_DAYS = 30
_PLATFORMS = ("meta", "google_ads", "klaviyo")
_KINDS = ("budget_change", "targeting_change", "creative_change")
_DAY = date(2026, 6, 29)
_SAMPLE = {"VARCHAR": "x", "DOUBLE": 1.5, "BIGINT": 10, "INTEGER": 1, "DATE": _DAY, "BOOLEAN": True}
_SAMPLE["TIMESTAMP"] = datetime(2026, 6, 29)
_QUERIES = (
    "effects",
    "attribution?scope=treatment",
    "verdicts",
    "quality",
    "runs",
    "effects?platform=meta&limit=20",
)


@dataclass(frozen=True)
class ServiceTimes:
    """Milliseconds of one kind of request: ``p50`` and ``p95`` from when it was due. ``errors``: answers but 200."""

    what: str
    requests: int
    per_s: float
    p50_ms: float
    p95_ms: float
    max_ms: float
    limit_ms: float
    errors: int
    load_average: float

    @property
    def holds(self) -> bool:
        """Whether the limit was kept without an error."""
        return self.errors == 0 and self.p95_ms < self.limit_ms


def measure(quick: bool = False) -> list[ServiceTimes]:
    """Reads alone, reads beside analyses, and analyses of 10,000 plain rows and 10,000 records.

    Parameters
    ----------
    quick : bool
        5 seconds of reads and 10 analyses of each kind, in place of 30 and 40.
    """
    seconds, n_analyses = (5, 10) if quick else (30, 40)
    with tempfile.TemporaryDirectory() as folder:
        _fill(Path(folder))
        with _server(Path(folder)) as url:
            _wait(url)
            bodies = {"10,000 rows": _rows(), "10,000 records": _records()}
            for body in bodies.values():
                httpx.post(_analysis(url), content=body, timeout=60).raise_for_status()
            found = [asyncio.run(_reads(url, seconds, "reads"))]
            found += [_analyses(url, name, body, n_analyses) for name, body in bodies.items()]
            found.append(asyncio.run(_reads_beside_analyses(url, seconds, bodies["10,000 rows"])))
    return found


async def _reads(url: str, seconds: float, what: str) -> ServiceTimes:
    idle: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
    for _ in range(_CONNECTIONS):
        idle.put_nowait(await _Connection.to(url))
    taken: list[float] = []
    errors = 0

    async def read(due: float, query: str) -> None:
        nonlocal errors
        connection = await idle.get()
        if connection.is_closed:  # by the server, after its seconds without a request
            connection = await _Connection.to(url)
        errors += not await connection.get(f"/api/v1/{query}")
        taken.append(1e3 * (time.perf_counter() - due))
        idle.put_nowait(connection)

    started = time.perf_counter() + 0.1
    async with asyncio.TaskGroup() as group:
        for number in range(int(RATE * seconds)):
            due = started + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(read(due, _QUERIES[number % len(_QUERIES)]))
    elapsed = time.perf_counter() - started
    while not idle.empty():
        idle.get_nowait().close()
    return _times(what, taken, elapsed, READ_LIMIT_MS, errors)


class _Connection:
    """One kept-alive connection that does as little as can be: the load must not take the server's core."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, url: str) -> _Connection:
        host, port = url.removeprefix("http://").split(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def get(self, path: str) -> bool:
        """Whether the answer was 200; it is read whole."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        await self._reader.readexactly(int(length.group(1)) if length else 0)
        return head.startswith(b"HTTP/1.1 200")

    @property
    def is_closed(self) -> bool:
        return self._reader.at_eof()

    def close(self) -> None:
        self._writer.close()


async def _reads_beside_analyses(url: str, seconds: float, body: bytes) -> ServiceTimes:
    """Two analyses a second beside the reads."""

    async def analyse() -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            while True:
                await client.post(_analysis(url), content=body)
                await asyncio.sleep(0.5)

    task = asyncio.create_task(analyse())
    try:
        return await _reads(url, seconds, "reads beside analyses")
    finally:
        task.cancel()


def _analyses(url: str, name: str, body: bytes, count: int) -> ServiceTimes:
    taken, errors = [], 0
    started = time.perf_counter()
    with httpx.Client(timeout=60) as client:
        for _ in range(count):
            begun = time.perf_counter()
            answer = client.post(_analysis(url), content=body)
            taken.append(1e3 * (time.perf_counter() - begun))
            errors += answer.status_code != 200
    return _times(f"analyze, {name}", taken, time.perf_counter() - started, ANALYSIS_LIMIT_MS, errors)


def _times(what: str, taken: list[float], elapsed: float, limit_ms: float, errors: int) -> ServiceTimes:
    p50, p95 = np.quantile(taken, [0.5, 0.95])
    return ServiceTimes(
        what,
        len(taken),
        len(taken) / elapsed,
        float(p50),
        float(p95),
        max(taken),
        limit_ms,
        errors,
        os.getloadavg()[0],
    )


def _analysis(url: str) -> str:
    return f"{url}/api/v1/causal/analyze?method=doubly_robust"


@contextmanager
def _server(home: Path) -> Iterator[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIFTOS_")}
    command = [sys.executable, "-c", "from liftos_pipeline.cli import main; main()", "serve", "--port", "0"]
    log = home / "service.log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, env={**kept, "LIFTOS_HOME": str(home)}, stderr=stream)
    try:
        while (found := re.search(r"http://\S+", log.read_text())) is None:
            time.sleep(0.05)
            if process.poll() is not None:
                raise ChildProcessError(log.read_text())
        yield found.group()
    finally:
        process.kill()
        process.wait()


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            httpx.get(f"{url}/ready").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return


def _fill(home: Path) -> None:
    """A published home with a month of results of nine analyses."""
    warehouse = Warehouse(home, "simulated")
    counts = {EFFECT_ESTIMATES: 4, ATTRIBUTION: 20, VERDICTS: 2, GATES: 5}
    for table, count in counts.items():
        rows = [
            _row(table, platform, kind, number)
            for platform in _PLATFORMS
            for kind in _KINDS
            for number in range(count)
        ]
        days = {_DAY - timedelta(days=back): pd.DataFrame(rows) for back in range(_DAYS)}
        replace_partitions(warehouse, table, days, "benchmark")
    publish(warehouse)


def _row(table: Table, platform: str, kind: str, number: int) -> dict[str, object]:
    row = {column.name: _SAMPLE[column.type] for column in table.columns if column.name != "as_of"}
    told = {"platform": platform, "treatment_type": kind, "outcome": f"outcome_{number}", "scope": "treatment"}
    told |= {"subject": f"{platform}.{kind}.{number}", "unit_id": f"{platform}:1:{number}"}
    texts = {
        "diagnostics": orjson.dumps({"balance": [{"covariate": f"x{n}", "smd": 0.1} for n in range(20)]}).decode()
    }
    texts |= dict.fromkeys(("gates_failed", "offenders"), "[]")
    return row | {name: value for name, value in {**told, **texts}.items() if name in row}


def _panel() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    unit, period = np.repeat(np.arange(N_UNITS), N_PERIODS), np.tile(np.arange(N_PERIODS), N_UNITS)
    treated = ((unit % 2 == 0) & (period >= N_PERIODS // 2)).astype(int)
    x = rng.normal(size=(3, len(unit)))
    y = 10.0 + rng.normal(size=N_UNITS)[unit] + treated + x.sum(axis=0) + rng.normal(size=len(unit))
    return pd.DataFrame({"unit": unit, "t": period, "d": treated, "y": y, "x0": x[0], "x1": x[1], "x2": x[2]})


def _rows() -> bytes:
    roles = {"outcome": "y", "treatment": "d", "unit": "unit", "period": "t", "covariates": ["x0", "x1", "x2"]}
    return orjson.dumps({"rows": _panel().to_dict("records"), **roles})


def _records() -> bytes:
    first = datetime(2026, 1, 1)
    assigned: dict[str, object] = {
        "treatment_id": "t",
        "treatment_type": "budget_change",
        "assignment_method": "observational",
    }
    assigned |= {"assignment_probability": None, "control_group_id": None, "randomization_unit": "campaign"}
    assigned |= {"assignment_timestamp": first + timedelta(days=N_PERIODS // 2)}
    detected = {"confidence": 0.9, "detection_method": "audience_fatigue", "temporal_pattern": "trend"}
    detected |= {"platform_specific_context": {"platform": "meta"}}
    records = [
        {
            "experiment_id": f"budget_change:meta:1:{row.unit}",
            "platform": "meta",
            "timestamp": first + timedelta(days=row.t),
            "metrics": {"orders": row.y, "spend": row.x1, "clicks": row.x2},
            "confounders": [{"name": "audience_fatigue", "value": row.x0, **detected}],
            "external_factors": [],
            "treatment_assignment": assigned if row.d else None,
            "causal_graph": None,
            "data_quality": None,
            "randomization_unit": "campaign",
            "temporal_granularity": "daily",
        }
        for row in _panel().itertuples()
    ]
    return orjson.dumps(records)


def main() -> None:
    """Print one line per kind of request, with its limit."""
    for row in measure("--quick" in sys.argv):
        state = "pass" if row.holds else "fall short"
        print(  # noqa: T201
            f"{row.what:24s} {row.requests:6d} requests, {row.per_s:6.1f}/s, p50 {row.p50_ms:6.1f} ms, "
            f"p95 {row.p95_ms:6.1f} ms (limit {row.limit_ms:.0f}), max {row.max_ms:6.1f} ms, {row.errors} errors, "
            f"load {row.load_average:.1f}: {state}"
        )


if __name__ == "__main__":
    main()
