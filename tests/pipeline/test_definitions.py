"""Dagster loads the project, the doctor sees the home, and a failed run is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest

from tests.pipeline.conftest import LAST
from tests.pipeline.homes import environment, liftos

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [("dagster", "definitions", "validate", "-w", "workspace.yaml"), ("dg", "check", "defs")],
    ids=lambda command: command[0],
)
def test_definitions_are_valid(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=ROOT,
        env={**environment(tmp_path), "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


LIVE_KEYS = (
    "from liftos_pipeline.definitions import defs; "
    "print(*(key.to_user_string() for key in defs().resolve_all_asset_keys()))"
)


def test_a_live_home_has_no_simulated_truth(tmp_path: Path) -> None:
    live = environment(tmp_path, META_ACCESS_TOKEN="a-token", META_AD_ACCOUNT_IDS="1")
    done = subprocess.run([sys.executable, "-c", LIVE_KEYS], env=live, capture_output=True, text=True, check=True)
    keys = set(done.stdout.split())
    assert {"raw/meta_insights_daily", "raw/fred_observations", "published/liftos"} <= keys
    assert not any(key.startswith("truth/") for key in keys)


def test_doctor_names_what_is_there(quiet_home: Path) -> None:
    done = liftos(quiet_home, "doctor", "--json")
    assert done.returncode == 0
    assert f'"newest_as_of": "{LAST}"' in done.stdout
    assert '"source_mode": "simulated"' in done.stdout
    assert '"late_releases": []' in done.stdout


@dg.op
def breaks() -> None:
    raise RuntimeError("the disk is full")


@dg.job
def broken() -> None:
    breaks()


@pytest.mark.parametrize("configured", [True, False])
def test_a_failed_run_is_posted_where_the_settings_say(monkeypatch: pytest.MonkeyPatch, configured: bool) -> None:
    from liftos_pipeline.defs.automation import failed_run_alarm

    posted: list[dict[str, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Receiver) as server, dg.DagsterInstance.ephemeral() as instance:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        if configured:
            monkeypatch.setenv("LIFTOS_ALERT_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/alarm")
        failed = broken.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="failed_run_alarm",
            dagster_event=failed.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=failed.dagster_run,
        )
        failed_run_alarm(context.for_run_failure())
        server.shutdown()
    assert len(posted) == int(configured)
    assert all(f"run {failed.run_id[:8]} of broken failed" in entry["text"] for entry in posted)
