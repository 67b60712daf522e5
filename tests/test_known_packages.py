from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import hwsweep.known_packages
import importlib_metadata
from mlflow.utils.environment import _process_pip_requirements

def again():
    raise AssertionError("listed again")

importlib_metadata.packages_distributions = again
print(_process_pip_requirements([], ["torch", "mlflow"])[1])
"""


def test_a_run_that_begins_with_it_does_not_list_the_packages_again() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "['torch', 'mlflow']"
    assert "listed again" not in told.stderr  # MLflow warns of what goes wrong there
