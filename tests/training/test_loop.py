"""The loop against a bare one, its own resumption, and weighted means worked by hand."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hwsweep.data import Splits
from hwsweep.data.binarisation import binarised
from hwsweep.models import Batch, Model
from hwsweep.training import checkpoint
from hwsweep.training.checkpoint import EpochMetrics, IncompatibleCheckpoint
from hwsweep.training.epoch import Diverged
from hwsweep.training.evaluation import evaluate
from hwsweep.training.loop import fit
from hwsweep.training.plan import TrainingPlan
from hwsweep.training.schedules import ConstantLearningRate, CosineWarmup


class Line(Model):
    """y = w x + noise, with dropout-like noise from the global generator, so that randomness matters."""

    def __init__(self, noise: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.5]))
        self.noise = noise

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        predicted = batch["x"] * self.weight + self.noise * torch.randn_like(batch["x"])
        return {"loss": (predicted - batch["y"]).square(), "error": (predicted - batch["y"]).abs()}

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        return {"y": batch["x"] * self.weight}


def splits(n: int = 23) -> Splits:
    generator = torch.Generator().manual_seed(3)
    parts = []
    for size in (n, 7, 5):
        x = torch.randn(size, generator=generator)
        parts.append({"x": x, "y": 2 * x})
    return Splits(*parts)


def plan(**changes: Any) -> TrainingPlan:
    settings: dict[str, Any] = {
        "epochs": 4,
        "batch_size": 5,
        "clip_norm": None,
        "precision": "float32",
        "seed": 0,
        "select": "valid/loss",
    }
    return TrainingPlan(**(settings | changes))


def train(
    folder: Path, epochs: int = 4, resume: Path | None = None, stop: int | None = None, **changes: Any
) -> tuple[Line, list[EpochMetrics]]:
    torch.manual_seed(0)
    model = Line(noise=0.3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    schedule = CosineWarmup(warmup=0.2, floor=0.0)
    rows = []
    for row in fit(model, splits(), optimizer, schedule, plan(epochs=epochs, **changes), folder, resume):
        rows.append(row)
        if len(rows) == stop:
            break
    return model, rows


def without_times(rows: list[EpochMetrics]) -> list[EpochMetrics]:
    return [{key: value for key, value in row.items() if not key.startswith("time/")} for row in rows]


def test_two_fits_with_the_same_seed_agree_to_the_last_bit(tmp_path: Path) -> None:
    one, rows = train(tmp_path / "a")
    other, again = train(tmp_path / "b")
    assert without_times(rows) == without_times(again)
    assert torch.equal(one.weight, other.weight)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_fit_that_was_cut_goes_on_to_the_same_bits(tmp_path: Path, cut: int) -> None:
    whole, rows = train(tmp_path / "whole")
    train(tmp_path / "cut", stop=cut)
    resumed, again = train(tmp_path / "cut", resume=tmp_path / "cut" / "last.pt")
    assert without_times(rows) == without_times(again)
    assert torch.equal(whole.weight, resumed.weight)


def test_a_resumed_fit_in_another_folder_has_the_best_checkpoint_too(tmp_path: Path) -> None:
    train(tmp_path / "first", stop=4)
    train(tmp_path / "second", resume=tmp_path / "first" / "last.pt")
    first, second = (checkpoint.load(tmp_path / name / "best.pt") for name in ("first", "second"))
    assert first["epoch"] == second["epoch"]
    assert torch.equal(first["model"]["weight"], second["model"]["weight"])


def test_the_loop_takes_the_steps_of_a_bare_loop(tmp_path: Path) -> None:
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rows = list(fit(model, splits(), optimizer, ConstantLearningRate(), plan(epochs=2), tmp_path))
    weight = 0.5
    order = torch.Generator().manual_seed(0)
    data = splits().train
    for _ in range(2):
        for batch in torch.randperm(23, generator=order).split(5):
            x = data["x"][batch].double()
            weight -= 0.1 * float((2 * (weight - 2) * x * x).mean())
    assert model.weight.item() == pytest.approx(weight, rel=1e-5)
    valid_x = splits().valid["x"].double()
    assert rows[-1]["valid/loss"] == pytest.approx(float(((weight - 2) * valid_x).square().mean()), rel=1e-4)


def test_means_weigh_examples_not_batches() -> None:
    x = torch.tensor([1.0, 1.0, 1.0, 5.0])
    examples = {"x": x, "y": torch.zeros(4)}
    model = Line()
    assert evaluate(model, examples, batch_size=3)["loss"] == pytest.approx(0.25 * (3 * 0.25 + 6.25))


class Brightness(Model):
    """The mean of a batch's images as one number; the loss of an epoch tells which pixels were white."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(0.1))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        return {"loss": (batch["image"].float().flatten(1).mean(1) / 255 - self.level).square()}

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        return {}


