"""Published data sets that ship inside Python packages, as the witnesses use them. ``data/README.md`` has the sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from liftos_pipeline.causal import Panel

FOLDER = Path(__file__).with_name("data")
SCORED = [
    "age",
    "age2",
    "age3",
    "educ",
    "educ2",
    "marr",
    "nodegree",
    "black",
    "hisp",
    "re74",
    "re75",
    "u74",
    "u75",
    "educ_re74",
]
"""Columns of the propensity model of Cunningham (2021), section 5.3."""
EARNINGS = dict.fromkeys(("re74", "re75", "re78"), "float32")
ADJUSTED = ["age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75"]
CONTROLS = ["exper", "expersq", "black", "south", "smsa", "smsa66", *(f"reg66{number}" for number in range(1, 9))]
PROXIMITY = {"card, one instrument": ["nearc4"], "card, two instruments": ["nearc2", "nearc4"]}


def workers(source: str) -> pd.DataFrame:
    """``nsw``: the experiment. ``cps``: its treated men beside the men of a survey. One row per man, ``unit`` names it."""
    rows = pd.read_csv(FOLDER / "workers.csv.gz", dtype=EARNINGS).assign(unit=lambda f: np.arange(len(f)))
    chosen = rows["source"] == "nsw" if source == "nsw" else (rows["source"] == "cps") | (rows["treat"] == 1)
    frame = rows.loc[chosen, rows.columns != "source"].reset_index(drop=True)
    if source == "nsw":
        return frame
    wide = frame.astype({name: float for name in ADJUSTED})
    return wide.assign(
        age2=wide["age"] ** 2,
        age3=wide["age"] ** 3,
        educ2=wide["educ"] ** 2,
        u74=(wide["re74"] == 0).astype(float),
        u75=(wide["re75"] == 0).astype(float),
        educ_re74=wide["educ"] * wide["re74"],
    )


def scaled(frame: pd.DataFrame) -> np.ndarray:
    """Design of the propensity model: a constant, and columns over their standard deviations."""
    columns = frame[SCORED].to_numpy()
    return np.column_stack([np.ones(len(frame)), columns / columns.std(axis=0)])


def comparison(coefficients: list[float], low: float = 0.0, high: float = 1.0) -> pd.DataFrame:
    """Treated men and survey men with their scores ``e``, those between the limits only."""
    frame = workers("cps")
    frame["e"] = 1.0 / (1.0 + np.exp(-scaled(frame) @ np.array(coefficients)))
    return frame[frame["e"].between(low, high)].reset_index(drop=True)


def workers_panel(frame: pd.DataFrame) -> Panel:
    """Earnings in 1978 by training; with scores where the frame has them."""
    scores = "e" if "e" in frame else None
    return Panel.from_frame(
        frame,
        outcome="re78",
        treatment="treat",
        unit="unit",
        covariates=ADJUSTED if scores else (),
        propensity=scores,
    )


def card() -> pd.DataFrame:
    """Men of the National Longitudinal Survey: log wage, schooling, proximity of a college."""
    return pd.read_csv(FOLDER / "card.csv.gz").assign(unit=lambda f: np.arange(len(f)))


def organ_donations() -> pd.DataFrame:
    """Registration rates of 27 states in six quarters; California changed its question in the fourth."""
    frame = pd.read_csv(FOLDER / "organ_donations.csv.gz")
    return frame.assign(d=((frame["State"] == "California") & (frame["Quarter_Num"] >= 4)).astype(int))


def castle() -> pd.DataFrame:
    """Log homicide rates of 50 states, 2000 to 2010; 21 adopt a law in five different years (``first``; 0: never)."""
    frame = pd.read_csv(FOLDER / "castle.csv.gz")
    first = frame[frame["post"] == 1].groupby("sid")["year"].min()
    return frame.assign(first=frame["sid"].map(first).fillna(0).astype(int))


def mpdta() -> pd.DataFrame:
    """Log teen employment of 500 counties, 2003 to 2007; states raise their minimum wage in 2004, 2006 or 2007."""
    frame = pd.read_csv(FOLDER / "mpdta.csv.gz").rename(columns={"first_treat": "first"})
    return frame.assign(d=((frame["first"] > 0) & (frame["year"] >= frame["first"])).astype(int))


def texas() -> pd.DataFrame:
    """Black men in prison in 51 states, 1985 to 2000; Texas doubled its prisons from 1993 on, ``d`` from 1994 on.

    ``earlier``: their mean in 1988 and 1990 to 1992.
    """
    frame = pd.read_csv(FOLDER / "texas.csv.gz")
    chosen = frame[frame["year"].isin([1988, 1990, 1991, 1992])]
    return frame.assign(
        d=((frame["state"] == "Texas") & (frame["year"] >= 1994)).astype(int),
        earlier=frame["state"].map(chosen.groupby("state")["bmprison"].mean()),
    )
