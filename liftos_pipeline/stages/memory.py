"""Functions that are asked the same thing day after day: the answers to the newest inputs are kept while the process lives."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from copy import copy
from functools import wraps
from typing import ParamSpec, TypeVar

import pandas as pd

P = ParamSpec("P")
Answer = TypeVar("Answer")
MOST_KEPT = 128


def remembered(function: Callable[P, Answer]) -> Callable[P, Answer]:
    """Answer equal inputs from memory, with a copy.

    The function's answer must depend on its inputs alone. Tables are equal where every label, type and value is;
    other inputs where their representations are.
    """
    kept: OrderedDict[bytes, Answer] = OrderedDict()

    @wraps(function)
    def asked(*args: P.args, **kwargs: P.kwargs) -> Answer:
        key = _digest((*args, *sorted(kwargs.items())))
        if key not in kept:
            kept[key] = function(*args, **kwargs)
            if len(kept) > MOST_KEPT:
                kept.popitem(last=False)
        kept.move_to_end(key)
        return copy(kept[key])

    return asked


def _digest(values: tuple[object, ...]) -> bytes:
    found = hashlib.sha256()
    for value in values:
        if isinstance(value, pd.DataFrame):
            found.update(repr((value.shape, list(value.columns), list(map(str, value.dtypes)))).encode())
            for column in (value.index.to_series(), *(value[name] for name in value)):
                entries = column.to_numpy()
                found.update(repr(entries.tolist()).encode() if entries.dtype == object else entries.tobytes())
        else:
            found.update(repr(value).encode())
        found.update(b"\0")
    return found.digest()
