"""A Postgres server of the tests' own on loopback, in a folder that goes away with it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_OTHERS = ("postgres", "nobody")
"""Who may own a server where the tests run as root, which Postgres refuses."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql://liftos@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """A new database; its URL."""
        import psycopg2

        connection = psycopg2.connect(self.url("postgres"))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{database}"')
        connection.close()
        return self.url(database)


@contextmanager
def postgres() -> Iterator[Server]:
    """Start a server, stop it at the end; the test is skipped where there is none."""
    programs = {name: _found(name) for name in ("initdb", "pg_ctl")}
    if None in programs.values():
        pytest.skip("no Postgres server programs on the PATH or in /usr/lib/postgresql")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="liftos-pg-", dir="/tmp"))
    owner = _owner(folder)
    data, sockets = folder / "data", folder
    _run(owner, [programs["initdb"], "-D", data, "-U", "liftos", "-A", "trust", "--no-sync", "-E", "UTF8"])
    options = f"-p {port} -h 127.0.0.1 -k {sockets} -c max_connections=200 -c fsync=on"
    _run(owner, [programs["pg_ctl"], "-D", data, "-w", "-l", folder / "log", "-o", options, "start"])
    try:
        yield Server(port)
    finally:
        _run(owner, [programs["pg_ctl"], "-D", data, "-m", "immediate", "stop"])
        shutil.rmtree(folder, ignore_errors=True)


def _found(name: str) -> str | None:
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(newest[-1]) if newest else shutil.which(name)


def _owner(folder: Path) -> pwd.struct_passwd | None:
    """Who the server runs as: another user where this one is root, who then owns the folder."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    owner = next(names[name] for name in _OTHERS if name in names)
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return owner


def _run(owner: pwd.struct_passwd | None, command: list) -> None:
    words = [str(word) for word in command]
    run_as = {} if owner is None else {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    done = subprocess.run(
        words,
        stdout=subprocess.PIPE if "start" not in words else subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        check=False,
        text=True,
        **run_as,
    )
    assert done.returncode == 0, f"{words[0]}: {done.stdout}"
