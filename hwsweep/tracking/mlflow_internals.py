"""Names of MLflow that it does not promise to keep; the only file that uses any."""

from __future__ import annotations

from mlflow.pyfunc.model import PythonModel


def create_tables(uri: str, artifacts: str) -> None:
    """Make MLflow's tables in an empty database, and in any database the first experiment.

    Without `SqlAlchemyStore` no process can create the store alone, before others use it.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri, artifacts).engine.dispose()  # type: ignore[no-untyped-call]


def import_store() -> None:
    """Import what MLflow imports at the first use of a database.

    Without `sqlalchemy_workspace_store` each trial of a sweep imports it anew, in 0.9 s.
    """
    import mlflow.store.tracking.sqlalchemy_workspace_store  # noqa: F401


class UntypedPythonModel(PythonModel):
    """A model to log whose `predict` takes arrays, for which MLflow has no type hints; the signature is the schema.

    Without `_skip_type_hint_validation` MLflow warns, at each logging and loading, that type hints are missing.
    """

    _skip_type_hint_validation = True
