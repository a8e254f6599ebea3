"""Writes ``data/``: the columns that the tests need of data sets that ship inside Python packages.

Run from the repository's root, in an environment that has the packages:

    python -m venv peers && peers/bin/pip install causaldata==0.1.5 linearmodels==7.1 pyarrow "pandas<3"
    peers/bin/pip download --no-deps moderndid==0.2.0 && unzip moderndid-*.whl "*/mpdta_long.pkl.gz"
    peers/bin/python tests/reference/make_shipped_data.py moderndid/core/datasets/mpdta_long.pkl.gz
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).with_name("data")
WORKERS = ["treat", "age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75", "re78"]
MEN = ["educ", "lwage", "nearc2", "nearc4", "exper", "expersq", "black", "south", "smsa", "smsa66"]
REGIONS = [f"reg66{number}" for number in range(1, 9)]
PRISONS = ["state", "year", "bmprison", "alcohol", "income", "ur", "poverty", "black", "perc1519", "aidscapita"]
STATES = ["sid", "year", "post", "l_homicide", "popwt"]


def main() -> None:
    """One compressed file per data set."""
    import causaldata
    from linearmodels.datasets import card

    experiment = causaldata.nsw_mixtape.load_pandas().data[WORKERS].assign(source="nsw")
    survey = causaldata.cps_mixtape.load_pandas().data[WORKERS].assign(source="cps")
    workers = pd.concat([experiment, survey], ignore_index=True)
    small = {name: "int8" for name in WORKERS[:7]} | {name: "float32" for name in WORKERS[7:]}
    _write(workers.astype(small), "workers")
    _write(card.load()[[*MEN, *REGIONS]], "card")
    _write(causaldata.organ_donations.load_pandas().data[["State", "Quarter_Num", "Rate"]], "organ_donations")
    _write(causaldata.texas.load_pandas().data[PRISONS], "texas")
    _write(causaldata.castle.load_pandas().data[STATES], "castle")
    counties = pd.read_pickle(sys.argv[1]).rename(columns={"first.treat": "first_treat"})
    counties = counties.astype({"year": int, "countyreal": int, "first_treat": int})
    _write(counties[["countyreal", "year", "first_treat", "lemp", "lpop"]], "mpdta")


def _write(frame: pd.DataFrame, name: str) -> None:
    frame.to_csv(
        FOLDER / f"{name}.csv.gz", index=False, compression={"method": "gzip", "compresslevel": 9, "mtime": 0}
    )


if __name__ == "__main__":
    main()
