"""A Hydra application with a checkpoint: it counts to `epochs` and continues from its checkpoint when it runs again."""

from __future__ import annotations

import time
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from hwsweep.files import write_text
from hwsweep.sweep.trial import TrialPruned, current_trial


@hydra.main(version_base="1.3", config_path="epochs_conf", config_name="config")
def main(cfg: DictConfig) -> float:
    checkpoint = Path(HydraConfig.get().runtime.output_dir, "checkpoint")
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    trial = current_trial()
    assert trial is not None
    print(f"from epoch {done}", flush=True)
    while cfg.gate is not None and not Path(cfg.gate).exists():
        time.sleep(0.01)
    for epoch in range(1, cfg.epochs + 1):
        if epoch > done:
            write_text(checkpoint, str(epoch))
            time.sleep(cfg.seconds)  # whenever it is killed, the last epoch in the checkpoint was not reported
        trial.report(cfg.x / epoch, epoch)
        if trial.should_prune():
            raise TrialPruned
    return float(cfg.x)


if __name__ == "__main__":
    main()
