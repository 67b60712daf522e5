"""Where MLflow's pages are served. Light: it imports no MLflow."""

from __future__ import annotations

HOST = "127.0.0.1"
"""`python -m hwsweep.ui` serves this machine only."""
FIRST_PORT = 5000
"""The port of `python -m hwsweep.ui`, or the next free one after it."""


def run_page(uri: str, run_id: str) -> str:
    """The address of a run's page: on the store's own server, or on that of `python -m hwsweep.ui`."""
    server = uri.rstrip("/") if uri.startswith(("http://", "https://")) else f"http://{HOST}:{FIRST_PORT}"
    return f"{server}/#/runs/{run_id}"
