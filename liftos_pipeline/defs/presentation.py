"""What the UI shows of every asset: owners, column schema, summaries, pictures. No pipeline logic."""

import base64
from collections.abc import Mapping

import dagster as dg
import pandas as pd

from liftos_pipeline.schema import Table

OWNERS = ["team:growth-data"]
_MOST_ROWS = 30
_LONGEST = 80
"""Characters of a cell."""


def column_schema(table: Table) -> Mapping[str, object]:
    """Definition metadata: columns with type and meaning, and where the table is."""
    columns = [
        dg.TableColumn(
            name=column.name,
            type=column.type,
            description=column.meaning,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in table.columns
    ]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/relation_identifier": f"liftos.{table.full_name}",
    }


def image(png: bytes) -> dg.MetadataValue:
    """A picture as Markdown."""
    return dg.MetadataValue.md(f"![picture](data:image/png;base64,{base64.b64encode(png).decode()})")


def shown_of(rows: pd.DataFrame, columns: tuple[str, ...], png: bytes | None) -> dict[str, dg.MetadataValue]:
    """Metadata of a materialisation: a summary, and a picture where there is one."""
    told = {"summary": markdown_table(rows, columns)}
    return told if png is None else {**told, "picture": image(png)}


def markdown_table(rows: pd.DataFrame, columns: tuple[str, ...]) -> dg.MetadataValue:
    """First rows as a Markdown table; says how many there are where it does not show all."""
    shown = [name for name in columns if name in rows.columns]
    lines = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    for row in rows[shown].head(_MOST_ROWS).itertuples(index=False):
        lines.append("| " + " | ".join(_cell(value) for value in row) + " |")
    if len(rows) > _MOST_ROWS:
        lines.append(f"\n{_MOST_ROWS} of {len(rows):,} rows")
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value).replace("\n", "; ")
    return (text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…").replace("|", "\\|")
