"""Imported by the fork server alone: MLflow lists all packages once a process, for 0.7 s; so here once for all runs."""

from __future__ import annotations

from contextlib import suppress

with suppress(Exception):  # no public name of MLflow: where it is gone, each run makes the list anew
    from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

    warn_dependency_requirement_mismatches(["mlflow"])
