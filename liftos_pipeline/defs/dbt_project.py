"""Where the dbt project and its manifest are. ``make setup`` parses it; definitions only read the manifest."""

from pathlib import Path

from dagster_dbt import DbtProject

DBT_PROJECT = DbtProject(project_dir=Path(__file__).parents[2] / "dbt_models")
