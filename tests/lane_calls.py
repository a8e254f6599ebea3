"""Calls for lanes: in a module of their own, since another process has to find them."""

from __future__ import annotations

import os
import time

import pandas as pd

from liftos_pipeline.errors import WarehouseError

_made: list[int] = []


def numbered(number: int) -> pd.DataFrame:
    """The number, the process, and the calls that it has made so far."""
    _made.append(number)
    return pd.DataFrame({"number": [number], "process": [os.getpid()], "made": [len(_made)]})


def refused() -> pd.DataFrame:
    raise WarehouseError("a day", "a night", "Wait.")


def told_then_slept(path: str) -> pd.DataFrame:
    with open(path, "w") as told:  # noqa: PTH123
        told.write(str(os.getpid()))
    time.sleep(300)
    return pd.DataFrame()
