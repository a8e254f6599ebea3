"""Google Ads experiments and their arms."""

from __future__ import annotations

import orjson
import pyarrow as pa

from liftos_pipeline.schema import raw
from liftos_pipeline.sources.columns import Columns, extras, part
from liftos_pipeline.sources.google_wire import known_fields, last_id, search
from liftos_pipeline.sources.pull import Pull
from liftos_pipeline.sources.stream import Query

_EXPERIMENTS = (
    "experiment.experiment_id, experiment.name, experiment.type, experiment.status, experiment.start_date, "
    "experiment.end_date"
)
_ARMS = (
    "experiment_arm.resource_name, experiment_arm.experiment, experiment_arm.name, experiment_arm.control, "
    "experiment_arm.traffic_split, experiment_arm.campaigns"
)


def read_experiments(query: Query) -> pa.Table:
    pull = query.pull
    rows = part(search(pull, query.account_id, f"SELECT {_EXPERIMENTS} FROM experiment"), "experiment", pull)
    columns = Columns(raw.GOOGLE_ADS_EXPERIMENTS, pull, query.account_id, len(rows))
    fields = {
        "experiment_id": "experimentId",
        "experiment_name": "name",
        "experiment_type": "type",
        "status": "status",
        "start_on": "startDate",
        "end_on": "endDate",
    }
    for column, field in fields.items():
        columns.put(column, [row.get(field) for row in rows], f"experiment.{field}")
    return columns.finish(_extra(pull, _EXPERIMENTS, "experiment"))


def read_experiment_arms(query: Query) -> pa.Table:
    """Arms; ``control`` is left out where it is false, campaigns where there are none."""
    pull = query.pull
    rows = part(search(pull, query.account_id, f"SELECT {_ARMS} FROM experiment_arm"), "experimentArm", pull)
    columns = Columns(raw.GOOGLE_ADS_EXPERIMENT_ARMS, pull, query.account_id, len(rows))
    columns.put("experiment_id", [last_id(row.get("experiment")) for row in rows], "experimentArm.experiment")
    names = [last_id(row.get("resourceName")) for row in rows]
    columns.put("arm_id", [_after_tilde(name) for name in names], "experimentArm.resourceName")
    columns.put("arm_name", [row.get("name") for row in rows], "experimentArm.name")
    columns.put("is_control", [row.get("control", False) for row in rows], "experimentArm.control")
    columns.put("traffic_split_pct", [row.get("trafficSplit") for row in rows], "experimentArm.trafficSplit", 0)
    columns.put("campaign_ids", [_campaigns(pull, row.get("campaigns", []), i) for i, row in enumerate(rows)])
    return columns.finish(_extra(pull, _ARMS, "experimentArm"))


def _after_tilde(name: object) -> object:
    return name.rsplit("~", 1)[-1] if isinstance(name, str) else name


def _campaigns(pull: Pull, names: object, row: int) -> str:
    """JSON array of campaign ids, sorted: the order of the arm's campaigns means nothing."""
    if not isinstance(names, list):
        raise pull.malformed("experimentArm.campaigns", names, "a list", row)
    return orjson.dumps(sorted(str(last_id(name)) for name in names)).decode()


def _extra(pull: Pull, fields: str, name: str) -> list[str | None]:
    """Members of the rows that were not asked for."""
    known = known_fields(fields)
    parts = [("", pull.rows, frozenset(known)), (f"{name}.", part(pull.rows, name, pull), known[name])]
    return extras(parts, len(pull.rows))
