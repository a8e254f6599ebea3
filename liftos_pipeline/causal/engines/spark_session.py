"""A Spark session and what may be wrong with it: no pyspark, no Java, a job that does not finish. No rows here."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from liftos_pipeline.errors import LiftosError, ProcessEnded

Answer = TypeVar("Answer")

INSTALL = "Install the extra: pip install -e '.[spark]' in the clone."
_TELLING = (
    "ExecutorLostFailure",
    "exited unexpectedly",
    "executor driver",
    "maxResultSize",
    "OutOfMemoryError",
    "ModuleNotFoundError",
    "Error:",
)
"""Words of the line that says what happened, most telling first."""


def spark_session(session: Any = None) -> Any:
    """The session given, the active one, or a new one as the environment configures Spark.

    Raises
    ------
    LiftosError
        pyspark or sqlglot is not installed, or there is no Java.
    """
    try:
        import pyspark.sql
        import sqlglot  # noqa: F401
    except ImportError as error:
        raise LiftosError("pyspark and sqlglot for a panel on Spark", str(error), INSTALL) from error
    found = session or pyspark.sql.SparkSession.getActiveSession()
    if found is not None:
        return found
    if "SPARK_REMOTE" not in os.environ:
        _refuse_without_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = pyspark.sql.SparkSession.builder.appName("liftos").config("spark.ui.showConsoleProgress", "false")
    return finished(builder.getOrCreate)


def _refuse_without_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java") if home is None else shutil.which("java", path=str(Path(home) / "bin"))
    if java is None:
        place = "no java on the PATH" if home is None else f"no bin/java in JAVA_HOME {home}"
        raise LiftosError("Java 17 or later for Spark", place, "Install a Java runtime, or set JAVA_HOME to one.")


def finished(job: Callable[[], Answer]) -> Answer:
    """What a job on Spark returns.

    Raises
    ------
    LiftosError
        It did not finish: an executor or a worker was lost, a source cannot be read. Nothing was written.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import AnalysisException, PySparkException

    try:
        return job()
    except AnalysisException as error:
        raise LiftosError(
            "a table or folder that Spark can read",
            _telling_line(error),
            "Check the name, the path and the columns.",
        ) from error
    except (PySparkException, Py4JError, OSError) as error:
        raise ProcessEnded(
            "a Spark job that finishes",
            _telling_line(error),
            "Nothing was written: call again. If executors are lost again, give them more memory; every executor "
            "needs the Python packages of the driver.",
        ) from error


def _telling_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for words in _TELLING:
        for line in lines:
            if words in line:
                return line[:300]
    return lines[0][:300] if lines else type(error).__name__
