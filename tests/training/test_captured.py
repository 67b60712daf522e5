"""Captured steps, with a recorder that does a step again where a GPU replays it: the numbers of plain steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from small_vae import random_images, small_vae
from torch import Tensor

from hwsweep.data import Splits
from hwsweep.models.kl_terms import LinearAnnealing
from hwsweep.training import loop
from hwsweep.training.captured import WARM_UP, CapturedSteps, CudaGraph, captured
from hwsweep.training.checkpoint import EpochMetrics
from hwsweep.training.epoch import SingleModel, Training
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


def history(folder: Path, n_images: int = 150) -> list[EpochMetrics]:
    """Three epochs of batches of 32 images; of 150 these are four full ones and a smaller one."""
    torch.manual_seed(0)
    model = small_vae(kl_term=LinearAnnealing(warmup=0.7))
    images = random_images(n_images)
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


@pytest.mark.parametrize(("n_images", "n_replayed"), [(32 * 3 + 5, 3 * 2), (32 + 5, 1), (20, 0)])
def test_the_step_of_a_full_batch_is_captured_whichever_comes_first(
    n_images: int, n_replayed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Replays()
    monkeypatch.setattr(loop, "captured", lambda learner, trainings: CapturedSteps(learner, trainings, recorder))
    history(tmp_path, n_images)
    assert (recorder.n_prepared, recorder.n_replayed) == (WARM_UP, n_replayed)


def test_rates_are_tensors_of_the_device_at_every_step_so_that_a_resumption_rounds_them_alike() -> None:
    training = untrained()
    learner = CapturedSteps(SingleModel(training), [training], Replays())
    (group,) = training.state.optimizer.param_groups
    learner.set_moments([training.moment(0, 1)])
    assert torch.equal(group["lr"], torch.tensor(0.1))


class FakeCuda:
    """The streams of `torch.cuda`, and its capture: one that fails leaves its stream the current one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.current = "main"
        self.is_reset = False
        self.CUDAGraph = lambda: self
        self.Stream = lambda: "side"
        self.current_stream = lambda: self.current
        for name in ("CUDAGraph", "Stream", "current_stream", "stream", "graph"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))

    @contextmanager
    def stream(self, stream: str) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def graph(self, graph: FakeCuda, stream: str) -> Iterator[None]:
        self.current = stream
        yield

    def reset(self) -> None:
        self.is_reset = True


def test_after_a_capture_that_fails_the_stream_is_the_one_before_and_the_memory_of_the_graph_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = FakeCuda(monkeypatch)

    def fails() -> dict[str, Tensor]:
        assert cuda.current == "side"
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted"):
        CudaGraph().capture(fails, [])
    assert (cuda.current, cuda.is_reset) == ("main", True)


def untrained() -> Training:
    torch.manual_seed(0)
    model = small_vae()
    images = random_images(5)
    plan = TrainingPlan(1, 5, None, "float32", 0, "valid/loss")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return loop.begin(model, images, images, optimizer, CosineWarmup(0, 0), plan, Path(), None)


def test_without_a_gpu_nothing_is_captured() -> None:
    training = untrained()
    learner = SingleModel(training)
    assert captured(learner, [training]) is learner
