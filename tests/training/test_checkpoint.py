from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from hwsweep.models import Progress
from hwsweep.training.checkpoint import IncompatibleCheckpoint, load_weights


class Scheduled(nn.Module):
    """A layer, and a schedule that the training moves."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3, width)
        self.schedule = Progress()


def test_weights_of_another_run_come_without_the_place_in_its_schedule(tmp_path: Path) -> None:
    trained, new = Scheduled(5), Scheduled(5)
    trained.schedule.share.fill_(0.75)
    torch.save({"model": trained.state_dict()}, tmp_path / "best.pt")
    load_weights(new, tmp_path / "best.pt")
    assert torch.equal(new.layer.weight, trained.layer.weight) and torch.equal(new.layer.bias, trained.layer.bias)
    assert float(new.schedule.share) == 0
    with pytest.raises(IncompatibleCheckpoint, match=r"`init` needs the weights of the same model, but .*best\.pt"):
        load_weights(Scheduled(7), tmp_path / "best.pt")
