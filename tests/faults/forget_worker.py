"""Erases a person from the home that the environment names. Called with ``python -m``; says ``ready`` before it begins."""

from __future__ import annotations

import sys

from liftos_pipeline.forget import forget_person
from liftos_pipeline.ingest import open_home
from liftos_pipeline.settings import load_settings

if __name__ == "__main__":
    home = open_home(load_settings())
    print("ready", flush=True)  # noqa: T201
    forget_person(home, sys.argv[1], sys.argv[2])
