"""Several processes at one home: writers beside readers, readers of an old public file, dbt under the lock."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import duckdb
import pytest

from liftos_pipeline.errors import WarehouseError
from liftos_pipeline.warehouse import Warehouse
from liftos_pipeline.warehouse.publish import publish
from liftos_pipeline.warehouse.results import replace_partitions
from tests.faults.warehouse_worker import GATES, PARTITION, SHARED_ROWS, STOP, gate_rows

ROOT = Path(__file__).parents[2]
N_WRITERS, N_PARTITIONS, N_READERS = 4, 30, 2
DBT_MAIN = "from liftos_pipeline.warehouse.dbt_process import main; main()"
SLOW_MODEL = "SELECT sum(hash(a.range + b.range)) AS total FROM range(20000) a, range(10000) b"

pytestmark = pytest.mark.slow


def start(*job: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.faults.warehouse_worker", *map(str, job)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_four_writers_beside_two_readers(tmp_path: Path) -> None:
    with Warehouse(tmp_path, "simulated").write():
        pass
    readers = [start("watch", tmp_path) for _ in range(N_READERS)]
    writers = [start("write", tmp_path, writer, N_PARTITIONS) for writer in range(N_WRITERS)]
    problems = [writer.communicate()[1] for writer in writers]
    (tmp_path / STOP).touch()
    answers = [reader.communicate() for reader in readers]
    assert [*problems, *(error for _, error in answers)] == [""] * (N_WRITERS + N_READERS)
    seen = [json.loads(out.splitlines()[-1]) for out, _ in answers]
    assert [entry["partial"] for entry in seen] == [0] * N_READERS
    assert min(entry["reads"] for entry in seen) >= N_PARTITIONS
    with Warehouse(tmp_path, "simulated").read() as connection:
        written = connection.execute("SELECT as_of, count(*) FROM quality.gates GROUP BY 1").fetchall()
    assert sorted(n_rows for _, n_rows in written) == [SHARED_ROWS] * (N_WRITERS * N_PARTITIONS)


def test_reader_of_the_public_file_keeps_its_copy(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path, "simulated")
    replace_partitions(warehouse, GATES, {PARTITION: gate_rows(1, SHARED_ROWS)}, "run-1")
    publish(warehouse)
    query = "SELECT DISTINCT seed FROM quality.gates"
    with duckdb.connect(str(warehouse.public_file), read_only=True) as early:
        replace_partitions(warehouse, GATES, {PARTITION: gate_rows(2, SHARED_ROWS)}, "run-2")
        publish(warehouse)
        assert early.execute(query).fetchall() == [(1,)]
    with duckdb.connect(str(warehouse.public_file), read_only=True) as late:
        assert late.execute(query).fetchall() == [(2,)]


def test_program_that_holds_the_working_file_is_named_and_waited_for(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path, "simulated")
    with warehouse.write():
        pass
    held = (
        f"import duckdb, time; c = duckdb.connect({str(warehouse.working_file)!r}); "
        "print('held', flush=True); time.sleep(1)"
    )
    with subprocess.Popen([sys.executable, "-c", held], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(duckdb.IOException, match="lock"):
            duckdb.connect(str(warehouse.working_file))
        replace_partitions(warehouse, GATES, {PARTITION: gate_rows(3, SHARED_ROWS)}, "run-3")
    with warehouse.read() as connection:
        assert connection.execute("SELECT DISTINCT seed FROM quality.gates").fetchall() == [(3,)]


@pytest.fixture
def dbt_project(tmp_path: Path) -> Path:
    """A project of one model that takes seconds, and a home with a warehouse."""
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: probe\nversion: '1.0'\nprofile: probe\n")
    profile = {"type": "duckdb", "path": "{{ env_var('LIFTOS_HOME') }}/warehouse/liftos.duckdb", "threads": 1}
    outputs = {"target": "home", "outputs": {"home": profile}}
    (project / "profiles.yml").write_text(json.dumps({"probe": outputs}))
    (project / "models" / "probe.sql").write_text("{{ config(materialized='table') }}\n" + SLOW_MODEL)
    with Warehouse(tmp_path / "home", "simulated").write():
        pass
    return project


def dbt_environment(project: Path) -> dict[str, str]:
    return {**os.environ, "LIFTOS_HOME": str(project.parent / "home")}


def dbt_command(project: Path) -> list[str]:
    return [sys.executable, "-c", DBT_MAIN, "run", "--project-dir", str(project), "--profiles-dir", str(project)]


def is_locked(home: Path) -> bool:
    descriptor = os.open(home / "warehouse" / "lock", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


PARENT = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:])
print(f"child {child.pid}", flush=True)
time.sleep(600)
"""


def read_until(stream: IO[str], words: str) -> str:
    """First line that holds the words; dbt says START when a model's SQL is sent."""
    return next(line for line in stream if words in line)


def count_probes(home: Path) -> int:
    with Warehouse(home, "simulated").read() as connection:
        found = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'probe'").fetchall()
    return int(found[0][0])


def test_dbt_killed_in_the_middle_of_a_model_then_its_parent(dbt_project: Path) -> None:
    """A killed dbt frees the lock and leaves no half table; one whose parent is killed finishes under its lock,
    and a reader waits for it."""
    home, environment = dbt_project.parent / "home", dbt_environment(dbt_project)
    with subprocess.Popen(dbt_command(dbt_project), env=environment, stdout=subprocess.PIPE, text=True) as dbt:
        read_until(dbt.stdout, "START")
        assert is_locked(home)
        dbt.kill()
    assert not is_locked(home)
    assert count_probes(home) == 0
    command = [sys.executable, "-c", PARENT, *dbt_command(dbt_project)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        child = int(read_until(parent.stdout, "child").split()[1])
        read_until(parent.stdout, "START")
        parent.kill()
        os.kill(child, 0)
        assert is_locked(home)
        assert count_probes(home) == 1


@pytest.mark.faults
def test_dbt_parse_takes_no_lock_and_makes_no_database(dbt_project: Path) -> None:
    environment = {**dbt_environment(dbt_project), "LIFTOS_HOME": str(dbt_project.parent / "nowhere")}
    command = [*dbt_command(dbt_project)]
    command[command.index("run")] = "parse"
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert not Path(environment["LIFTOS_HOME"]).exists()


def test_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(WarehouseError, match=r"expected a home that can be written.*Set LIFTOS_HOME"),
        Warehouse(tmp_path / "file", "simulated").write(),
    ):
        pass
