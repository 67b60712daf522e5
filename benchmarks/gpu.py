"""hwsweep on a GPU, in at most 8 minutes: one training, a hundred stacked ones, a whole sweep, larger models.

    HWSWEEP_DATA=... python benchmarks/gpu.py
    python benchmarks/gpu.py --only a b        # some parts
    python benchmarks/gpu.py --cpu --quick     # tries the script itself, on a CPU and with tiny sizes

(a) one VAE (784-400-20, batch 128, TibetanMNIST): images/s of hwsweep, of the homework's loop on the same card, of a
    bare eager loop, and at the floor: bytes and operations of a step at the rates that the card reaches
(b) 1, 10 and 100 lambdas trained as one model; 10 one by one, and in four processes that share the card
(c) `vae.lambda=` 100 values, 10 epochs, whole: figures, MLflow and page
(d) `vae_conv` on anime_faces 64x64, by precision
(e) the Transformer on AG News, tokens/s, by precision

Each part is a process of its own with a time limit, so that one that fails or hangs costs the others nothing. Data that
is not in HWSWEEP_DATA is replaced by random data of the same size, which is printed. There is no download. It runs in a
checkout; torch, torchvision and the packages of docs/gpu.md are enough. Without a GPU it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATHS = (HERE, HERE.parent, HERE.parent / "hwsweep" / "hydra_plugins")
"""What a checkout imports where hwsweep is not installed."""
LIMITS = {"a": 75, "b": 110, "c": 150, "d": 55, "e": 50}
"""Seconds of each part: 440 in all; the other 40 are for this process, which imports torch too."""


def main() -> int:
    """Exit code: 0 if every part has ended well or there is no GPU, 1 if one has not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=LIMITS, default=list(LIMITS), metavar="PART", help="a b c d e")
    parser.add_argument("--cpu", action="store_true", help="measure on the CPU, to try the script")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the script: no result")
    parser.add_argument("--part", choices=LIMITS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    use_checkout()
    if chosen.part is not None:
        measure(chosen.part, "cpu" if chosen.cpu else "cuda", chosen.quick)
        return 0
    import torch

    if not chosen.cpu and not torch.cuda.is_available():
        print("no GPU: torch finds none on this machine, so nothing is measured (--cpu --quick tries the script)")
        return 0
    print(describe(chosen.cpu), flush=True)
    if chosen.quick:
        print("--quick: tiny sizes, the numbers say nothing", flush=True)
    failed = [part for part in chosen.only if not run_part(part, chosen.cpu, chosen.quick)]
    print(f"without a result: {', '.join(f'({part})' for part in failed)}" if failed else "every part has ended")
    return 1 if failed else 0


def use_checkout() -> None:
    """Let this process, and all that it starts, import hwsweep and its Hydra plugins from the checkout."""
    for path in reversed(PATHS):
        sys.path.insert(0, str(path))
    known = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*map(str, PATHS), *([known] if known else [])])
    os.environ.setdefault("HWSWEEP_DATA", str(HERE / "no_data"))


def describe(on_cpu: bool) -> str:
    """Card, driver and versions, without using the card in this process."""
    import torch

    versions = f"torch {torch.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores"
    if on_cpu:
        return f"CPU {platform.machine()}; {versions}"
    properties = torch.cuda.get_device_properties(0)
    query = ["nvidia-smi", "--query-gpu=driver_version,clocks.max.sm,utilization.gpu", "--format=csv,noheader"]
    try:
        state = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        state = "unknown"
    return (
        f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, {properties.multi_processor_count} processors, "
        f"compute capability {properties.major}.{properties.minor}; CUDA {torch.version.cuda}; driver, largest clock "
        f"and use before: {state}; {versions}"
    )


def run_part(part: str, on_cpu: bool, quick: bool) -> bool:
    """Run a part in a process of its own and print what it prints; whether it ended well."""
    options = [*(["--cpu"] if on_cpu else []), *(["--quick"] if quick else [])]
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, __file__, "--part", part, *options], start_new_session=True)
    try:
        code = process.wait(timeout=LIMITS[part])
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with all that it has started
        process.wait()
        print(f"({part}) stopped after {LIMITS[part]} s", flush=True)
        return False
    ending = "" if code == 0 else f", FAILED with exit code {code}"
    print(f"    ({part}) took {time.perf_counter() - started:.0f} s{ending}", flush=True)
    return code == 0


def measure(part: str, device: str, quick: bool) -> None:
    """Measure one part in this process."""
    import logging

    from gpu_data import Setup
    from gpu_parts import PARTS

    # its warnings: a step that cannot be captured
    logging.getLogger("hwsweep").addHandler(logging.StreamHandler(sys.stdout))
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    print(PARTS[part].__doc__)
    PARTS[part](Setup(device, quick))


if __name__ == "__main__":
    sys.exit(main())