def train_on_drawn_images(folder: Path, stop: int, resume: Path | None = None) -> list[EpochMetrics]:
    grey = {"image": torch.randint(0, 256, (23, 1, 5, 7), generator=torch.Generator().manual_seed(1)).to(torch.uint8)}
    drawn = binarised(Splits(grey, grey, grey), "dynamic", seed=0)
    model = Brightness()
    torch.manual_seed(0)
    epochs = fit(
        model, drawn, torch.optim.SGD(model.parameters(), lr=0), ConstantLearningRate(), plan(), folder, resume
    )
    return list(islice(epochs, stop))


def test_dynamic_images_are_new_in_each_epoch_and_the_same_after_a_resumption(tmp_path: Path) -> None:
    whole = train_on_drawn_images(tmp_path / "whole", 4)
    assert len({row["train/loss"] for row in whole}) == 4
    assert len({row["valid/loss"] for row in whole}) == 1  # the draw of an evaluation stays
    train_on_drawn_images(tmp_path / "cut", 2)
    assert without_times(train_on_drawn_images(tmp_path / "cut", 4, tmp_path / "cut" / "last.pt")) == without_times(
        whole
    )


class Averaged(Line):
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        return {name: values.mean() for name, values in super().losses(batch).items()}


def test_a_loss_that_is_a_mean_over_the_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one number per example, but loss has shape \(\) for 7 examples"):
        evaluate(Averaged(), splits().valid)


def test_evaluating_changes_neither_training_noise_nor_its_own_result() -> None:
    model = Line(noise=1.0)
    torch.manual_seed(9)
    expected = torch.randn(3)
    torch.manual_seed(9)
    first = evaluate(model, splits().valid)
    assert torch.equal(torch.randn(3), expected)
    assert evaluate(model, splits().valid) == first


def test_clipping_bounds_the_step_to_rate_times_norm(tmp_path: Path) -> None:
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    list(
        fit(model, splits(), optimizer, ConstantLearningRate(), plan(epochs=1, batch_size=23, clip_norm=0.01), tmp_path)
    )
    assert model.weight.item() - 0.5 == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_the_best_checkpoint_is_of_the_best_epoch(tmp_path: Path) -> None:
    _, rows = train(tmp_path, epochs=6)
    values = [row["valid/loss"] for row in rows]
    assert checkpoint.load(tmp_path / "best.pt")["epoch"] == 1 + values.index(min(values))


def test_a_loss_that_is_not_finite_names_epoch_step_and_learning_rate(tmp_path: Path) -> None:
    data = splits()
    data.train["x"][torch.randperm(23, generator=torch.Generator().manual_seed(0))[7]] = math.inf
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    with pytest.raises(Diverged, match=r"inf at epoch 1, step 2 of 5, learning rate 0.125"):
        list(fit(model, data, optimizer, ConstantLearningRate(), plan(), tmp_path))


class WithRate(Line):
    """Reports a second loss that training does not minimise."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        rate = self.rate if self.weight.item() != 0.5 else 1.0
        return {**super().losses(batch), "rate": torch.full_like(batch["x"], rate)}


@pytest.mark.parametrize("rate", [2e33, -1e9, math.inf, math.nan])
def test_a_validation_loss_far_beyond_those_of_the_untrained_model_has_diverged(tmp_path: Path, rate: float) -> None:
    model = WithRate(rate)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    with pytest.raises(
        Diverged, match=r"below 1e\+06 times the largest loss of the untrained model \(\d.*valid/rate was"
    ):
        list(fit(model, splits(), optimizer, ConstantLearningRate(), plan(), tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_large_loss_has_not_diverged_also_after_a_resumption(tmp_path: Path) -> None:
    def go_on(rate: float, epochs: int, resume: Path | None) -> list[EpochMetrics]:
        model = WithRate(rate)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
        return list(fit(model, splits(), optimizer, ConstantLearningRate(), plan(epochs=epochs), tmp_path, resume))

    assert go_on(9e5, 1, None)[0]["valid/rate"] == pytest.approx(9e5)
    with pytest.raises(Diverged, match="after epoch 2"):  # the untrained model's loss is that of the first start
        go_on(1e9, 2, tmp_path / "last.pt")


def test_a_checkpoint_of_another_model_is_refused_by_name(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "last.pt", {"model": {"other": torch.zeros(1)}, "optimizer": {}})
    with pytest.raises(
        IncompatibleCheckpoint, match=r"must come from the same model and optimizer, but .*last.pt does not"
    ):
        train(tmp_path, resume=tmp_path / "last.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "`epochs` must be a whole number, at least 1, but got 0"),
        ({"batch_size": 1.5}, "`batch_size` must be a whole number, at least 1, but got 1.5"),
        ({"precision": "half"}, "`precision` must be float32, tf32, bfloat16 or auto, but got 'half'"),
        ({"clip_norm": 0}, "`clip_norm` must be a finite number > 0, or null, but got 0"),
        ({"select": "loss"}, "`select` must be measured on the validation split"),
    ],
)
def test_a_plan_out_of_range_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(**change)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path / "last.pt", {"epoch": 1})

    def fail(state: object, file: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path / "last.pt", {"epoch": 2})
    assert checkpoint.load(tmp_path / "last.pt") == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]
