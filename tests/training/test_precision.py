"""What bfloat16 changes: the products of training, by its rounding, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from small_vae import small_vae
from torch import Tensor, nn

from hwsweep.data import Splits
from hwsweep.models import Batch, Model
from hwsweep.models.networks import fully_connected
from hwsweep.training.evaluation import evaluate
from hwsweep.training.loop import fit
from hwsweep.training.plan import TrainingPlan
from hwsweep.training.precision import autocast, choose_algorithms, products
from hwsweep.training.schedules import ConstantLearningRate

EPS = torch.finfo(torch.bfloat16).eps
CPU = torch.device("cpu")


class Product(Model):
    """One product of 1 + eps/4 and a weight of 1, which bfloat16 cannot tell from 1."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.layer.weight)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        return {"loss": self.layer(batch["x"])[:, 0].float()}

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        return {"y": self.layer(batch["x"])}


def examples(n: int) -> dict[str, Tensor]:
    return {"x": torch.full((n, 1), 1 + EPS / 4)}


@pytest.mark.parametrize(("precision", "expected"), [("float32", 1 + EPS / 4), ("bfloat16", 1.0)])
def test_precision_is_that_of_training_and_never_of_evaluation(tmp_path: Path, precision: str, expected: float) -> None:
    model = Product()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    plan = TrainingPlan(epochs=1, batch_size=3, clip_norm=None, precision=precision, seed=0, select="valid/loss")
    (row,) = fit(
        model, Splits(examples(7), examples(3), examples(2)), optimizer, ConstantLearningRate(), plan, tmp_path
    )
    assert row["train/loss"] == pytest.approx(expected, rel=1e-6)
    assert row["valid/loss"] == pytest.approx(1 + EPS / 4, rel=1e-6)
    assert evaluate(model, examples(2))["loss"] == pytest.approx(1 + EPS / 4, rel=1e-6)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@pytest.mark.parametrize("available", [True, False])
def test_auto_takes_bfloat16_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch, available: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": available}, raising=False)
    x = torch.ones(2, 2)
    with autocast("auto", CPU):
        assert (x @ x).dtype == (torch.bfloat16 if available else torch.float32)


def test_losses_of_a_vae_are_summed_in_float32_whatever_its_network_computes_in() -> None:
    model = small_vae((1, 7, 5), networks=partial(fully_connected, hidden=31, activation="relu"))
    batch = {"image": torch.rand(11, 1, 7, 5)}
    losses = []
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(1)
        with autocast(precision, CPU):
            losses.append(model.losses(batch))
    for name, exact in losses[0].items():
        assert losses[1][name].dtype == torch.float32
        assert not torch.equal(losses[1][name], exact)
        # a sum of two products of about 32 terms each: a few roundings of relative size eps / 2
        torch.testing.assert_close(losses[1][name], exact, rtol=4 * EPS, atol=4 * EPS * exact.mean().item())


FLUSHED = """
import torch
from hwsweep.training.precision import flush_denormals
torch.set_num_threads(2)
flush_denormals()
small = torch.full((1 << 20,), 1e-30)
print(int((small * 1e-9).count_nonzero()))
small.requires_grad_()
(1e-9 * small).sum().backward(torch.tensor(1e-30))
print(int(small.grad.count_nonzero()))
"""


@pytest.mark.parametrize(("switch", "n_nonzero"), [("0", 0), ("1", 1 << 20)])
@pytest.mark.slow
def test_denormals_are_zero_in_all_threads_forward_and_backward_unless_it_is_switched_off(
    monkeypatch: pytest.MonkeyPatch, switch: str, n_nonzero: int
) -> None:
    monkeypatch.setenv("HWSWEEP_PLAIN", switch)
    done = subprocess.run([sys.executable, "-c", FLUSHED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(n_nonzero)] * 2


@pytest.mark.parametrize(
    ("precision", "capability", "rounds"),
    [("float32", (9, 0), False), ("tf32", (7, 5), True), ("auto", (8, 0), True), ("auto", (7, 5), False)],
)
def test_products_of_a_gpu_are_tf32_in_training_alone(
    monkeypatch: pytest.MonkeyPatch, precision: str, capability: tuple[int, int], rounds: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    choose_algorithms(CPU, deterministic=False)
    flags = (torch.backends.cuda.matmul, torch.backends.cudnn)
    with products(precision, torch.device("cuda")):
        assert [flag.allow_tf32 for flag in flags] == [rounds, rounds]
    assert [flag.allow_tf32 for flag in flags] == [False, False], "an evaluation is exact"
    with products("tf32", CPU):
        assert [flag.allow_tf32 for flag in flags] == [False, False]
    assert not autocast("auto", torch.device("cuda"))._enabled


def test_deterministic_algorithms_are_asked_of_a_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    choose_algorithms(CPU, deterministic=True)
    assert not torch.are_deterministic_algorithms_enabled() and "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    try:
        choose_algorithms(torch.device("cuda"), deterministic=False)
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8", "without it at its first product torch refuses later"
        choose_algorithms(torch.device("cuda"), deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        choose_algorithms(CPU, deterministic=False)
    assert not torch.are_deterministic_algorithms_enabled()
