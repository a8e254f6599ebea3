"""What the user interface says of every asset: before anything ran, and after a run."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from PIL import Image

from tests.pipeline.conftest import FIRST, LAST

NO_TABLES = {"published/liftos", "quality/panel"}
"""A file, and checks of a table that is an asset itself."""
KEPT_FOR_READERS = {"staging/stg_google_ads__ad_groups", "staging/stg_klaviyo__metrics"}
"""Nothing of ours is computed from them."""
SHOWN = ("causal/verdicts", "causal/attribution", "causal/effect_estimates")
SHOWN_OF_QUALITY = ("quality/panel", "quality/gates", "quality/scores", "quality/placebos")
LARGEST_PICTURE = 40_000
MANIFEST = Path(__file__).parents[2] / "dbt_models" / "target" / "manifest.json"


@pytest.fixture(scope="module")
def nodes() -> list[dg.AssetKey]:
    from liftos_pipeline.definitions import defs

    return list(defs().resolve_asset_graph().asset_nodes)


@pytest.fixture(scope="module")
def instance(quiet_home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(quiet_home / "dagster")) as opened:
        yield opened


def name(node) -> str:
    return node.key.to_user_string()


def test_every_asset_says_what_it_is_and_whose(nodes: list) -> None:
    assert len(nodes) > 80
    without = {
        name(node)
        for node in nodes
        if len(node.description or "") < 15 or not node.owners or not node.kinds or node.group_name == "default"
    }
    assert without == set()


def test_every_table_has_its_columns_each_with_type_and_meaning(nodes: list) -> None:
    schemas = {name(node): node.metadata.get("dagster/column_schema") for node in nodes}
    assert {key for key, found in schemas.items() if found is None} == NO_TABLES
    poor = {
        (key, column.name)
        for key, found in schemas.items()
        if found is not None
        for column in found.columns
        if not column.description or column.type in ("", "?")
    }
    assert poor == set()


def test_all_but_pulls_come_from_something_and_all_but_the_last_lead_somewhere(nodes: list) -> None:
    assert {name(node).split("/")[0] for node in nodes if not node.parent_keys} == {"raw"}
    ends = {name(node) for node in nodes if not node.child_keys}
    assert ends == {"published/liftos", *KEPT_FOR_READERS}


def test_columns_of_models_are_those_of_the_database(quiet_home: Path) -> None:
    models = [
        node for node in json.loads(MANIFEST.read_text())["nodes"].values() if node["resource_type"] == "model"
    ]
    with duckdb.connect(str(quiet_home / "liftos.duckdb"), read_only=True) as connection:
        for model in models:
            given = model["config"].get("parameters") or []
            arguments = [f"DATE '{LAST}'", *(["120"] if "look_back" in given else [])]
            call = f"({', '.join(arguments)})" if given else ""
            described = connection.execute(f"DESCRIBE SELECT * FROM {model['schema']}.{model['name']}{call}")
            documented = {column["name"]: column["data_type"] for column in model["columns"].values()}
            assert documented == {row[0]: row[1] for row in described.fetchall()}, model["name"]


@pytest.mark.parametrize("key", [*SHOWN, *SHOWN_OF_QUALITY])
def test_results_carry_a_table_and_a_picture(instance: dg.DagsterInstance, key: str) -> None:
    event = instance.get_latest_materialization_event(dg.AssetKey(key.split("/")))
    metadata = event.asset_materialization.metadata
    head, rule, *lines = metadata["summary"].value.splitlines()
    assert set(rule) == {"|", "-"} and head.count("|") == rule.count("|") and len(lines) >= 6
    assert all(line.count("|") >= head.count("|") for line in lines if line.startswith("|"))
    png = base64.b64decode(
        metadata["picture"].value.removeprefix("![picture](data:image/png;base64,").removesuffix(")")
    )
    assert len(png) < LARGEST_PICTURE
    assert Image.open(BytesIO(png)).size[0] == 640


@pytest.mark.parametrize(
    ("key", "numbers"),
    [
        ("causal/verdicts", {"verdict_report", "verdict_widen", "verdict_direction_only", "verdict_refuse"}),
        ("causal/effect_estimates", {"effects", "effects_refused"}),
        ("causal/attribution", {"without_a_number"}),
        ("quality/gates", {"gates_failed", "errors"}),
        ("quality/scores", {"meta_overall", "google_ads_overall", "klaviyo_overall"}),
        ("quality/panel", {"checked", "failed"}),
    ],
)
def test_numbers_are_plotted_over_partitions(instance: dg.DagsterInstance, key: str, numbers: set[str]) -> None:
    for day in (FIRST, LAST):
        (record,) = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(key.split("/")), asset_partitions=[day]), limit=1
        ).records
        found = {
            label: entry.value
            for label, entry in record.asset_materialization.metadata.items()
            if isinstance(entry, dg.FloatMetadataValue | dg.IntMetadataValue)
        }
        assert numbers <= set(found), found
