"""Names that MLflow may change in any version; the only file that uses any."""

from __future__ import annotations

from mlflow.pyfunc.model import PythonModel


class UntypedPythonModel(PythonModel):
    """A model to log whose `predict` takes arrays, for which MLflow has no type hints; the signature is the schema.

    Without `_skip_type_hint_validation` MLflow warns of missing type hints whenever a model is logged or loaded.
    """

    _skip_type_hint_validation = True


def create_tables(uri: str, artifacts: str) -> None:
    """Make MLflow's tables in an empty database, and in any database its first experiment.

    Without `SqlAlchemyStore` a database is created by its first user, and breaks if two start at once.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri, artifacts).engine.dispose()  # type: ignore[no-untyped-call]


def find_artifact_repository(uri: str) -> None:
    """Check that MLflow can write to artifacts at this URI: that it knows the scheme and has the library for it.

    Without `get_artifact_repository` this would be noticed after the first run has been created.

    Raises:
        MlflowException: it does not know the scheme.
        ImportError: the library is not installed.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(uri)


def import_store() -> None:
    """Import the modules that MLflow imports when it opens a database.

    Without `sqlalchemy_workspace_store` each trial of a sweep imports them itself, in 0.9 s.
    """
    import mlflow.store.tracking.sqlalchemy_workspace_store  # noqa: F401


def list_packages() -> None:
    """Make MLflow's list of the installed packages, for this process and those that are forked from it.

    Without `warn_dependency_requirement_mismatches` each trial makes the list when it logs its model, in 0.7 s.
    """
    from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

    warn_dependency_requirement_mismatches(["mlflow"])
