"""The Transformer against PyTorch's encoder with copied weights, closed forms and its own invariances."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hwsweep.data import DataError
from hwsweep.models.embedding import TokenEmbedding
from hwsweep.models.transformer import Transformer, key_attention, masked_mean

SHAPES = {"token": (23,), "word": (31,), "class": (3,)}


def transformer(seed: int = 0, **changes: Any) -> Transformer:
    settings: dict[str, Any] = {
        "embedding": partial(TokenEmbedding, dim=None, frozen=False, sparse=True),
        "width": 10,
        "heads": 5,
        "layers": 2,
        "hidden": 7,
        "dropout": 0.0,
        "positions": "sinusoidal",
        "norm": "pre",
        "pooling": "mean",
        "window": None,
        "word_dropout": 0.0,
        "word_mean": False,
    }
    torch.manual_seed(seed)
    return Transformer(SHAPES, **(settings | changes)).eval()


def texts(n: int = 13, columns: int = 23, longest: int = 11) -> dict[str, torch.Tensor]:
    """Texts of 1 to `longest` tokens in rows of `columns`."""
    generator = torch.Generator().manual_seed(1)
    length = torch.randint(1, longest + 1, (n,), generator=generator)
    length[0] = longest
    real = torch.arange(columns) < length[:, None]
    token = torch.randint(1, 31, (n, columns), generator=generator) * real
    label = torch.randint(0, 3, (n,), generator=generator)
    return {"token": token.int(), "length": length.int(), "label": label}


def one(batch: dict[str, torch.Tensor], row: int) -> dict[str, torch.Tensor]:
    return {name: values[row : row + 1] for name, values in batch.items()}


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_padding_changes_no_logit(pooling: str, norm: str, positions: str) -> None:
    model = transformer(pooling=pooling, norm=norm, positions=positions, word_mean=norm == "pre")
    batch = texts()
    together = model.outputs(batch)["logits"]
    alone = torch.cat([model.outputs(one(batch, row))["logits"] for row in range(13)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
    more = {**batch, "token": F.pad(batch["token"][:, :11], (0, 50))}
    assert torch.equal(model.outputs(more)["logits"], together)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_what_stands_in_the_padding_changes_no_logit(pooling: str) -> None:
    model = transformer(pooling=pooling)
    batch = texts()
    padding = torch.arange(23) >= batch["length"][:, None]
    rubbish = {**batch, "token": batch["token"].masked_fill(padding, 17)}
    torch.testing.assert_close(model.outputs(rubbish), model.outputs(batch), rtol=0, atol=1e-6)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_logits_equal_those_of_the_encoder_of_torch_with_the_same_weights(norm: str) -> None:
    model = transformer(norm=norm)
    layer = nn.TransformerEncoderLayer(10, 5, 7, dropout=0.0, batch_first=True, norm_first=norm == "pre")
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    for theirs, ours in zip(encoder.layers, model.layers, strict=True):
        theirs.self_attn.in_proj_weight.data = ours.attention.project.weight.data
        theirs.self_attn.in_proj_bias.data = ours.attention.project.bias.data
        theirs.self_attn.out_proj.load_state_dict(ours.attention.mix.state_dict())
        theirs.linear1.load_state_dict(ours.network[0].state_dict())
        theirs.linear2.load_state_dict(ours.network[3].state_dict())
        theirs.norm1.load_state_dict(ours.norms[0].state_dict())
        theirs.norm2.load_state_dict(ours.norms[1].state_dict())
    batch = texts()
    padding = torch.arange(23) >= batch["length"][:, None]
    x = F.embedding(batch["token"], model.embedding.table) + model.positions.table
    x = model.norm(encoder(x, src_key_padding_mask=padding))
    pooled = torch.stack([row[:length].mean(0) for row, length in zip(x, batch["length"].tolist(), strict=True)])
    torch.testing.assert_close(model.outputs(batch)["logits"], model.classify(pooled))


def test_the_mean_is_taken_over_real_tokens_only() -> None:
    x = torch.tensor([[[1.0], [3.0], [100.0]], [[1.0], [3.0], [5.0]]])
    real = torch.tensor([[True, True, False], [True, True, True]])
    assert masked_mean(x, real).tolist() == [[2.0], [3.0]]


def test_losses_are_cross_entropy_in_nats_and_error_of_each_text() -> None:
    model, batch = transformer(), texts()
    logits = model.outputs(batch)["logits"]
    losses = model.losses(batch)
    expected = -torch.distributions.Categorical(logits=logits).log_prob(batch["label"])
    torch.testing.assert_close(losses["loss"], expected)
    wrong = [float(row.tolist().index(row.max()) != label) for row, label in zip(logits, batch["label"], strict=True)]
    assert losses["error"].tolist() == wrong
    assert losses.keys() == {"loss", "error"}


def test_probabilities_sum_to_one_and_follow_from_the_logits() -> None:
    outputs = transformer().outputs(texts())
    torch.testing.assert_close(outputs["probability"].sum(1), torch.ones(13))
    ratio = outputs["probability"][:, 0] / outputs["probability"][:, 1]
    torch.testing.assert_close(ratio, (outputs["logits"][:, 0] - outputs["logits"][:, 1]).exp())


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_attention_sums_to_one_over_real_tokens_and_is_zero_on_padding(pooling: str) -> None:
    model, batch = transformer(pooling=pooling), texts()
    maps = model.attention(batch)
    extra = len(model.prefix)
    assert extra == (pooling == "cls")
    assert maps.shape == (13, 2, 5, 11 + extra, 11 + extra)
    real = torch.arange(11 + extra) < batch["length"][:, None] + extra
    rows = real[:, None, None, :].expand(maps.shape[:4])
    torch.testing.assert_close(maps.sum(4), rows.float())
    assert maps.transpose(3, 4)[~rows].abs().max() == 0


def test_looking_at_the_attention_changes_no_logit() -> None:
    model, batch = transformer(), texts()
    key = torch.zeros(13, 23, dtype=torch.bool)
    torch.testing.assert_close(model.losses({**batch, "key": key})["loss"], model.losses(batch)["loss"])


def test_key_attention_of_known_maps_is_what_one_counts_by_hand() -> None:
    key = torch.tensor([[True, False, False], [True, True, False]])
    real = torch.tensor([[True, True, True], [True, True, False]])
    first = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.9, 0.0], [0.0, 0.0, 1.0]]])  # on the key: .5, .1, 0
    second = torch.tensor([[[0.5, 0.5, 0.0], [0.3, 0.7, 0.0], [1.0, 0.0, 0.0]]])  # 1, 1; the third is padding
    maps = [torch.stack([first, second]), torch.stack([first, second])]
    torch.testing.assert_close(key_attention(maps, key, real), torch.tensor([0.2, 1.0]))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_key_attention_is_the_share_that_the_attention_maps_show(pooling: str) -> None:
    model, batch = transformer(pooling=pooling), texts()
    key = (torch.arange(23) % 3 == 1) & (torch.arange(23) < batch["length"][:, None])
    shares = []
    for row, maps in enumerate(model.attention(batch)):
        n_tokens = int(batch["length"][row]) + len(model.prefix)
        places = [column + len(model.prefix) for column in range(11) if key[row, column]]
        shares.append(maps[:, :, :n_tokens][..., places].sum(3).mean())
    torch.testing.assert_close(model.losses({**batch, "key": key})["key_attention"], torch.stack(shares))
    assert "key_attention" not in model.train().losses({**batch, "key": key})


def test_a_text_without_positions_would_be_a_bag_of_words_but_has_them() -> None:
    model = transformer()
    batch = {"token": torch.tensor([[3, 5, 7]]), "length": torch.tensor([3])}
    turned = {"token": torch.tensor([[7, 5, 3]]), "length": torch.tensor([3])}
    assert (model.outputs(batch)["logits"] - model.outputs(turned)["logits"]).abs().max() > 1e-4
    model.positions.table.zero_()
    torch.testing.assert_close(model.outputs(batch), model.outputs(turned))


def test_dropout_acts_only_in_training() -> None:
    model, batch = transformer(dropout=0.5), texts()
    assert torch.equal(model.outputs(batch)["logits"], model.outputs(batch)["logits"])
    torch.testing.assert_close(model.outputs(batch)["logits"], transformer(dropout=0.0).outputs(batch)["logits"])
    model.train()
    assert not torch.equal(model.outputs(batch)["logits"], model.outputs(batch)["logits"])


@pytest.mark.parametrize("window", [None, 4])
def test_the_word_mean_adds_a_linear_map_of_the_mean_of_all_words_of_the_text(window: int | None) -> None:
    model, batch = transformer(word_mean=True, window=window), texts()
    plain = transformer(window=window)
    plain.load_state_dict(model.state_dict(), strict=False)
    means = [
        model.embedding.table[token[:length].long()].mean(0)
        for token, length in zip(batch["token"], batch["length"], strict=True)
    ]
    added = torch.stack(means) @ model.classify_words.weight.T
    torch.testing.assert_close(model.outputs(batch)["logits"], plain.outputs(batch)["logits"] + added)


def test_so_many_words_are_dropped_in_training_and_none_in_evaluation() -> None:
    model = transformer(word_dropout=0.3).train()
    token = torch.randint(1, 31, (100, 97))
    words = model._words(token)
    dropped = (words == 0).all(2)
    assert torch.equal(words[~dropped], model.embedding(token)[~dropped])
    # a share of 9,700 words has the standard deviation sqrt(0.3 * 0.7 / 9,700) = 0.0047; five of them
    assert dropped.float().mean().item() == pytest.approx(0.3, abs=0.024)
    assert torch.equal(model.eval()._words(token), model.embedding(token))
    torch.testing.assert_close(model.outputs(texts()), transformer().outputs(texts()))


def test_every_parameter_gets_a_gradient() -> None:
    for pooling in ("mean", "cls"):
        model = transformer(pooling=pooling, positions="learned", word_mean=True).train()
        model.losses(texts())["loss"].sum().backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_frozen_embedding_gets_no_gradient_and_no_optimizer_state() -> None:
    model = transformer(embedding=partial(TokenEmbedding, dim=7, frozen=True, sparse=True))
    names = [name for name, _ in model.named_parameters() if name.startswith("embedding")]
    assert names == ["embedding.map.weight"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 3}, "heads=3, width=10; divisors: 1, 2, 5, 10"),
        ({"heads": 0}, "`transformer.heads` must be a whole number, at least 1, but got 0"),
        ({"layers": 0}, "`transformer.layers` must be a whole number, at least 1"),
        ({"hidden": -1}, "`transformer.hidden` must be a whole number, at least 1"),
        ({"norm": "none"}, "`transformer.norm` must be pre or post, but got 'none'"),
        ({"pooling": "max"}, "`transformer.pooling` must be mean or cls"),
        ({"positions": "rotary"}, "`transformer.positions` must be sinusoidal or learned"),
        ({"dropout": 1.5}, r"`transformer.dropout` must be a number in \[0, 1\)"),
        ({"word_dropout": 1}, r"`transformer.word_dropout` must be a number in \[0, 1\)"),
    ],
)
def test_a_value_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        transformer(**changes)


def test_a_data_set_of_images_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs a data set of texts, but this one has \['image'\]"):
        Transformer(
            {"image": (1, 5, 7)},
            embedding=partial(TokenEmbedding, dim=None, frozen=False, sparse=True),
            width=10, heads=5, layers=1, hidden=7, dropout=0.0, positions="learned", norm="pre", pooling="mean",
            window=None, word_dropout=0.0, word_mean=False,
        )  # fmt: skip


def test_texts_too_long_for_the_memory_are_refused_before_they_are_read_and_only_in_training() -> None:
    model = transformer(dropout=0.5, width=10, heads=5, layers=2).train()
    batch = texts() | {"length": torch.full((13,), 100_000)}
    message = (
        r"13 texts of up to 100,000 tokens would run out of memory.* 5 heads, 2 layers takes 15,600 GB.*max_length"
    )
    with pytest.raises(DataError, match=message):  # 12 bytes * 2 layers * 5 heads * 13 texts * 10^10 pairs of tokens
        model.losses(batch)
    model.losses(texts())
    model.eval()
    model.losses(texts() | {"length": torch.full((13,), 23)})


def test_a_length_that_the_refusal_names_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=12 * 2 * 5 * 13 * 9**2))
    model = transformer(dropout=0.5).train()
    with pytest.raises(DataError, match=r"13 texts of up to 10 tokens.*at most 9 fit.*transformer.window"):
        model.losses(texts(longest=10))
    model.losses(texts(longest=9))
    windowed = transformer(dropout=0.5, window=7).train()
    windowed.losses(texts(longest=7))
    with pytest.raises(DataError, match=r"windows of up to 7 tokens .* set a smaller batch_size or transformer.window"):
        windowed.losses(texts(n=13, longest=23) | {"length": torch.full((13,), 23)})


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_silenced_head_gives_the_logits_of_a_model_without_its_columns_of_the_output_map(need_weights: bool) -> None:
    model, cut, batch = transformer(), transformer(), texts()
    silent = torch.tensor([[False, True, False, False, True], [True, False, False, False, False]])
    with torch.no_grad():
        for layer, heads in zip(cut.layers, silent, strict=True):
            layer.attention.mix.weight.view(10, 5, 2)[:, heads] = 0  # head h has the columns 2 h and 2 h + 1
    before = model.outputs(batch)["logits"]
    with model.silence(silent):
        inside = model._read(batch, need_weights=need_weights)[0]
        assert model.state_dict().keys() == cut.state_dict().keys()
    torch.testing.assert_close(inside, cut.outputs(batch)["logits"])
    assert not torch.allclose(inside, before, atol=1e-3)
    torch.testing.assert_close(model.outputs(batch)["logits"], before)
