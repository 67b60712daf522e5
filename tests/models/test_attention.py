"""Attention and the encoder layer against PyTorch's own, with copied weights; positions against their formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hwsweep.models.attention import SelfAttention, attention_weights
from hwsweep.models.encoder_layer import EncoderLayer
from hwsweep.models.positions import Positions, sinusoidal

WIDTH, HEADS, HIDDEN = 15, 3, 11


def texts(n: int = 7, longest: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Random tokens, and which of them are no padding: from one to all of a text's."""
    torch.manual_seed(1)
    real = torch.arange(longest) < (torch.arange(n) % longest + 1)[:, None]
    return torch.randn(n, longest, WIDTH), real


def attention_of(reference: nn.MultiheadAttention) -> SelfAttention:
    """Ours with the weights of PyTorch's."""
    ours = SelfAttention(width=WIDTH, heads=HEADS, dropout=0.0)
    ours.project.weight.data = reference.in_proj_weight.data
    ours.project.bias.data = reference.in_proj_bias.data
    ours.mix.load_state_dict(reference.out_proj.state_dict())
    return ours


def layer_of(reference: nn.TransformerEncoderLayer, norm: str) -> EncoderLayer:
    ours = EncoderLayer(width=WIDTH, heads=HEADS, hidden=HIDDEN, dropout=0.0, norm=norm)
    ours.attention = attention_of(reference.self_attn)
    ours.network[0].load_state_dict(reference.linear1.state_dict())
    ours.network[3].load_state_dict(reference.linear2.state_dict())
    ours.norms[0].load_state_dict(reference.norm1.state_dict())
    ours.norms[1].load_state_dict(reference.norm2.state_dict())
    return ours


@pytest.mark.parametrize("need_weights", [True, False])
def test_attention_equals_that_of_torch_with_the_same_weights(need_weights: bool) -> None:
    x, real = texts()
    reference = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    nn.init.normal_(reference.in_proj_bias)
    expected, maps = reference(x, x, x, key_padding_mask=~real, average_attn_weights=False)
    mixed, weights = attention_of(reference)(x, real, need_weights=need_weights)
    torch.testing.assert_close(mixed, expected)
    if need_weights:
        torch.testing.assert_close(weights, maps)
    else:
        assert weights is None


def test_weights_times_values_are_scaled_dot_product_attention() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, HEADS, 5, 7).unbind()
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])[:, None, None]
    expected = F.scaled_dot_product_attention(query, key, value, mask)
    torch.testing.assert_close(attention_weights(query, key, mask) @ value, expected)


def test_attention_of_two_tokens_is_what_one_computes_by_hand() -> None:
    # scores of the first query: 2 * 1 / sqrt(1) = 2 and 0, so weights e^2 : 1
    query, key = torch.tensor([[[[2.0], [0.0]]]]), torch.tensor([[[[1.0], [0.0]]]])
    first = math.exp(2) / (math.exp(2) + 1)
    expected = torch.tensor([[[[first, 1 - first], [0.5, 0.5]]]])
    torch.testing.assert_close(attention_weights(query, key, None), expected)


def test_rows_of_attention_sum_to_one_over_real_tokens_and_padding_has_none() -> None:
    x, real = texts()
    _, weights = SelfAttention(width=WIDTH, heads=HEADS, dropout=0.0)(x, real, need_weights=True)
    torch.testing.assert_close(weights.sum(3), torch.ones(weights.shape[:3]))
    assert weights.masked_select(~real[:, None, None, :].expand_as(weights)).abs().max() == 0


def test_heads_that_do_not_divide_the_width_are_refused_with_the_divisors() -> None:
    with pytest.raises(ValueError, match=r"heads=7, width=200; divisors: 1, 2, 4, 5, 8, 10, 20, 25, 40, 50, 100, 200$"):
        SelfAttention(width=200, heads=7, dropout=0.0)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_an_encoder_layer_equals_that_of_torch_with_the_same_weights(norm: str, need_weights: bool) -> None:
    x, real = texts()
    reference = nn.TransformerEncoderLayer(
        WIDTH, HEADS, HIDDEN, dropout=0.0, batch_first=True, norm_first=norm == "pre"
    )
    nn.init.normal_(reference.norm1.weight)
    expected = reference(x, src_key_padding_mask=~real)
    got, _ = layer_of(reference, norm)(x, real, need_weights=need_weights)
    torch.testing.assert_close(got[real], expected[real])


def test_the_gradients_of_an_encoder_layer_equal_those_of_torch() -> None:
    x, real = texts()
    reference = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, dropout=0.0, batch_first=True)
    ours = layer_of(reference, "post")
    ours_x, their_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    ours(ours_x, real, need_weights=False)[0][real].square().sum().backward()
    reference(their_x, src_key_padding_mask=~real)[real].square().sum().backward()
    torch.testing.assert_close(ours_x.grad, their_x.grad, rtol=1e-4, atol=1e-5)


def test_sinusoidal_positions_follow_their_formula() -> None:
    table = sinusoidal(6, 5)
    for position in range(6):
        for column in range(5):
            angle = position / 10_000 ** (2 * (column // 2) / 5)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert table[position, column].item() == pytest.approx(expected, abs=1e-6)


def test_a_shift_of_sinusoidal_positions_turns_each_pair_by_an_angle_that_does_not_depend_on_the_position() -> None:
    pairs = sinusoidal(50, 8).unflatten(1, (4, 2))
    products = (pairs[3:] * pairs[:-3]).sum(2)  # the cosine of the angle between neighbours three apart
    torch.testing.assert_close(products, products[:1].expand_as(products), rtol=0, atol=1e-5)


def test_learned_positions_are_parameters_and_sinusoidal_ones_are_not() -> None:
    assert [name for name, _ in Positions("learned", longest=7, width=5).named_parameters()] == ["table"]
    assert not list(Positions("sinusoidal", longest=7, width=5).parameters())
    assert not Positions("sinusoidal", longest=7, width=5).state_dict()
