"""The internal names of MLflow that hwsweep uses: what breaks when MLflow has changed them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
from mlflow.pyfunc.model import PythonModel

from hwsweep.tracking import mlflow_internals


def warnings_of_a_model_without_type_hints(base: type) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        type("Model", (base,), {"predict": lambda self, context, model_input, params=None: model_input})
    return [str(warning.message) for warning in caught]


def test_skip_type_hint_validation() -> None:
    message = (
        "without _skip_type_hint_validation MLflow warns of missing type hints whenever a model is logged or loaded"
    )
    assert warnings_of_a_model_without_type_hints(mlflow_internals.UntypedPythonModel) == [], message
    assert warnings_of_a_model_without_type_hints(PythonModel), "MLflow no longer warns: remove the name"


def test_sqlalchemy_store(tmp_path: Path) -> None:
    mlflow_internals.create_tables(f"sqlite:///{tmp_path}/a.db", (tmp_path / "artifacts").as_uri())
    with sqlite3.connect(tmp_path / "a.db") as connection:
        found = connection.execute("SELECT name, artifact_location FROM experiments").fetchall()
    connection.close()
    message = "without SqlAlchemyStore a database is created by its first user, and breaks if two start at once"
    assert found == [("Default", (tmp_path / "artifacts" / "0").as_uri())], message


IMPORTED_BY_A_CLIENT = """
import sys
from hwsweep.tracking import mlflow_internals, runs
store = runs.open_store("sqlite:///mlflow.db", "artifacts")
mlflow_internals.import_store()
before = set(sys.modules)
store.client().search_experiments()
print(*sorted(name for name in set(sys.modules) - before if "sqlalchemy" in name and "store" in name))
"""


@pytest.mark.slow
def test_sqlalchemy_workspace_store(tmp_path: Path) -> None:
    message = "without sqlalchemy_workspace_store each trial of a sweep imports MLflow's store itself, in 0.9 s"
    assert find_spec("mlflow.store.tracking.sqlalchemy_workspace_store") is not None, message
    command = [sys.executable, "-W", "ignore", "-c", IMPORTED_BY_A_CLIENT]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [], message


LISTS_WHILE_A_MODEL_IS_SAVED = """
import importlib_metadata, mlflow
from hwsweep.tracking import mlflow_internals
class Echo(mlflow_internals.UntypedPythonModel):
    def predict(self, context, model_input, params=None):
        return model_input
mlflow_internals.list_packages()
importlib_metadata.packages_distributions = lambda: print("a list") or {}
mlflow.pyfunc.save_model("model", python_model=Echo(), pip_requirements=["mlflow"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("line", "output"), [("mlflow_internals.list_packages()", ""), ("", "a list")])
def test_warn_dependency_requirement_mismatches(tmp_path: Path, line: str, output: str) -> None:
    message = "without warn_dependency_requirement_mismatches each trial lists the installed packages, in 0.7 s"
    script = LISTS_WHILE_A_MODEL_IS_SAVED.replace("mlflow_internals.list_packages()", line)
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == output, message
