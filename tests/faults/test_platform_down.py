"""A live home on loopback whose platform goes down: the rest is done, what is missing is named, and comes later."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from liftos_pipeline.platforms import simulated_app, world_at
from liftos_pipeline.platforms.loopback import serve
from liftos_pipeline.simulator.scenario import scenario_named

SCENARIO = scenario_named("small_rollout")
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
SECRET = "simulated"


class Switch:
    """The bundled platforms, without Meta as long as ``is_down``."""

    def __init__(self) -> None:
        self.is_down = False
        self._app = simulated_app(SCENARIO, 0)

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        if self.is_down and environ["PATH_INFO"].startswith("/v26.0/"):
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]
        return self._app(environ, start_response)


def run(home: Path, address: str) -> subprocess.CompletedProcess[str]:
    accounts = world_at(SCENARIO, 0, datetime.combine(SCENARIO.start, datetime.min.time(), UTC)).accounts()
    names = ("META", "GOOGLE_ADS", "GOOGLE_OAUTH", "KLAVIYO", "FRED")
    secrets = (
        *("META_ACCESS_TOKEN", "KLAVIYO_PRIVATE_API_KEY", "FRED_API_KEY", "GOOGLE_ADS_DEVELOPER_TOKEN"),
        *("GOOGLE_ADS_CLIENT_ID", "GOOGLE_ADS_CLIENT_SECRET", "GOOGLE_ADS_REFRESH_TOKEN"),
    )
    settings = {
        "LIFTOS_HOME": str(home),
        "LIFTOS_LOOK_BACK_DAYS": "57",
        "LIFTOS_HTTP_WAIT_BUDGET_S": "0",
        "META_AD_ACCOUNT_IDS": ",".join(accounts["meta"]),
        "GOOGLE_ADS_CUSTOMER_IDS": ",".join(accounts["google_ads"]),
        **{f"LIFTOS_{name}_BASE_URL": address for name in names},
        **dict.fromkeys(secrets, SECRET),
    }
    program = str(Path(sys.executable).parent / "liftos")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIFTOS_")}
    return subprocess.run([program, "run"], env={**kept, **settings}, capture_output=True, text=True, check=False)


def gates(home: Path) -> dict[str, tuple]:
    with duckdb.connect(str(home / "liftos.duckdb"), read_only=True) as public:
        rows = public.execute(
            "SELECT subject, passed, way_out FROM quality.gates WHERE gate = 'fresh' AND as_of = ?", [YESTERDAY]
        ).fetchall()
    return {subject: (passed, way_out) for subject, passed, way_out in rows}


def forget_newest_day(home: Path, source: str) -> None:
    """As if the platform had not been pulled for its newest day."""
    with duckdb.connect(str(home / "warehouse" / "liftos.duckdb")) as connection:
        connection.execute("DELETE FROM ops.load_receipt WHERE source = ? AND date_day = ?", [source, YESTERDAY])


@pytest.mark.faults
def test_a_platform_that_is_down_does_not_stop_the_others(tmp_path: Path) -> None:
    platforms = Switch()
    with serve(platforms) as address:
        done = run(tmp_path, address)
        assert done.returncode == 0, done.stderr
        assert all(passed for passed, _ in gates(tmp_path).values())
        forget_newest_day(tmp_path, "meta")
        platforms.is_down = True
        done = run(tmp_path, address)
        assert done.returncode == 3
        assert "raw/meta_insights_daily was not pulled" in done.stderr
        assert "HTTP 503" in done.stderr
        assert "raw/google_ads_daily was not pulled" not in done.stderr
        assert gates(tmp_path)["meta.insights_daily"] == (
            False,
            f"Run `liftos run --date {YESTERDAY}`: it pulls what is missing.",
        )
        assert gates(tmp_path)["google_ads.daily"][0]
        platforms.is_down = False
        assert run(tmp_path, address).returncode == 0
        assert all(passed for passed, _ in gates(tmp_path).values())
