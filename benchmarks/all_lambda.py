"""One model for every lambda against a model per lambda: distortion + lambda * rate on the test split.

    python benchmarks/all_lambda.py --folder runs
    python benchmarks/all_lambda.py --quick

At each lambda the table has the loss of single models trained as long, the difference of single models trained half as
long, and that of the one model, in nats and as a share: mean over the seeds. All learn with Adam and a cosine. Each
finished run leaves a file in `--folder`; the same command goes on after an interruption, and without new runs it prints
the table again. A run is 784-400-20, Bernoulli, unless `--set` changes its config.

Aim: the one model is nowhere worse than single models of half its epochs, and at most 1 nat or 0.5 % worse than those
of as many; its rate at lambda = 100 is below 0.05 nats.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from hydra import compose, initialize_config_dir

from hwsweep import conf_path
from hwsweep.components import build
from hwsweep.models.all_lambda_vae import AllLambdaVAE
from hwsweep.training import checkpoint
from hwsweep.training.evaluation import evaluate
from hwsweep.training.loop import fit
from hwsweep.training.precision import flush_denormals

WEIGHTS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
Losses = dict[str, Any]


def trained(overrides: Sequence[str]) -> Losses:
    """Test losses by lambda of a run with this config, and its processor seconds."""
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        cfg = compose("config", ["schedule=cosine_warmup", *overrides])
    parts = build(cfg)
    splits, started = parts.dataset.splits(cfg.seed), time.process_time()
    with tempfile.TemporaryDirectory() as name:
        for _ in fit(parts.model, splits, parts.optimizer, parts.schedule, parts.plan, Path(name)):
            pass
        parts.model.load_state_dict(checkpoint.load(Path(name) / "best.pt")["model"])
    seconds, model = time.process_time() - started, parts.model.eval()
    vaes = [model.at(weight) for weight in WEIGHTS] if isinstance(model, AllLambdaVAE) else [model]
    names = WEIGHTS if isinstance(model, AllLambdaVAE) else (cfg.vae["lambda"],)
    found = {f"{weight:g}": evaluate(vae, splits.test) for weight, vae in zip(names, vaes, strict=True)}
    return {"seconds": seconds, "losses": found}


def kept(folder: Path, name: str, overrides: Sequence[str]) -> Losses:
    """The result of this run from its file; trains it first if there is none."""
    path = folder / f"{name}.json"
    if not path.exists():
        result = trained(overrides)
        path.write_text(json.dumps(result))
        print(f"{name}: {result['seconds']:.0f} s of processor time", flush=True)
    found: Losses = json.loads(path.read_text())
    return found


def objective(run: Losses, weight: float) -> float:
    """Distortion + lambda * rate in nats."""
    losses = run["losses"][f"{weight:g}"]
    return float(losses["distortion"] + weight * losses["rate"])


def measure(folder: Path, dataset: str, seeds: Sequence[int], epochs: int, extra: Sequence[str]) -> None:
    """Print the table of one data set."""
    one: list[Losses] = []
    same: list[Losses] = []
    half: list[Losses] = []
    for seed in seeds:
        base = [f"dataset={dataset}", f"seed={seed}", *extra]
        for runs, n in ((half, epochs // 2), (same, epochs)):
            for weight in WEIGHTS:
                single = [*base, f"vae.lambda={weight:g}", f"epochs={n}"]
                runs.append(kept(folder, f"{dataset}_{weight:g}_{n}_{seed}", single))
        all_run = [*base, "model=vae_all_lambda", f"epochs={epochs}"]
        one.append(kept(folder, f"{dataset}_all_{epochs}_{seed}", all_run))
    seconds = [mean(run["seconds"] for run in runs) for runs in (one, same)]
    print(f"{dataset}, seeds {list(seeds)}: one model {seconds[0]:.0f} s, a single model {seconds[1]:.0f} s")
    print(f"{'lambda':>7} {'single':>8} {'half its epochs':>17} {'one model':>17} {'rate':>7} {'single':>7}")
    for place, weight in enumerate(WEIGHTS):
        of_single, of_half = (runs[place :: len(WEIGHTS)] for runs in (same, half))
        reference = mean(objective(run, weight) for run in of_single)
        gaps = [mean(objective(run, weight) for run in runs) - reference for runs in (of_half, one)]
        columns = "".join(f" {gap:+8.2f} ({gap / reference:+5.1%})" for gap in gaps)
        own_rate, rate = (mean(run["losses"][f"{weight:g}"]["rate"] for run in runs) for runs in (one, of_single))
        print(f"{weight:7g} {reference:8.2f}{columns} {own_rate:7.2f} {rate:7.2f}")


def main() -> None:
    """Train what is missing and print a table per data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="+", default=["tibetan_mnist", "tibetan_strokes"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=20, help="of the one model; single models have as many, and half")
    parser.add_argument("--folder", type=Path, help="of the results; without it, a new one")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of the config of all runs")
    parser.add_argument("--quick", action="store_true", help="one seed, 2 epochs, 1000 drawn images")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="all_lambda_"))
    folder.mkdir(parents=True, exist_ok=True)
    flush_denormals()
    print(f"results in {folder}")
    if chosen.quick:
        measure(folder, "tibetan_strokes", [0], 2, ["dataset.n_train=1000", *chosen.set])
        return
    for dataset in chosen.datasets:
        measure(folder, dataset, chosen.seeds, chosen.epochs, chosen.set)


if __name__ == "__main__":
    main()
