"""The token embedding against torch's, and what word vectors do to it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hwsweep.data import Lexicon, Splits
from hwsweep.models.embedding import RowParameter, TokenEmbedding, from_word_vectors

WORDS = ("<pad>", "<unk>", "news", "zyzzyva", "market")


class Vectors:
    """Known vectors of two words; and of `<pad>`, which must stay zero nevertheless."""

    def __init__(self) -> None:
        self.known = {"<pad>": [9.0, 9.0, 9.0], "news": [1.0, 2.0, 3.0], "market": [-1.0, 0.0, 1.0]}

    def rows(self, words: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        found = torch.tensor([word in self.known for word in words])
        return torch.tensor([self.known.get(word, [0.0, 0.0, 0.0]) for word in words]), found


class Host(nn.Module):
    def __init__(self, embedding: TokenEmbedding) -> None:
        super().__init__()
        self.embedding = embedding


def embedding(
    n_words: int = 5, width: int = 3, *, dim: int | None = None, frozen: bool = False, sparse: bool = True
) -> TokenEmbedding:
    torch.manual_seed(0)
    return TokenEmbedding(n_words, width, dim=dim, frozen=frozen, sparse=sparse)


def splits() -> Splits:
    return Splits({}, {}, {}, Lexicon(WORDS, ("a", "b"), 7))


@pytest.mark.parametrize("sparse", [True, False])
def test_vectors_and_gradients_equal_those_of_torch(sparse: bool) -> None:
    ours = embedding(7, 5, sparse=sparse)
    theirs = nn.Embedding.from_pretrained(ours.table.detach().clone(), freeze=False, padding_idx=0)
    token = torch.tensor([[3, 3, 6, 0], [1, 0, 0, 0]])
    torch.testing.assert_close(ours(token), theirs(token))
    for module in (ours, theirs):
        module(token).pow(3).sum().backward()
    gradient = ours.table.grad
    assert gradient.is_sparse == sparse
    torch.testing.assert_close(gradient.to_dense() if sparse else gradient, theirs.weight.grad)


def test_a_word_dimension_other_than_the_width_is_mapped_linearly() -> None:
    module = embedding(7, 5, dim=3)
    token = torch.tensor([[3, 6, 0]])
    torch.testing.assert_close(module(token), F.linear(module.table[token], module.map.weight))
    assert module(token)[0, 2].abs().max() == 0


def test_a_frozen_table_is_no_parameter_but_is_kept_with_the_weights() -> None:
    module = embedding(frozen=True)
    assert not list(module.parameters())
    assert module.state_dict()["table"].shape == (5, 3)
    assert [type(parameter) for parameter in embedding().parameters()] == [RowParameter]


@pytest.mark.parametrize("frozen", [True, False])
def test_word_vectors_are_copied_and_their_coverage_reported(frozen: bool) -> None:
    module = embedding(frozen=frozen)
    facts = from_word_vectors(Host(module), splits(), vectors=Vectors())
    assert facts == {"data/vector_coverage": pytest.approx(2 / 3)}  # of news, zyzzyva, market
    assert module.table[2].tolist() == [1, 2, 3]
    assert module.table[4].tolist() == [-1, 0, 1]
    assert module.table[0].abs().max() == 0
    assert module.table[1].abs().min() > 0
    assert module.table[3].abs().min() > 0


def test_vectors_of_other_words_are_refused() -> None:
    others = Vectors()
    others.known = {"<pad>": [9.0, 9.0, 9.0]}
    with pytest.raises(ValueError, match=r"none of the 3, such as news, zyzzyva, market\. Name other vectors"):
        from_word_vectors(Host(embedding()), splits(), vectors=others)


def test_words_without_a_vector_start_at_the_scale_of_the_others() -> None:
    n = 2000
    module = embedding(n, 11)
    found = torch.arange(n) % 2 == 0
    module.initialise(0.37 * torch.randn(n, 11) * found[:, None], found)
    # the standard error of a deviation from 11,000 draws is 0.37 / sqrt(22,000) = 0.0025; of two, 0.0035
    assert module.table[~found].std().item() == pytest.approx(0.37, abs=5 * 0.0035)


def test_a_random_vector_has_length_one_in_the_mean_square() -> None:
    n, width = 2000, 11
    squares = embedding(n, width).table[1:].square().sum(1)
    # a sum of 11 squares of variance 1/11 has variance 2/11
    assert squares.mean().item() == pytest.approx(1.0, abs=5 * (2 / width / n) ** 0.5)


def test_without_word_vectors_nothing_changes() -> None:
    module = embedding()
    before = module.table.detach().clone()
    assert from_word_vectors(Host(module), splits(), vectors=None) == {}
    assert torch.equal(module.table, before)


def test_word_vectors_of_another_dimension_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`embedding\.vectors`, but got 5 and 3"):
        from_word_vectors(Host(embedding(dim=5)), splits(), vectors=Vectors())


@pytest.mark.parametrize("dim", [0, -3])
def test_a_dimension_that_cannot_be_is_refused(dim: int) -> None:
    with pytest.raises(ValueError, match=r"`embedding\.dim` must be a whole number, at least 1, but got"):
        embedding(dim=dim)
