"""Imported once by a sweep's fork server: the modules that each trial would otherwise import, in 5 s."""

from __future__ import annotations

from hwsweep.startup import plain

# gain: a third of the default sweep
if not plain():
    import torch

    import hwsweep.run  # noqa: F401
    from hwsweep.tracking import mlflow_internals

    torch.optim.SGD([torch.zeros(1)])  # torch imports its compiler for the first optimizer of a process
    mlflow_internals.import_store()
    mlflow_internals.list_packages()
