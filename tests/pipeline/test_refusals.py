"""Bad input ends in one clear line and the promised exit code, and the last good data stays."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.pipeline.homes import liftos


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "said"),
    [
        (("run", "--date", "2999-01-01"), {}, 2, "expected a day from 2026-01-01 to"),
        (("run", "--date", "2025-12-31"), {}, 2, "expected a day from 2026-01-01 to"),
        (("run", "--date", "yesterday"), {}, 2, "expected a date as YYYY-MM-DD; found 'yesterday'"),
        (("run", "--as-of", "2026-05-01"), {}, 3, "expected a home that was filled"),
        (("run", "--as-of", "2026-05-01", "--date", "2026-05-01"), {}, 2, "expected --as-of alone"),
        (("run", "--from", "2026-05-01"), {}, 2, "expected --from and --to together"),
        (("run", "--from", "2026-05-02", "--to", "2026-05-01"), {}, 2, "a first day that is not after the last"),
        (
            ("run", "--date", "2026-05-01"),
            {"META_ACCESS_TOKEN": "x"},
            2,
            "META_ACCESS_TOKEN without META_AD_ACCOUNT_IDS",
        ),
        (("run", "--date", "2026-05-01"), {"LIFTOS_SCENARIO": "nowhere"}, 2, "scenario 'nowhere'"),
        (("run", "--date", "2026-05-01"), {"LIFTOS_LOOK_BACK_DAYS": "many"}, 2, "a valid LIFTOS_LOOK_BACK_DAYS"),
        (("run", "--date", "2026-05-01"), {"LIFTOS_HOME": "/proc/liftos"}, 3, "a home that can be written"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_calls(
    tmp_path: Path, arguments: tuple[str, ...], settings: dict[str, str], code: int, said: str
) -> None:
    done = liftos(tmp_path, *arguments, **settings)
    assert (done.returncode, said in " ".join(done.stderr.split())) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "liftos.duckdb").exists()


def test_a_newer_database_is_refused_and_left_alone(quiet_home: Path, tmp_path: Path) -> None:
    target = tmp_path / "warehouse" / "liftos.duckdb"
    target.parent.mkdir()
    target.write_bytes((quiet_home / "warehouse" / "liftos.duckdb").read_bytes())
    with duckdb.connect(str(target)) as connection:
        connection.execute("UPDATE ops.home SET schema_version = 99")
    before = target.read_bytes()
    done = liftos(tmp_path, "run", "--date", "2026-05-31")
    assert done.returncode == 3
    assert "version 99. Update liftos-pipeline" in " ".join(done.stderr.split())
    assert target.read_bytes() == before


def test_a_simulated_home_refuses_live_data(quiet_home: Path) -> None:
    live = {"KLAVIYO_PRIVATE_API_KEY": "pk_test", "LIFTOS_KLAVIYO_BASE_URL": "http://127.0.0.1:9"}
    done = liftos(quiet_home, "run", "--date", "2026-05-31", **live)
    assert done.returncode == 3
    assert "live and simulated data are never mixed" in " ".join(done.stderr.split())
