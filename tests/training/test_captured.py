"""Captured steps, with a recorder that does a step again where a GPU replays it: the numbers of plain steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from small_vae import random_images, small_vae
from torch import Tensor

from hwsweep.data import Splits
from hwsweep.models.kl_terms import LinearAnnealing
from hwsweep.training import loop
from hwsweep.training.captured import WARM_UP, CapturedSteps, captured
from hwsweep.training.checkpoint import EpochMetrics
from hwsweep.training.epoch import SingleModel
from hwsweep.training.loop import fit
from hwsweep.training.plan import TrainingPlan
from hwsweep.training.schedules import CosineWarmup

Step = Callable[[], dict[str, Tensor]]


class Replays:
    """What is captured reads and writes the same tensors each time: a change of another tensor is not seen."""

    def __init__(self, error: str | None = None) -> None:
        self.error = error
        self.n_prepared = self.n_replayed = 0

    def prepare(self, step: Step) -> dict[str, Tensor]:
        self.n_prepared += 1
        return step()

    def capture(self, step: Step, noise: Sequence[torch.Generator]) -> Step:
        if self.error is not None:
            raise RuntimeError(self.error)
        sums: dict[str, Tensor] = {}

        def replay() -> dict[str, Tensor]:
            self.n_replayed += 1
            for name, total in step().items():
                sums.setdefault(name, torch.empty_like(total)).copy_(total)
            return sums

        return replay


def history(folder: Path) -> list[EpochMetrics]:
    """150 images: four full batches and a smaller one in each of three epochs."""
    torch.manual_seed(0)
    model = small_vae(kl_term=LinearAnnealing(warmup=0.7))
    images = random_images(150)
    plan = TrainingPlan(3, 32, 1.0, "float32", 0, "valid/loss")
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return list(fit(model, Splits(images, images, images), optimizer, CosineWarmup(0.2, 0.0), plan, folder))


@pytest.mark.parametrize("error", [None, "operation not permitted when stream is capturing"])
def test_captured_steps_give_the_numbers_of_plain_ones(
    error: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = history(tmp_path / "plain")
    recorder = Replays(error)
    monkeypatch.setattr(loop, "captured", lambda learner, trainings: CapturedSteps(learner, trainings, recorder))
    rows = history(tmp_path / "captured")
    assert [{key: value for key, value in row.items() if "time" not in key} for row in rows] == [
        pytest.approx({key: value for key, value in row.items() if "time" not in key}, rel=1e-6) for row in expected
    ]
    assert recorder.n_prepared == WARM_UP
    assert recorder.n_replayed == (0 if error else 3 * 4 - WARM_UP)
    assert ("each kernel of a step is launched by itself, because operation not permitted" in caplog.text) == bool(
        error
    )


def test_without_a_gpu_nothing_is_captured() -> None:
    torch.manual_seed(0)
    model = small_vae()
    images = random_images(5)
    plan = TrainingPlan(1, 5, None, "float32", 0, "valid/loss")
    training = loop.begin(
        model, images, images, torch.optim.SGD(model.parameters(), 0.1), CosineWarmup(0, 0), plan, Path(), None
    )
    learner = SingleModel(training)
    assert captured(learner, [training]) is learner
