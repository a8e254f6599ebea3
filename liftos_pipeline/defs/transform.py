"""dbt: staging, intermediate, marts. One build per run; its models are assets, its tests are checks."""

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets

from liftos_pipeline.defs.dbt_project import DBT_PROJECT
from liftos_pipeline.defs.presentation import OWNERS
from liftos_pipeline.errors import LiftosError
from liftos_pipeline.settings import load_settings


class Translator(DagsterDbtTranslator):
    """Asset keys are schema and name; groups are the layers."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            return super().get_asset_key(dbt_resource_props)
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return dbt_resource_props["schema"]

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return OWNERS


if not DBT_PROJECT.manifest_path.exists():
    raise LiftosError(
        "the manifest of the dbt project",
        f"none at {DBT_PROJECT.manifest_path.name}",
        "Run `make setup`, which makes it.",
    )


@dbt_assets(
    manifest=DBT_PROJECT.manifest_path,
    project=DBT_PROJECT,
    dagster_dbt_translator=Translator(settings=DagsterDbtTranslatorSettings(enable_asset_checks=True)),
)
def transformations(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator:
    """Build what depends on the raw tables. The models hold every version of every day: they have no partitions."""
    target = load_settings().home / "dbt" / context.run.run_id
    yield from dbt.cli(["build"], context=context, target_path=target).stream()
    shutil.rmtree(target)
