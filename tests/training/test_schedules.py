"""Schedules against torch's own."""

from __future__ import annotations

import math

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from hwsweep import conf_path
from hwsweep.training.schedules import ConstantLearningRate, CosineWarmup, StepDecay


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


def test_steps_are_those_of_torch_multi_step() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[7, 21, 35], gamma=0.3)
    schedule = StepDecay(milestones=[1, 3, 5], factor=0.3, epochs=11)  # 7 steps an epoch
    for step in range(77):
        assert schedule(step, 77) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()


def test_milestones_are_shares_of_the_training_or_epochs() -> None:
    shares = StepDecay(milestones=[0.5, 0.75], factor=0.1, epochs=8)
    epochs = StepDecay(milestones=[4, 6], factor=0.1, epochs=8)
    expected = [1.0] * 20 + [0.1] * 10 + [0.01] * 10
    assert [shares(step, 40) for step in range(40)] == pytest.approx(expected)
    assert [epochs(step, 40) for step in range(40)] == pytest.approx(expected)


def test_the_learning_rates_of_burda2016_are_those_of_the_paper() -> None:
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        cfg = compose("config", ["experiment=burda2016"])
    schedule, lr = instantiate(cfg.schedule), cfg.optimizer.lr
    assert cfg.epochs == 3280
    expected = [0.001 * 10 ** (-i / 7) for i in range(8) for _ in range(3**i)]  # section 5 of arXiv:1509.00519
    assert [lr * schedule(epoch, 3280) for epoch in range(3280)] == pytest.approx(expected)
    assert schedule.unfinished() == ""


@pytest.mark.parametrize(
    ("epochs", "clause"),
    [
        (4, ""),
        (3, "epochs=3 ends before 1 of 3 milestones of the learning rate"),
        (1, "epochs=1 ends before 2 of 3 milestones of the learning rate"),
    ],
)
def test_milestones_beyond_the_training_are_named(epochs: int, clause: str) -> None:
    assert StepDecay(milestones=[0.5, 1, 3], factor=0.1, epochs=epochs).unfinished() == clause


@pytest.mark.parametrize("milestones", [[], [0], [-0.5], [1.5], [True], ["half"], "0.5", 0.5, [math.nan]])
def test_what_is_no_milestone_is_refused(milestones: object) -> None:
    with pytest.raises(ValueError, match=r"`schedule.milestones` must be a list of shares .*\[30,60\], but got"):
        StepDecay(milestones=milestones, factor=0.1, epochs=9)  # type: ignore[arg-type]


def test_constant_is_one_at_every_step() -> None:
    assert {ConstantLearningRate()(step, 10) for step in range(10)} == {1.0}


@pytest.mark.parametrize(("warmup", "floor"), [(1.0, 0.0), (-0.1, 0.0), (0.1, 1.5)])
def test_a_share_out_of_range_is_refused(warmup: float, floor: float) -> None:
    with pytest.raises(ValueError, match=r"must be a number in .*, but got"):
        CosineWarmup(warmup=warmup, floor=floor)
