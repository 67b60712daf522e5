"""Schedules against torch's own."""

from __future__ import annotations

import pytest
import torch

from hwsweep.training.schedules import ConstantLearningRate, CosineWarmup


def test_without_warmup_the_factor_is_that_of_torch_cosine_annealing() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=37, eta_min=0.1)
    schedule = CosineWarmup(warmup=0.0, floor=0.1)
    for step in range(37):
        assert schedule(step, 37) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()


def test_warmup_rises_linearly_to_one() -> None:
    schedule = CosineWarmup(warmup=0.1, floor=0.0)
    assert [schedule(step, 50) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def test_constant_is_one_at_every_step() -> None:
    assert {ConstantLearningRate()(step, 10) for step in range(10)} == {1.0}


@pytest.mark.parametrize(("warmup", "floor"), [(1.0, 0.0), (-0.1, 0.0), (0.1, 1.5)])
def test_a_share_out_of_range_is_refused(warmup: float, floor: float) -> None:
    with pytest.raises(ValueError, match=r"must be a number in .*, but got"):
        CosineWarmup(warmup=warmup, floor=floor)
