"""Numbers of a classifier: hand-worked confusions, and probabilities that come back in the order of the texts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hwsweep.analysis.texts import classifier_metrics
from hwsweep.models import Model

CLASSES = ("World", "Sports", "Sci/Tech")
LABEL = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 2])
PREDICTED = np.array([0, 0, 0, 1, 2, 1, 1, 0, 2, 1])


class Echo(Model):
    """Probability of class 0: a tenth of the first token."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        raise NotImplementedError

    def outputs(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        first = batch["token"][:, 0] / 10
        return {"probability": torch.stack([first, 1 - first], 1) + 0 * self.weight}


def test_probabilities_come_in_the_order_of_the_texts_whatever_their_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier_metrics, "TEXTS_AT_ONCE", 3)
    token = torch.tensor([[5, 0], [3, 0], [8, 0], [2, 0], [9, 0], [4, 0], [1, 0]], dtype=torch.int32)
    examples = {"token": token, "length": torch.tensor([2, 1, 2, 1, 1, 2, 1], dtype=torch.int32)}
    found = classifier_metrics.probabilities(Echo().eval(), examples)
    torch.testing.assert_close(found[:, 0], token[:, 0] / 10)


def test_precision_recall_and_f1_are_those_worked_out_by_hand() -> None:
    found = classifier_metrics.class_metrics(LABEL, PREDICTED, CLASSES)
    assert found == pytest.approx(
        {
            "test/accuracy": 6 / 10,
            "test/class/World/precision": 3 / 4,
            "test/class/World/recall": 3 / 5,
            "test/class/World/f1": 2 / 3,
            "test/class/Sports/precision": 2 / 4,
            "test/class/Sports/recall": 2 / 3,
            "test/class/Sports/f1": 4 / 7,
            "test/class/Sci-Tech/precision": 1 / 2,
            "test/class/Sci-Tech/recall": 1 / 2,
            "test/class/Sci-Tech/f1": 1 / 2,
            "test/macro_f1": (2 / 3 + 4 / 7 + 1 / 2) / 3,
        }
    )


def test_a_class_that_is_never_predicted_has_no_precision_and_a_class_that_is_nowhere_has_nothing() -> None:
    found = classifier_metrics.class_metrics(np.array([0, 0, 1]), np.array([0, 0, 0]), ("a", "b", "c"))
    assert "test/class/b/precision" not in found
    assert (found["test/class/b/recall"], found["test/class/b/f1"]) == (0, 0)
    assert not [key for key in found if "/c/" in key]
    assert found["test/macro_f1"] == pytest.approx((2 * 2 / 3 / (2 / 3 + 1) + 0) / 2)


def test_rows_of_the_confusions_are_true_classes() -> None:
    found = classifier_metrics.confusion(LABEL, PREDICTED, 4)
    assert found.tolist() == [[3, 1, 1, 0], [1, 2, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (("World", "Sci/Tech"), ["World", "Sci-Tech"]),
        (("C++", "C#", "C"), ["0 C-", "1 C-", "2 C"]),  # two would be the same
        (("..", "Größe 2"), ["0", "1 Größe 2"]),
    ],
)
def test_names_of_classes_become_parts_of_keys_that_differ(classes: tuple[str, ...], names: list[str]) -> None:
    assert classifier_metrics.key_names(classes) == names


@pytest.mark.parametrize(("n_prefix", "share"), [(0, (1 / 2 + 1 / 5) / 2), (1, (1 / 3 + 1 / 6) / 2)])
def test_the_share_of_even_attention_on_key_tokens_is_their_share_of_the_tokens(n_prefix: int, share: float) -> None:
    key = torch.tensor([[1, 0, 0, 0, 0], [0, 0, 0, 1, 0]], dtype=torch.bool)
    examples = {"key": key, "length": torch.tensor([2, 5], dtype=torch.int32)}
    assert classifier_metrics.key_share(examples, n_prefix) == pytest.approx(share)
