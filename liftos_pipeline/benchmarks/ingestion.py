"""Wire bytes to committed rows: Meta insights over real HTTP, in rows per second and peak memory of the process that pulls.

The platform is a process of its own that answers with prepared bytes, so that only our work is counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

PAGE_ROWS = 500
ACCOUNT = "1001"
_HEAD = '{{"account_id":"1001","account_currency":"USD","campaign_id":"{campaign}","campaign_name":"Campaign {n}"'
_AD = ',"adset_id":"{adset}","ad_id":"{ad}"'
_TAIL = (
    ',"date_start":"@DAY@","date_stop":"@DAY@","spend":"{spend}","impressions":"{shown}","reach":"{reach}",'
    '"frequency":"1.25","ctr":"2.300000","clicks":"23","inline_link_clicks":"20","actions":['
    '{{"action_type":"link_click","value":"20"}},{{"action_type":"omni_purchase","value":"3","1d_click":"1",'
    '"7d_click":"2","28d_click":"3","1d_view":"0"}}],"action_values":[{{"action_type":"omni_purchase","value":"90.5"}}],'
    '"attribution_setting":"7d_click_1d_view","quality_ranking":"AVERAGE"}}'
)


@dataclass(frozen=True)
class IngestionTimes:
    """One pull of ``rows`` rows: wall and processor seconds and peak memory of the pulling process.

    ``increment_*``: the next day's run, which pulls the restatement window again.
    """

    rows: int
    days: int
    seconds: float
    processor_s: float
    peak_mb: float
    increment_rows: int
    increment_s: float
    increment_processor_s: float

    @property
    def rows_per_s(self) -> float:
        return self.rows / self.seconds


def measure(n_rows: int = 1_000_000, days: int = 28) -> IngestionTimes:
    """Fill an empty home with ``n_rows`` insights of ``days`` days in a process of its own, then run the next day."""
    ads_a_day = n_rows // days * 9 // 10
    with tempfile.TemporaryDirectory() as folder, _platform(ads_a_day, ads_a_day // 9) as address:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("LIFTOS_", "META_"))},
            "LIFTOS_HOME": folder,
            "LIFTOS_META_BASE_URL": address,
            "META_ACCESS_TOKEN": "a-token-of-the-benchmark",
            "META_AD_ACCOUNT_IDS": ACCOUNT,
        }
        command = [sys.executable, "-m", __name__, "pull", str(days)]
        answer = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return IngestionTimes(days=days, **json.loads(answer.stdout.splitlines()[-1]))


@contextmanager
def _platform(ads: int, campaigns: int) -> Iterator[str]:
    command = [sys.executable, "-m", __name__, "serve", str(ads), str(campaigns)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def serve(ads: int, campaigns: int) -> None:
    """Answer for one account until killed; prints the address first."""
    pages = {level: _pages(level, count) for level, count in (("ad", ads), ("campaign", campaigns))}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            body = self._insights(path, query) if path.endswith("/insights") else _account()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _insights(self, path: str, query: dict[str, list[str]]) -> bytes:
            span = json.loads(query["time_range"][0])
            first, last = (date.fromisoformat(span[name]) for name in ("since", "until"))
            stored = pages[query["level"][0]]
            at = int(query.get("after", ["0"])[0])
            offset, number = divmod(at, len(stored))
            day = first + timedelta(days=offset)
            rows = stored[number].replace(b"@DAY@", day.isoformat().encode())
            following = at + 1
            if following >= len(stored) * ((last - first).days + 1):
                return b'{"data":[' + rows + b"]}"
            kept = {name: values[0] for name, values in query.items() if name != "after"}
            link = f"http://{self.headers['Host']}{path}?{urlencode({**kept, 'after': following})}"
            return b'{"data":[' + rows + b'],"paging":{"next":' + json.dumps(link).encode() + b"}}"

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
    server.serve_forever()


def _account() -> bytes:
    return json.dumps({"id": f"act_{ACCOUNT}", "currency": "USD", "timezone_name": "Etc/UTC"}).encode()


def _pages(level: str, count: int) -> list[bytes]:
    rows = [_row(level, number) for number in range(count)]
    return [",".join(rows[start : start + PAGE_ROWS]).encode() for start in range(0, count, PAGE_ROWS)] or [b""]


def _row(level: str, number: int) -> str:
    campaign = 120_000_000_000 + (number if level == "campaign" else number // 9)
    inner = _AD.format(adset=130_000_000_000 + number // 3, ad=140_000_000_000 + number) if level == "ad" else ""
    numbers = {
        "spend": f"{10 + number % 90}.{number % 100:02d}",
        "shown": 1_000 + number,
        "reach": 800 + number // 2,
    }
    return _HEAD.format(campaign=campaign, n=campaign % 1000) + inner + _TAIL.format(**numbers)


def pull(days: int) -> None:
    """Pull in this process and print what it took, as JSON."""
    import resource
    import time

    from liftos_pipeline.ingest import open_home, pull_stream
    from liftos_pipeline.settings import load_settings

    settings = load_settings().model_copy(update={"liftos_look_back_days": days})
    home = open_home(settings)
    today = datetime.now(UTC).date()
    facts: dict[str, float] = {}
    for name, as_of in (("", today - timedelta(days=2)), ("increment_", today - timedelta(days=1))):
        wall, processor = time.perf_counter(), time.process_time()
        done = pull_stream(home, "meta", "insights_daily", [as_of], f"bench{name}")
        facts |= {
            f"{name}rows": done.rows,
            f"{name or ''}{'s' if name else 'seconds'}": time.perf_counter() - wall,
            f"{name}processor_s": time.process_time() - processor,
        }
        facts.setdefault("peak_mb", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(facts))  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(*map(int, sys.argv[2:]))
    else:
        pull(int(sys.argv[2]))
