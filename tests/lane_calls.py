"""Calls for lanes: in a module of their own, since another process has to find them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pandas as pd

from liftos_pipeline.errors import WarehouseError

_made: list[int] = []


def numbered(number: int, seconds: float = 0.0) -> pd.DataFrame:
    """The number, the process, and the calls that it has made so far."""
    time.sleep(seconds)
    _made.append(number)
    return pd.DataFrame({"number": [number], "process": [os.getpid()], "made": [len(_made)]})


def refused() -> pd.DataFrame:
    raise WarehouseError("a day", "a night", "Wait.")


def told_then_slept(path: str) -> pd.DataFrame:
    Path(path).write_text(str(os.getpid()))
    time.sleep(300)
    return pd.DataFrame()
