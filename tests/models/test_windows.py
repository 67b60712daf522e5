"""Long texts in windows against windows that are read one by one as texts of their own."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from hwsweep.models import Batch
from hwsweep.models.transformer import Transformer
from hwsweep.models.windows import windows_of
from tests.small_texts import batch, model

LENGTHS = (11, 3, 5, 1, 10, 6)


def one(texts: Batch, row: int, start: int = 0, stop: int | None = None) -> Batch:
    """A part of one text, as a text of its own."""
    stop = int(texts["length"][row]) if stop is None else min(stop, int(texts["length"][row]))
    part = {name: texts[name][row : row + 1, start:stop] for name in ("token", "key")}
    return {**part, "length": torch.tensor([stop - start]), "label": texts["label"][row : row + 1]}


def vectors(read: Transformer, texts: Batch) -> torch.Tensor:
    """What the model classifies: the logits of a last layer that changes nothing."""
    kept, read.classify = read.classify, torch.nn.Identity()
    found = read.outputs(texts)["logits"]
    read.classify = kept
    return found


def test_texts_are_cut_after_every_so_many_tokens() -> None:
    windows = windows_of(torch.tensor([5, 2, 1, 4]), 2)
    assert windows.text.tolist() == [0, 0, 0, 1, 2, 3, 3]
    assert windows.number.tolist() == [0, 1, 2, 0, 0, 0, 1]
    assert windows.length.tolist() == [2, 2, 1, 2, 1, 2, 2]
    token = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 0, 0, 0], [8, 0, 0, 0, 0], [1, 3, 5, 7, 0]])
    assert windows.cut(token).tolist() == [[1, 2], [3, 4], [5, 0], [6, 7], [8, 0], [1, 3], [5, 7]]
    assert windows.mean(torch.arange(7.0)[:, None])[:, 0].tolist() == pytest.approx([0.8, 3, 4, 5.5])


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_text_is_the_mean_of_its_windows_weighted_by_their_tokens(pooling: str) -> None:
    read, whole, texts = model(pooling, window=4), model(pooling), batch(LENGTHS, 12)
    for row, length in enumerate(LENGTHS):
        parts = range(0, length, 4)
        weights = [min(4, length - start) / length for start in parts]
        of_parts = [vectors(whole, one(texts, row, start, start + 4)) for start in parts]
        expected = sum(weight * part for weight, part in zip(weights, of_parts, strict=True))
        torch.testing.assert_close(vectors(read, one(texts, row)), expected)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_neither_padding_nor_other_texts_of_the_batch_change_a_logit(pooling: str) -> None:
    read, texts = model(pooling, window=4), batch(LENGTHS, 12)
    together = read.outputs(texts)["logits"]
    alone = torch.cat([read.outputs(one(texts, row))["logits"] for row in range(len(LENGTHS))])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
    rubbish = texts["token"].masked_fill(torch.arange(12) >= texts["length"][:, None], 7)
    torch.testing.assert_close(read.outputs({**texts, "token": F.pad(rubbish, (0, 9))})["logits"], together)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_texts_no_longer_than_a_window_are_read_as_without_windows(pooling: str) -> None:
    texts = batch((7, 3, 5, 1), 12)
    assert torch.equal(model(pooling, window=7).outputs(texts)["logits"], model(pooling).outputs(texts)["logits"])


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_attention_of_a_text_is_that_of_its_windows_side_by_side(pooling: str) -> None:
    read, whole, texts = model(pooling, window=4), model(pooling), batch(LENGTHS, 12)
    maps, n_prefix = read.attention(texts), len(read.prefix)
    assert maps.shape == (6, 2, 3, 11 + n_prefix, 11 + n_prefix)
    for row, length in enumerate(LENGTHS):
        expected = torch.zeros(2, 3, 11 + n_prefix, 11 + n_prefix)
        for start in range(0, length, 4):
            part = whole.attention(one(texts, row, start, start + 4))[0]
            tokens = slice(n_prefix + start, n_prefix + min(start + 4, length))
            expected[..., tokens, tokens] = part[..., n_prefix:, n_prefix:]
            if n_prefix:
                share = min(4, length - start) / length
                expected[..., tokens, 0] = part[..., 1:, 0]
                expected[..., 0, tokens] = share * part[..., 0, 1:]
                expected[..., 0, 0] += share * part[..., 0, 0]
        torch.testing.assert_close(maps[row], expected)
        torch.testing.assert_close(maps[row, ..., : length + n_prefix, :].sum(-1), torch.ones(2, 3, length + n_prefix))


def test_attention_to_key_words_is_the_share_that_the_maps_show() -> None:
    read, texts = model(window=4), batch(LENGTHS, 12)
    found = read.losses(texts)["key_attention"]
    for row, length in enumerate(LENGTHS):
        received = read.attention(texts)[row, :, :, :length, :length].mean((0, 1, 2))
        torch.testing.assert_close(found[row], received[texts["key"][row, :length]].sum())


def test_every_parameter_gets_a_gradient_through_windows() -> None:
    read = model("cls", window=4).train()
    read.losses(batch(LENGTHS, 12))["loss"].sum().backward()
    for name, parameter in read.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("window", [0, -3])
def test_a_window_that_cannot_be_is_refused(window: int) -> None:
    with pytest.raises(ValueError, match=r"`transformer.window` must be"):
        model(window=window)
