"""A Hydra application independent of hwsweep; its configuration selects how it fails."""

import os
import signal
import sys
import time
from pathlib import Path

import hydra
from omegaconf import DictConfig

MEMORY: list[float] = []


@hydra.main(version_base="1.3", config_path="stub_conf", config_name="config")
def main(cfg: DictConfig) -> object:
    print("x is", cfg.x, flush=True)
    time.sleep(cfg.seconds)
    match cfg.how:
        case "raise":
            raise ValueError("no such luck")
        case "odd":
            raise Odd("left", "right")
        case "exit":
            os._exit(1)
        case "nothing":
            return float("nan")
        case "memory":
            return hog()
        case "hang":
            time.sleep(3600)
        case "two":
            return cfg.x**2, (cfg.x - 2) ** 2
        case "prune":
            return pruned(cfg.x)
        case "constrained":
            constrain(cfg.x)
        case "params":
            return params()
        case "seed":
            return cfg.x + cfg.seed
        case "threads":
            return int(os.environ["OMP_NUM_THREADS"])
        case "device":
            return int(os.environ["CUDA_VISIBLE_DEVICES"])
        case "killed once":
            return killed_once(Path("killed"))
        case "child":
            return child()
        case "server killed once":
            return server_killed_once(Path("killed"))
        case "full":
            if not Path("room").exists():
                Path("/dev/full").write_text("long")
        case "server killed":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        case "asks":
            return asks()
        case "says why":
            sys.exit("no data")
        case "exits when told":
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(255))
            Path("ready").touch()
            time.sleep(0 if Path("calm").exists() else 60)
        case "remember":
            MEMORY.append(cfg.x)
            return len(MEMORY)
    return (cfg.x - 1) ** 2 + cfg.shape.size


class Odd(Exception):
    """An exception that cannot be unpickled: its constructor takes other arguments than its message."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(f"{left} and {right}")


def hog() -> float:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
    return float(len(bytearray(2**33)))


def killed_once(mark: Path) -> float:
    """Die by SIGKILL in the first run, as after the kernel's out-of-memory killer; return a value in the second."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 0.5


def server_killed_once(mark: Path) -> float:
    """Kill the fork server, this process's parent, in the first run; return a value in the second."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return 0.5


def asks() -> float:
    """Report and ask without a pause, until somebody makes the folder calm."""
    from hwsweep.sweep.trial import current_trial

    trial = current_trial()
    assert trial is not None
    for step in range(10**6):
        trial.report(1.0, step)
        if trial.should_prune() or Path("calm").exists():
            break
    return 0.5


def pruned(x: float) -> float:
    from hwsweep.sweep.trial import TrialPruned, current_trial

    trial = current_trial()
    assert trial is not None
    for step in range(3):
        trial.report(x, step)
        if trial.should_prune():
            raise TrialPruned
    return x


def constrain(x: float) -> None:
    """Set the constraint x >= 2, first with another value."""
    from hwsweep.sweep.trial import current_trial

    trial = current_trial()
    assert trial is not None
    trial.set_constraint("x is at least 2", -1)
    trial.set_constraint("x is at least 2", 2 - x)


def params() -> float:
    from hwsweep.sweep.trial import current_trial

    trial = current_trial()
    assert trial is not None
    print("params are", trial.params)
    return 0.0


def child() -> float:
    """Start a child process in a trial, like a worker of a DataLoader."""
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(1) as pool:
        return float(pool.map(abs, [-3])[0])


if __name__ == "__main__":
    main()
