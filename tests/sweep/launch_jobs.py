"""Hands jobs of the stub application to hydra/launcher=hwsweep, as any sweeper does; prints what it returns."""

from __future__ import annotations

import json
import sys
from typing import Any

from hydra import compose, initialize
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext
from stub_app import main as application


def launch(overrides: list[str], jobs: list[list[str]]) -> list[dict[str, Any]]:
    with initialize(version_base="1.3", config_path="stub_conf"):
        config = compose("config", ["hydra/launcher=hwsweep", *overrides], return_hydra_config=True)
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config)),
            task_function=application.__wrapped__,  # type: ignore[attr-defined]
            config=config,
        )
        returned = launcher.launch(jobs, initial_job_idx=7)
    return [
        {"status": job.status.name, "value": str(value(job)), "overrides": list(job.overrides or [])}
        for job in returned
    ]


def value(job: JobReturn) -> object:
    """What the task returned or raised."""
    try:
        return job.return_value
    except Exception as error:
        return error


if __name__ == "__main__":
    print(json.dumps(launch(*json.loads(sys.argv[1]))))
