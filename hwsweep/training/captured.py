"""A step captured once in a CUDA graph and replayed: a small model's step then takes no time to launch its kernels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from hwsweep.models import Stages
from hwsweep.training.batches import Rows
from hwsweep.training.epoch import Learner, Moment, Training

log = logging.getLogger("hwsweep")

WARM_UP = 3
"""Steps before the capture, in which libraries choose their kernels and the optimizers make their state."""

Step = Callable[[], dict[str, Tensor]]


class Recorder(Protocol):
    """Captures a step."""

    def prepare(self, step: Step) -> dict[str, Tensor]:
        """Do a step as it must be done before a capture."""
        ...

    def capture(self, step: Step, noise: Sequence[torch.Generator]) -> Step:
        """Record what a step does, without doing it; the result does it, with the same tensors.

        Args:
            noise: what it draws from, beside the global generator.
        """
        ...


class CapturedSteps:
    """A learner whose steps on full batches are captured after `WARM_UP` steps, and then replayed.

    Numbers that change from step to step, learning rates and the share of the training, are tensors that are written
    before each replay. Where a step cannot be captured a line says so, and all goes on as without capture.
    """

    def __init__(self, learner: Learner, trainings: Sequence[Training], recorder: Recorder) -> None:
        self.learner = learner
        self.trainings = trainings
        self.recorder = recorder
        self.moments: Sequence[Moment] = []
        self.n_before = WARM_UP
        """Steps until the capture; negative if there is none."""
        if any(isinstance(module, Stages) for one in trainings for module in one.state.model.modules()):
            self.n_before = -1  # their optimizers lose their state, which a replay would go on to use
        self.replay: Step | None = None
        self.rows: list[Rows] = []
        """Of the captured step; trainings with the same rows share them."""
        self.rates = torch.empty(0)
        """All learning rates of the captured step: those of the optimizers are parts of this tensor."""

    def set_moments(self, moments: Sequence[Moment]) -> None:
        self.moments = moments
        if self.replay is None:
            self.learner.set_moments(moments)
            return
        rates = torch.tensor([rate for moment in moments for rate in moment.rates])
        self.rates.copy_(rates, non_blocking=True)  # CUDA has read what is not pinned when the call returns
        for training, moment in zip(self.trainings, moments, strict=True):
            training.set_progress(moment.share)

    def step(self, rows: Sequence[Rows]) -> dict[str, Tensor]:
        if self.n_before == 0:
            self._capture(rows)
        self.n_before -= 1
        if self.n_before >= 0:
            return self.recorder.prepare(lambda: self.learner.step(rows))
        if self.replay is None or len(rows[0]) != len(self.rows[0]) or _which(rows) != _which(self.rows):
            return self.learner.step(rows)
        for own, given in {id(own): (own, given) for own, given in zip(self.rows, rows, strict=True)}.values():
            own.copy_(given)
        return {name: total.clone() for name, total in self.replay().items()}

    def evaluate(self) -> list[dict[str, float]]:
        return self.learner.evaluate()

    def _capture(self, rows: Sequence[Rows]) -> None:
        own = {id(given): given.clone() for given in rows}
        self.rows = [own[id(given)] for given in rows]
        self.rates = torch.tensor([rate for moment in self.moments for rate in moment.rates], device=rows[0].device)
        parts = iter(self.rates.unbind())
        for training in self.trainings:
            for group in training.state.optimizer.param_groups:
                group["lr"] = next(parts)
        noise = {id(one.state.noise): one.state.noise for one in self.trainings if one.state.noise is not None}
        try:
            self.replay = self.recorder.capture(lambda: self.learner.step(self.rows), list(noise.values()))
        except Exception as error:  # torch and CUDA raise many
            self.learner.set_moments(self.moments)
            log.warning("no CUDA graph: each kernel of a step is launched by itself, because %s", error)


def captured(learner: Learner, trainings: Sequence[Training]) -> Learner:
    """The learner with captured steps where the models are on a GPU of NVIDIA; else the learner itself."""
    device = next(trainings[0].state.model.parameters()).device
    if device.type != "cuda" or torch.version.hip is not None:
        return learner
    for training in trainings:
        for group in training.state.optimizer.param_groups:
            if "capturable" in group:
                group["capturable"] = True
        for state in training.state.optimizer.state.values():  # of a resumption
            if isinstance(count := state.get("step"), Tensor):
                state["step"] = count.to(device)
    return CapturedSteps(learner, trainings, CudaGraph())


class CudaGraph:
    """Captures a step in a CUDA graph."""

    def prepare(self, step: Step) -> dict[str, Tensor]:
        side, current = torch.cuda.Stream(), torch.cuda.current_stream()  # a capture has a stream of its own, too
        side.wait_stream(current)
        with torch.cuda.stream(side):
            sums = step()
        current.wait_stream(side)
        return sums

    def capture(self, step: Step, noise: Sequence[torch.Generator]) -> Step:
        graph = torch.cuda.CUDAGraph()
        for generator in noise:
            graph.register_generator_state(generator)
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            sums = step()

        def replay() -> dict[str, Tensor]:
            graph.replay()
            return sums

        return replay


def _which(rows: Sequence[Rows]) -> list[int]:
    """Which trainings have the same rows: for each the first that has them."""
    ids = [id(some) for some in rows]
    return [ids.index(one) for one in ids]
