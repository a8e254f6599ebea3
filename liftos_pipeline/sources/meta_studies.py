"""Meta experiments: studies with their cells, one row per cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import orjson
import pyarrow as pa

from liftos_pipeline.schema import raw
from liftos_pipeline.sources.columns import Columns, convert, extras, part
from liftos_pipeline.sources.localtime import local_days
from liftos_pipeline.sources.meta_wire import next_link
from liftos_pipeline.sources.pull import Pull, Row
from liftos_pipeline.sources.stream import Query

_STUDY = ("id", "name", "type", "start_time", "end_time")
_CELL = ("id", "name", "treatment_percentage", "control_percentage", "geo_locations")
_MOST_CELLS, _MOST_CAMPAIGNS = 100, 5000
_FIELDS = (
    f"{','.join(_STUDY)},cells.limit({_MOST_CELLS}){{{','.join(_CELL)},campaigns.limit({_MOST_CAMPAIGNS}){{id}}}}"
)


def read_ad_studies(query: Query) -> pa.Table:
    """Cells of all studies as they stand; a study that ends at midnight ends with the day before."""
    pull = query.pull
    params: Mapping[str, str | int] = {"fields": _FIELDS, "limit": 100}
    for _ in pull.walk(f"act_{query.account_id}/ad_studies", params, next_link):
        continue
    of_study = [_whole(pull, study.get("cells"), "cells", place) for place, study in enumerate(pull.rows)]
    pairs = [(place, cell) for place, cells in enumerate(of_study) for cell in cells]
    studies = [pull.rows[place] for place, _ in pairs]
    cells = [cell for _, cell in pairs]
    campaigns = [_whole(pull, cell.get("campaigns"), "cells.campaigns", place) for place, cell in pairs]
    columns = Columns(raw.META_AD_STUDIES, pull, query.account_id, len(cells))
    columns.put("study_id", [study.get("id") for study in studies], "id")
    columns.put("cell_id", [cell.get("id") for cell in cells], "cells.id")
    columns.put("study_name", [study.get("name") for study in studies], "name")
    columns.put("study_type", [study.get("type") for study in studies], "type")
    columns.keep("start_on", _days(query, studies, "start_time"))
    columns.keep("end_on", _days(query, studies, "end_time", timedelta(microseconds=1)))
    columns.put("cell_name", [cell.get("name") for cell in cells], "cells.name")
    for column, field in (("treatment_pct", "treatment_percentage"), ("control_pct", "control_percentage")):
        columns.put(column, [cell.get(field) for cell in cells], f"cells.{field}", minimum=0)
    columns.put("campaign_ids", [_sorted(entries, "id") for entries in campaigns], "cells.campaigns")
    regions = [place.get("regions") or [] for place in part(cells, "geo_locations", pull)]
    columns.put("region_names", [_sorted(_objects(pull, r, "regions"), "name") for r in regions], "cells.regions")
    known = frozenset((*_STUDY, "cells")), frozenset((*_CELL, "campaigns"))
    return columns.finish(extras([("", studies, known[0]), ("cells.", cells, known[1])], len(cells)))


def _whole(pull: Pull, edge: object, field: str, place: int) -> list[Row]:
    """Entries of a nested edge, which has to be whole: its next pages are not followed."""
    if edge is None:
        return []
    if not isinstance(edge, dict):
        raise pull.malformed(field, edge, "an object with data", place)
    if next_link(edge):
        raise pull.malformed(field, f"{len(_objects(pull, edge.get('data'), field))} and a next page", "one page")
    return _objects(pull, edge.get("data"), field)


def _objects(pull: Pull, entries: object, field: str) -> list[Row]:
    if not isinstance(entries, list) or not all(type(entry) is dict for entry in entries):
        raise pull.malformed(field, entries, "a list of objects")
    return entries


def _sorted(entries: Sequence[Row], name: str) -> str:
    """JSON array of one member, sorted: the order of an edge means nothing."""
    return orjson.dumps(sorted(str(entry[name]) for entry in entries if name in entry)).decode()


def _days(query: Query, rows: Sequence[Row], field: str, before: timedelta = timedelta()) -> pa.Array:
    """Local days of instants; NULL where there is none."""
    found: list[object] = [None] * len(rows)
    for place, row in enumerate(rows):
        try:
            instant = convert([row.get(field)], pa.timestamp("us"))[0].as_py()
        except (pa.ArrowException, OverflowError) as error:
            raise query.pull.malformed(field, row.get(field), "an instant (ISO 8601 with offset)") from error
        if isinstance(instant, datetime):
            found[place] = local_days(np.array([instant - before], "datetime64[us]"), query.account.zone)[0].item()
    return pa.array(found, pa.date32())
