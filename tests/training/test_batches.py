"""Batches of images that are drawn from their intensities."""

from __future__ import annotations

import pytest
import torch

from hwsweep.training.batches import MAX_TOKENS, evaluation_batches, training_batch

LEVELS = torch.tensor([0, 1, 51, 128, 254, 255], dtype=torch.uint8)


def test_a_batch_is_drawn_from_the_intensities_of_its_rows() -> None:
    intensity = LEVELS[:, None, None, None].expand(6, 1, 60, 101).contiguous()
    examples = {"image": torch.full_like(intensity, 7), "intensity": intensity, "label": torch.arange(6)}
    torch.manual_seed(0)
    batch = training_batch(examples, torch.tensor([5, 2, 0, 3]))
    assert batch.keys() == {"image", "label"}
    assert batch["label"].tolist() == [5, 2, 0, 3]
    assert batch["image"].dtype == torch.uint8
    assert set(batch["image"].unique().tolist()) == {0, 255}
    white = (batch["image"] == 255).double().mean((1, 2, 3))
    share = LEVELS[[5, 2, 0, 3]].double() / 255
    assert ((white - share).abs() <= 4 * (share * (1 - share) / 6060).sqrt()).all()  # 4 standard errors; 0 and 1 exact


def test_batches_without_intensity_are_rows_of_the_examples() -> None:
    examples = {"image": torch.arange(12, dtype=torch.uint8).view(3, 1, 2, 2)}
    assert torch.equal(training_batch(examples, torch.tensor([2, 0]))["image"], examples["image"][[2, 0]])


@pytest.mark.parametrize("padded", [True, False])
def test_an_evaluation_reads_every_text_once_and_without_padding_those_of_one_length_together(padded: bool) -> None:
    length = torch.tensor([5, 3, 5, MAX_TOKENS, 3, 3, 3, MAX_TOKENS // 2, MAX_TOKENS // 2])
    batches = evaluation_batches({"length": length}, 3, padded=padded)
    of_batches = [length[rows].tolist() for rows in batches]
    assert sorted(row for rows in batches for row in torch.arange(len(length))[rows].tolist()) == list(range(9))
    assert all(len(some) <= 3 and len(some) * max(some) <= MAX_TOKENS for some in of_batches)
    short = [some for some in of_batches if max(some) <= 5]
    assert short == ([[3, 5, 5], [3, 3, 3]] if padded else [[5, 5], [3, 3, 3], [3]])
