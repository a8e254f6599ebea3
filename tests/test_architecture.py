"""Who may import whom. The rules stand in one table; every module of the package is held to it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "liftos_pipeline"
CONTRACTS = {"schema", "settings", "errors", "domain"}
CAUSAL_ORDER = ("engines", "kernels", "inference", "propensity", "diagnostics", "estimators")
CAUSAL_LAST = ("power", "certificate", "attribution")
CAUSAL_SHARED = {"panel", "results", "columns", "specification", "plots", "graph", "roles", "index", "validation"}

ALLOWED: dict[str, set[str]] = {
    "settings": {"errors"},
    "schema": set(),
    "errors": set(),
    "domain": set(),
    "causal": {"errors", "domain"},
    "simulator": {"schema", "errors", "domain"},
    "platforms": {"simulator", "schema"},
    "sources": {"schema", "settings", "errors"},
    "warehouse": {"schema", "settings", "errors"},
    "checks": {"schema", "domain", "causal"},
    "report": {"schema", "domain", "causal"},
    "stages": {"schema", "domain", "causal", "checks", "settings", "errors"},
    "ingest": {"platforms", "simulator", "sources", "warehouse", "schema", "settings", "errors"},
    "benchmarks": {
        "stages",
        "ingest",
        "simulator",
        "sources",
        "platforms",
        "warehouse",
        "report",
        "causal",
        *CONTRACTS,
    },
    "api": {"stages", "warehouse", "report", "causal", *CONTRACTS},
    "run": {"settings", "errors", "ingest", "definitions", "warehouse"},
    "explain": {"settings", "stages", "warehouse"},
    "reporting": {"report", "warehouse", "errors"},
    "forget": {"ingest", "sources", "warehouse", "errors"},
    "tidy": {"run", "settings", "warehouse"},
    "reparse": {"ingest", "schema", "sources", "warehouse", "errors"},
    "doctor": {"settings", "errors", "ingest", "sources", "checks", "schema", "warehouse"},
    "cli": {
        "settings",
        "errors",
        "run",
        "forget",
        "reparse",
        "tidy",
        "explain",
        "doctor",
        "api",
        "report",
        "reporting",
        "warehouse",
        "causal",
        "ingest",
        "benchmarks",
        "simulator",
        "schema",
    },
    "definitions": {"defs"},
    "defs": {"*"},
}
"""First-level part -> parts that it may import beside itself."""

ONLY_INSIDE_A_FUNCTION = {("run", "definitions")}
ENGINES_ONLY = {
    "duckdb": ("warehouse", "causal/engines", "defs", "benchmarks"),
    "pyspark": ("causal/engines",),
    "sqlglot": ("causal/engines",),
}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imported(path: Path) -> list[tuple[str, bool]]:
    """(dotted name, whether inside a function or for type checking only) of every import."""
    tree = ast.parse(path.read_text())
    inner = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, (ast.FunctionDef, ast.AsyncFunctionDef, ast.If))
        for node in ast.walk(block)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.extend((alias.name, id(node) in inner) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, id(node) in inner))
            if node.module == "liftos_pipeline":
                found.extend((f"liftos_pipeline.{alias.name}", id(node) in inner) for alias in node.names)
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_keep_to_the_table(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        return
    for name, is_inner in imported(path):
        words = name.split(".")
        if words[0] != "liftos_pipeline" or len(words) < 2 or words[1] == "__version__":
            continue
        target = words[1]
        allowed = ALLOWED[part]
        assert target == part or "*" in allowed or target in allowed, f"{part} imports {name}"
        if (part, target) in ONLY_INSIDE_A_FUNCTION:
            assert is_inner, f"{part} imports {name} when it is loaded"


@pytest.mark.parametrize(
    "path", [p for p in modules() if part_of(p) == "causal"], ids=lambda p: p.relative_to(PACKAGE).as_posix()
)
def test_causal_imports_only_what_stands_before_it(path: Path) -> None:
    inside = path.relative_to(PACKAGE / "causal").parts[0].removesuffix(".py")
    if inside not in CAUSAL_ORDER:
        return
    allowed = {*CAUSAL_ORDER[: CAUSAL_ORDER.index(inside) + 1], *CAUSAL_SHARED}
    for name, _ in imported(path):
        words = name.split(".")
        if words[:2] == ["liftos_pipeline", "causal"] and len(words) > 2:
            assert words[2] in allowed, f"{inside} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_dagster_stays_in_defs(path: Path) -> None:
    if part_of(path) in {"defs", "definitions"}:
        return
    for name, is_inner in imported(path):
        if name.split(".")[0] in {"dagster", "dagster_dbt"}:
            assert part_of(path) == "run" and is_inner, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_duckdb_stays_where_connections_are(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    for name, _ in imported(path):
        package = name.split(".")[0]
        if package in ENGINES_ONLY:
            assert place.startswith(ENGINES_ONLY[package]), f"{place} imports {package}"


def test_no_module_is_longer_than_the_ceiling() -> None:
    long = {path.name: n for path in modules() if (n := len(path.read_text().splitlines())) > 400}
    assert long == {}


def test_every_part_is_in_the_table() -> None:
    assert {part_of(path) for path in modules()} - {"__init__"} <= set(ALLOWED)
