"""Reads of a published home: newest day, filters, pages, and the file that is swapped underneath."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from liftos_pipeline.api.analyze import answer
from liftos_pipeline.api.models import PageOut, QualityOut
from liftos_pipeline.errors import NotPublished, WarehouseError
from liftos_pipeline.schema.results import EFFECT_ESTIMATES
from liftos_pipeline.warehouse.public import PublicDatabase
from liftos_pipeline.warehouse.publish import publish
from liftos_pipeline.warehouse.results import replace_partitions
from tests import service
from tests.service import DAY, OLD_DAY


def get(path: str, **parameters: object) -> dict:
    answer = service.shared().get(f"/api/v1/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return service.strict(answer)


def test_newest_day_is_the_default_and_another_can_be_named() -> None:
    assert (get("effects")["as_of"], get("effects")["total"]) == (str(DAY), 2)
    older = get("effects", as_of=str(OLD_DAY))
    assert (older["as_of"], older["total"]) == (str(OLD_DAY), 1)
    assert get("effects", as_of="2020-01-01")["items"] == []


def test_an_effect_as_plain_data() -> None:
    told, refused = get("effects")["items"]
    assert told["estimate"] == 2.0
    assert told["diagnostics"] == {"ess_control": 40.0}
    assert told["warnings"] == ["one", "two"]
    assert refused["refused"] == "overlap is poor"
    assert refused["certified_size"] is None, "an infinite number is no JSON"


@pytest.mark.parametrize(
    ("path", "parameters", "total"),
    [
        ("effects", {"platform": "meta", "method": "doubly_robust", "role": "primary"}, 2),
        ("effects", {"outcome": "revenue_reported"}, 1),
        ("effects", {"platform": "x' OR 1=1 --"}, 0),
        ("paths", {"outcome": "conversions_reported"}, 9),
        ("verdicts", {"verdict": "refuse"}, 1),
        ("attribution", {"scope": "treatment", "unit_id": "all"}, 2),
        ("attribution", {"scope": "channel"}, 0),
        ("quality", {"passed": False}, 1),
        ("quality", {"gate": "fresh"}, 1),
        ("runs", {}, 2),
        ("runs", {"as_of": str(OLD_DAY)}, 1),
    ],
)
def test_filters(path: str, parameters: dict, total: int) -> None:
    found = get(path, **parameters)
    assert found["total"] == total == len(found["items"])
    (QualityOut if path == "quality" else PageOut).model_validate(found)


@pytest.mark.parametrize(
    ("limit", "offset", "weeks"), [(9, 0, 9), (4, 0, 4), (4, 4, 4), (4, 8, 1), (4, 9, 0), (10, 0, 9)]
)
def test_pages(limit: int, offset: int, weeks: int) -> None:
    found = get("paths", limit=limit, offset=offset)
    assert [item["event_time"] for item in found["items"]] == [-4 + offset + n for n in range(weeks)]
    assert (found["total"], found["limit"], found["offset"]) == (9, limit, offset)


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "offset=-1", "as_of=today"])
def test_wrong_pages(query: str) -> None:
    found = service.problem(service.shared().get(f"/api/v1/effects?{query}"), 422)
    assert found["errors"][0]["field"] == f"query.{query.split('=')[0]}"


def test_verdicts_and_gates_list_what_failed() -> None:
    assert [item["gates_failed"] for item in get("verdicts")["items"]] == [[], ["overlap"]]
    assert get("quality", gate="overlap")["items"][0]["offenders"] == ["a"]
    assert get("runs")["items"][0]["settings"] == {"liftos_seed": 0}


def test_without_a_database_only_health_answers(tmp_path: Path) -> None:
    client = service.client(tmp_path)
    assert client.get("/health").json()["status"] == "ok"
    for path in ("/ready", "/api/v1/effects", "/api/v1/runs", "/api/v1/quality"):
        assert "liftos run" in service.problem(client.get(path), 503)["way_out"]
    call = {"method": None, "level": 0.95, "seed": 0, "database": str(tmp_path / "liftos.duckdb")}
    assert answer("counterfactual", b'{"platform": "meta", "treatment_type": "budget_change"}', call)[0] == 503


def test_a_database_that_is_none_is_told_without_its_text(tmp_path: Path) -> None:
    (tmp_path / "liftos.duckdb").write_bytes(b"no database " * 1000)
    found = service.client(tmp_path).get("/api/v1/effects")
    assert str(tmp_path) not in found.text
    assert service.problem(found, 503)["found"] == "one that does not"


def test_what_is_published_anew_is_read_at_once(tmp_path: Path) -> None:
    warehouse = service.published_home(tmp_path)
    client = service.client(tmp_path)
    assert client.get("/ready").json() == {"status": "ready", "as_of": str(DAY)}
    assert client.get("/api/v1/effects").json()["as_of"] == str(DAY)
    newer = pd.DataFrame(service.results()[EFFECT_ESTIMATES])
    replace_partitions(warehouse, EFFECT_ESTIMATES, {DAY + timedelta(days=1): newer}, "run-2")
    assert client.get("/api/v1/effects").json()["as_of"] == str(DAY), "not published yet"
    publish(warehouse)
    assert client.get("/api/v1/effects").json()["as_of"] == str(DAY + timedelta(days=1))


def test_scores_are_read_where_the_home_has_them(tmp_path: Path) -> None:
    warehouse = service.published_home(tmp_path)
    with warehouse.write() as connection:
        connection.execute(
            "CREATE OR REPLACE TABLE quality.scores (as_of DATE, platform VARCHAR, part VARCHAR, score DOUBLE)"
        )
        rows = [(OLD_DAY, "meta", "overall", 0.1), (DAY, "meta", "overall", 0.8), (DAY, "meta", "maturity", 0.7)]
        connection.executemany("INSERT INTO quality.scores VALUES (?, ?, ?, ?)", rows)
    publish(warehouse)
    client = service.client(tmp_path)
    scores = client.get("/api/v1/quality").json()["scores"]
    assert [(row["part"], row["score"]) for row in scores] == [("maturity", 0.7), ("overall", 0.8)]
    older = client.get("/api/v1/quality", params={"as_of": str(OLD_DAY)}).json()["scores"]
    assert [(row["part"], row["score"]) for row in older] == [("overall", 0.1)]
    call = {"method": "doubly_robust", "level": 0.95, "seed": 0, "database": str(tmp_path / "liftos.duckdb")}
    status, found = answer("analyze", b'{"table": "causal.causal_marketing_data"}', call)
    assert (status, found["data_quality_score"], found["data_quality"]["parts"]) == (200, 0.8, {"meta": 0.8})


def test_the_database_is_read_only_and_nothing_else_is_in_reach(tmp_path: Path) -> None:
    service.published_home(tmp_path)
    database = PublicDatabase(tmp_path / "liftos.duckdb")
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    import duckdb

    for query in (
        f"SELECT * FROM read_csv('{secret}')",
        f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
        f"ATTACH '{tmp_path / 'warehouse' / 'liftos.duckdb'}' AS working",
        "DELETE FROM {home}.causal.effect_estimates",
        "SET enable_external_access = true",
        "INSTALL httpfs",
    ):
        with pytest.raises(duckdb.Error, match=r"disabled|read-only|locked"):
            database.rows(query)
    assert not (tmp_path / "out.csv").exists()


def test_a_reader_keeps_the_file_that_it_began_with(tmp_path: Path) -> None:
    warehouse = service.published_home(tmp_path)
    database = PublicDatabase(tmp_path / "liftos.duckdb")
    cursor = database._run("SELECT count(*) FROM {home}.causal.effect_estimates", None)
    publish(warehouse)
    assert database.newest("causal.effect_estimates") == DAY
    assert cursor.fetchall() == [(3,)]


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotPublished, match="liftos run"):
        PublicDatabase(tmp_path / "none.duckdb").version()
    service.published_home(tmp_path)
    database = PublicDatabase(tmp_path / "liftos.duckdb")
    assert database.columns("mart.nothing") == {}
    with pytest.raises(WarehouseError, match="a home that has this table"):
        database.rows("SELECT * FROM {home}.mart.nothing")
