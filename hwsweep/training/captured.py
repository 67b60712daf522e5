"""A step captured once in a CUDA graph and replayed: a small model's step then takes no time to launch its kernels."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from hwsweep.models import Progress, Stages
from hwsweep.training.batches import Rows, n_examples
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
    before each step, captured or not: the same bits, wherever a training is interrupted. Where a step cannot be
    captured a line says so, and all goes on as without capture.
    """

    def __init__(self, learner: Learner, trainings: Sequence[Training], recorder: Recorder) -> None:
        self.learner = learner
        self.recorder = recorder
        first = trainings[0]
        self.full = min(first.plan.batch_size, n_examples(first.train))
        """Rows of a full batch."""
        noise = {id(one.state.noise): one.state.noise for one in trainings if one.state.noise is not None}
        self.noise = list(noise.values())
        # 100 models have 1,500 modules: a walk over them takes longer than their step
        self.progress = [
            [part for part in one.state.model.modules() if isinstance(part, Progress)] for one in trainings
        ]
        groups = [group for training in trainings for group in training.state.optimizer.param_groups]
        self.rates = torch.zeros(len(groups), device=next(first.state.model.parameters()).device)
        """All learning rates: those of the optimizers are parts of this tensor."""
        for group, rate in zip(groups, self.rates.unbind(), strict=True):
            group["lr"] = rate
        self.moments: Sequence[Moment] = []
        self.n_before = WARM_UP
        """Steps until the capture."""
        self.is_refused = False
        """Whether a step cannot be captured."""
        self.replay: Step | None = None
        self.rows: list[Rows] = []
        """Of the captured step; trainings with the same rows share them."""

    def set_moments(self, moments: Sequence[Moment]) -> None:
        self.moments = moments
        if self.is_refused:
            self.learner.set_moments(moments)
            return
        rates = torch.tensor([rate for moment in moments for rate in moment.rates])
        self.rates.copy_(rates, non_blocking=True)  # CUDA has read what is not pinned when the call returns
        for parts, moment in zip(self.progress, moments, strict=True):
            for part in parts:
                part.share.fill_(moment.share)

    def step(self, rows: Sequence[Rows]) -> dict[str, Tensor]:
        if self.n_before > 0:
            self.n_before -= 1
            return self.recorder.prepare(lambda: self.learner.step(rows))
        if self.replay is None and not self.is_refused and len(rows[0]) == self.full:
            self._capture(rows)
        if self.replay is None or len(rows[0]) != self.full or _which(rows) != _which(self.rows):
            return self.learner.step(rows)
        for own, given in {id(own): (own, given) for own, given in zip(self.rows, rows, strict=True)}.values():
            own.copy_(given)
        return {name: total.clone() for name, total in self.replay().items()}

    def evaluate(self) -> list[dict[str, float]]:
        return self.learner.evaluate()

    def _capture(self, rows: Sequence[Rows]) -> None:
        own = {id(given): given.clone() for given in rows}
        self.rows = [own[id(given)] for given in rows]
        try:
            self.replay = self.recorder.capture(lambda: self.learner.step(self.rows), self.noise)
        except Exception as error:  # torch and CUDA raise many
            self.is_refused = True
            self.learner.set_moments(self.moments)
            why = str(error).partition("\n")[0]
            log.warning("no CUDA graph: each kernel of a step is launched by itself, because %s", why)


def captured(learner: Learner, trainings: Sequence[Training]) -> Learner:
    """The learner with captured steps on a GPU of NVIDIA; the learner itself elsewhere, and where steps differ.

    Steps differ for texts, whose batches differ in length, and for `Stages`, whose optimizers get a new state at each
    stage, while a replay would use the old one.
    """
    device = next(trainings[0].state.model.parameters()).device
    has_stages = any(isinstance(module, Stages) for one in trainings for module in one.state.model.modules())
    if device.type != "cuda" or torch.version.hip is not None or "length" in trainings[0].train or has_stages:
        return learner
    for training in trainings:
        make_capturable(training.state.optimizer, device)
    return CapturedSteps(learner, trainings, CudaGraph())


def make_capturable(optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Let Adam count its steps on the device, also those of a resumption, where a graph can count on."""
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True
    for state in optimizer.state.values():
        if isinstance(count := state.get("step"), Tensor):
            state["step"] = count.to(device)
    # the steps before the capture; an optimizer that was pickled has lost the mark that torch sets against this warning
    warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")


class CudaGraph:
    """Captures a step in a CUDA graph."""

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()
        """Of the steps before the capture and of the capture: they share memory and the workspaces of cuBLAS."""

    def prepare(self, step: Step) -> dict[str, Tensor]:
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            sums = step()
        current.wait_stream(self.stream)
        return sums

    def capture(self, step: Step, noise: Sequence[torch.Generator]) -> Step:
        graph = torch.cuda.CUDAGraph()
        for generator in noise:
            graph.register_generator_state(generator)
        gc.collect()  # to free an older graph during the capture would break it
        try:
            # the outer context: where a capture fails, torch leaves its stream the current one
            with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph, stream=self.stream):
                sums = step()
        except BaseException:
            graph.reset()
            raise

        def replay() -> dict[str, Tensor]:
            graph.replay()
            return sums

        return replay


def _which(rows: Sequence[Rows]) -> list[int]:
    """Which trainings have the same rows: for each the first that has them."""
    first: dict[int, int] = {}
    return [first.setdefault(id(some), number) for number, some in enumerate(rows)]
