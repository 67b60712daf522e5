"""What is said about the progress of a training."""

from __future__ import annotations

import pytest

from hwsweep.training.progress import under_training


@pytest.mark.parametrize(
    ("losses", "note"),
    [
        ([9.0], ""),
        ([9.0, 5.0, 5.5], ""),
        ([9.0, 5.0, 4.97], ""),  # 0.7 % of what was gained
        ([9.0, 5.0, 4.5], "under-trained: the last of 3 epochs is the best and still lowered valid/loss by 0.5"),
    ],
)
def test_a_last_epoch_that_still_lowers_the_loss_is_under_training(losses: list[float], note: str) -> None:
    assert under_training([{"valid/loss": loss} for loss in losses], "valid/loss") == note
