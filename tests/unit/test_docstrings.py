"""Examples in docstrings say what they give."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "liftos_pipeline"
WITH_EXAMPLES = sorted(path for path in PACKAGE.rglob("*.py") if ">>>" in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_examples_give_what_they_say(path: Path) -> None:
    names = path.relative_to(PACKAGE.parent).with_suffix("").parts
    module = importlib.import_module(".".join(names).removesuffix(".__init__"))
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert found.attempted >= 1
    assert found.failed == 0


def test_the_calls_that_people_make_have_one() -> None:
    named = {path.relative_to(PACKAGE).as_posix() for path in WITH_EXAMPLES}
    assert {"causal/__init__.py", "causal/panel.py", "causal/power.py", "causal/certificate.py"} <= named
