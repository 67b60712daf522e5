"""CPU time of training points that differ only in lambda as one stacked model, compared with one by one.

    python benchmarks/fused_trials.py
    HWSWEEP_DATA=... python benchmarks/fused_trials.py dataset=tibetan_mnist batch_size=100

Both ways use the same batches, the same noise and the same initial weights. One by one uses the step of `fit`. Fused
uses `torch.func.stack_module_state` and `vmap`: each product becomes a product of stacked matrices, and Adam has one
tensor for all models. Both must end with the same parameters, up to rounding; then the times are compared.

Fusing is slower on a CPU, because the products use a core fully at batch 128 already: fused trials took 1.3 times the
processor time of single ones (three points, the default VAE, two cores of an AMD EPYC). So hwsweep has no launcher that
fuses trials.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import torch
from hydra import compose, initialize_config_dir
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import binary_cross_entropy_with_logits

from hwsweep import conf_path
from hwsweep.components import Components, build
from hwsweep.data import Examples
from hwsweep.models.likelihoods import Bernoulli
from hwsweep.training.batches import training_batches

LAMBDAS = (0.0, 1.0, 100.0)
STEPS = 60
REPEATS = 5
TOLERANCE = 2e-3
"""Largest difference of a weight after all steps: one step of Adam may be 1e-3 large for a rounding error."""


class Pixels(Bernoulli):
    """The Bernoulli likelihood in torch functions that vmap supports."""

    def distortion(self, output: Tensor, image: Tensor) -> Tensor:
        """Cross-entropy in nats per image."""
        return binary_cross_entropy_with_logits(output, image, reduction="none").flatten(1).sum(1)


def one_by_one(points: list[Components], batches: list[Examples]) -> list[dict[str, Tensor]]:
    """The parameters of each point, trained one after the other."""
    for point in points:
        torch.manual_seed(0)
        for batch in batches:
            loss = point.model.losses(batch)["loss"].mean()
            point.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            point.optimizer.step()
    return [dict(point.model.named_parameters()) for point in points]


def fused(points: list[Components], batches: list[Examples]) -> list[dict[str, Tensor]]:
    """The parameters of each point, trained all at once."""
    parameters, buffers = stack_module_state([point.model for point in points])
    weights = torch.tensor(LAMBDAS)
    skeleton, settings = points[0].model, points[0].optimizer.defaults
    optimizer = torch.optim.Adam(
        list(parameters.values()), lr=settings["lr"], betas=settings["betas"], fused=settings["fused"]
    )

    def loss(parameter: dict[str, Tensor], buffer: dict[str, Tensor], weight: Tensor, image: Tensor) -> Tensor:
        losses = functional_call(skeleton, (parameter, buffer), ({"image": image},))
        mean: Tensor = (losses["distortion"] + weight * losses["rate"]).mean()
        return mean

    all_losses = vmap(loss, in_dims=(0, 0, 0, None), randomness="same")
    torch.manual_seed(0)
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        all_losses(parameters, buffers, weights, batch["image"]).sum().backward()
        optimizer.step()
    return [{name: stacked[i] for name, stacked in parameters.items()} for i in range(len(points))]


def largest_difference(first: list[dict[str, Tensor]], second: list[dict[str, Tensor]]) -> float:
    """Largest absolute difference of a weight between two ways to train the same points."""
    return max(
        float((mine[name] - yours[name]).detach().abs().max())
        for mine, yours in zip(first, second, strict=True)
        for name in mine
    )


def main() -> None:
    """Print median and spread of the processor time, and the largest difference of the weights."""
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        settings = ["device=cpu", *sys.argv[1:]]
        configs = [compose("config", [*settings, f"vae.lambda={weight}"]) for weight in LAMBDAS]
    train = build(configs[0]).dataset.splits(configs[0].seed).train
    rows = training_batches(train, configs[0].batch_size, torch.Generator().manual_seed(0))[:STEPS]
    batches = [{"image": train["image"].index_select(0, indices)} for indices in rows]
    seconds: dict[str, list[float]] = {"one by one": [], "fused": []}
    for repeat in range(REPEATS + 1):
        ends = []
        for name, way in (("one by one", one_by_one), ("fused", fused)):
            points = [build(config) for config in configs]
            for point in points:
                point.model.forward = point.model.losses  # functional_call calls forward
                point.model.likelihood = Pixels()
            started = time.process_time()
            ends.append(way(points, batches))
            if repeat > 0:  # the first round warms up
                seconds[name].append(time.process_time() - started)
        apart = largest_difference(*ends)
        if apart > TOLERANCE:
            raise SystemExit(f"fused and single trials must end with the same weights, but one differs by {apart:.2g}")
    print(
        f"{len(LAMBDAS)} points, {len(batches)} steps, batch {configs[0].batch_size}, {REPEATS} repeats; "
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; weights agree to {apart:.1e}"
    )
    for name, values in seconds.items():
        spread = f"(from {min(values):.2f} to {max(values):.2f})"
        print(f"{name:10s} median {median(values):6.2f} s of processor time  {spread}")
    ratios = sorted(single / all_ for single, all_ in zip(seconds["one by one"], seconds["fused"], strict=True))
    print(f"one by one / fused: median {median(ratios):.2f}  (from {ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
