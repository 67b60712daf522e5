"""Tokens per second of training a Transformer: hwsweep's loop compared with a homework.

    HWSWEEP_DATA=... python benchmarks/text_throughput.py                          # AG News; without its data headlines
    HWSWEEP_DATA=... python benchmarks/text_throughput.py embedding=glove optimizer.lr=1e-4 transformer.heads=10 ...
    HWSWEEP_DATA=... python benchmarks/text_throughput.py accuracy epochs=3        # both ways, all epochs, once

Two ways with the same texts, tokens, sizes, batch size and learning rate; they take turns and are repeated:

* homework: every text padded to the longest text + 10, `DataLoader(shuffle=True)`, `nn.TransformerEncoder` with a
  padding mask, a dense embedding of the whole vocabulary, torch's default Adam, `loss.item()` at every step;
* hwsweep: batches of texts of similar length, padded to the longest text of the batch, the package's model and
  optimizer.

Rates do not count padding. A round trains on a part of the texts, because the homework is slow. `accuracy` trains each
way on all texts and compares the test accuracies.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from hwsweep import conf_path
from hwsweep.components import Components, build
from hwsweep.data import Examples, Splits
from hwsweep.models.positions import sinusoidal
from hwsweep.training.batches import training_batches
from hwsweep.training.evaluation import evaluate
from hwsweep.training.loop import fit

REPEATS = 5
TEXTS = 640


class Homework(nn.Module):
    """A classifier of `torch.nn` layers, as in a tutorial."""

    def __init__(self, cfg: DictConfig, n_words: int, longest: int, n_classes: int) -> None:
        super().__init__()
        sizes = cfg.transformer
        layer = nn.TransformerEncoderLayer(
            sizes.width, sizes.heads, sizes.hidden, sizes.dropout, batch_first=True, norm_first=sizes.norm == "pre"
        )
        norm = nn.LayerNorm(sizes.width) if sizes.norm == "pre" else None
        dim = cfg.embedding.dim or sizes.width
        self.embedding = nn.Embedding(n_words, dim, padding_idx=0)
        self.map = nn.Identity() if dim == sizes.width else nn.Linear(dim, sizes.width, bias=False)
        self.register_buffer("positions", sinusoidal(longest, sizes.width))
        self.dropout = nn.Dropout(sizes.dropout)
        self.encoder = nn.TransformerEncoder(layer, sizes.layers, norm, enable_nested_tensor=False)
        self.classify = nn.Linear(sizes.width, n_classes)

    def forward(self, token: Tensor) -> Tensor:
        """Logits of the classes for padded texts."""
        padding = token == 0
        x = self.dropout(self.map(self.embedding(token)) + self.positions)
        x = self.encoder(x, src_key_padding_mask=padding).masked_fill(padding[..., None], 0)
        return self.classify(x.sum(1) / (~padding).sum(1, keepdim=True))


def homework(
    cfg: DictConfig, components: Components, train: Examples, table: Tensor, epochs: int
) -> tuple[float, nn.Module]:
    """Seconds of training with a DataLoader and torch's layers, and the trained model."""
    longest = train["token"].shape[1]
    model = Homework(cfg, len(table), longest, components.model.classify.out_features)
    model.embedding.weight.data.copy_(table)
    model.embedding.weight.requires_grad_(not cfg.embedding.frozen)
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=cfg.optimizer.lr)
    texts = TensorDataset(train["token"].long(), train["label"])
    loader = DataLoader(texts, batch_size=components.plan.batch_size, shuffle=True)
    started = time.perf_counter()
    for step, (token, label) in enumerate(batch for _ in range(epochs) for batch in loader):
        optimizer.param_groups[0]["lr"] = cfg.optimizer.lr * components.schedule(step, epochs * len(loader))
        loss = F.cross_entropy(model(token), label)
        optimizer.zero_grad()
        loss.backward()
        if components.plan.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), components.plan.clip_norm)
        optimizer.step()
        loss.item()
    return time.perf_counter() - started, model


def hwsweep(components: Components, train: Examples, epochs: int) -> float:
    """Seconds of the training epochs of `fit`."""
    few = {name: values[:1] for name, values in train.items()}
    plan = replace(components.plan, epochs=epochs)
    with tempfile.TemporaryDirectory() as folder:
        rows = fit(
            components.model, Splits(train, few, few), components.optimizer, components.schedule, plan, Path(folder)
        )
        return sum(row["time/train_seconds"] for row in rows)


def prepare(cfg: DictConfig, splits: Splits) -> tuple[Components, Tensor]:
    """The objects of a run with word vectors loaded, and a copy of the embedding table, the start of both ways."""
    components = build(cfg, splits)
    instantiate(cfg.initialise)(components.model, splits)
    return components, components.model.embedding.table.detach().clone()


def throughput(cfg: DictConfig, splits: Splits) -> None:
    """Print median and spread of repeated rounds on a part of the texts."""
    some = torch.randperm(len(splits.train["length"]), generator=torch.Generator().manual_seed(0))[:TEXTS]
    train = {name: values[some] for name, values in splits.train.items()}
    n_tokens = int(train["length"].sum())
    rates: dict[str, list[float]] = {"homework": [], "hwsweep": []}
    for repeat in range(REPEATS + 1):
        components, table = prepare(cfg, splits)
        seconds = {"homework": homework(cfg, components, train, table, 1)[0], "hwsweep": hwsweep(components, train, 1)}
        for way, values in rates.items():
            values += [n_tokens / seconds[way]] if repeat > 0 else []  # the first round is the warm-up
    whole = int(splits.train["length"].sum())
    batches = training_batches(splits.train, cfg.batch_size, torch.Generator().manual_seed(0))
    bucketed = sum(len(rows) * int(splits.train["length"][rows].max()) for rows in batches)
    padded = splits.train["token"].numel()
    print(f"tokens of an epoch: {whole:,}; with padding {padded:,} homework, {bucketed:,} hwsweep")
    for way, values in rates.items():
        epoch = whole / median(values)
        print(
            f"{way:9s} median {median(values):9,.0f} tokens/s  (from {min(values):,.0f} to {max(values):,.0f}); "
            f"{epoch:,.1f} s an epoch of {len(splits.train['length']):,} texts"
        )
    ratios = sorted(ours / theirs for ours, theirs in zip(rates["hwsweep"], rates["homework"], strict=True))
    print(f"hwsweep / homework: median {median(ratios):.1f}  (from {ratios[0]:.1f} to {ratios[-1]:.1f})")


def accuracy(cfg: DictConfig, splits: Splits) -> None:
    """Print the test accuracy of both ways, after the same number of epochs on all training texts."""
    components, table = prepare(cfg, splits)
    seconds, model = homework(cfg, components, splits.train, table, cfg.epochs)
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(token.long()) for token in splits.test["token"].split(100)])
    right = (logits.argmax(1) == splits.test["label"]).float().mean()
    print(f"homework  test accuracy {right:.4f} after {cfg.epochs} epochs, {seconds:,.0f} s")
    seconds = hwsweep(components, splits.train, cfg.epochs)
    right = 1 - evaluate(components.model, splits.test)["error"]
    print(f"hwsweep   test accuracy {right:.4f} after {cfg.epochs} epochs, {seconds:,.0f} s")


def main() -> None:
    """Compose the run, read the texts and compare both ways."""
    overrides = sys.argv[1:]
    measure = accuracy if "accuracy" in overrides else throughput
    has_ag_news = (Path(os.environ.get("HWSWEEP_DATA", "")) / "ag_news" / "train.csv").is_file()
    data = "dataset=ag_news" if has_ag_news else "dataset=headlines"
    chosen = [override for override in overrides if override != "accuracy"]
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        cfg = compose("config", ["model=transformer", data, "device=cpu", *chosen])
    splits = build(cfg).dataset.splits(cfg.seed)
    print(
        f"{build(cfg).dataset.name}, {len(splits.train['length'])} texts, batch {cfg.batch_size}, {cfg.transformer}; "
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}"
    )
    measure(cfg, splits)


if __name__ == "__main__":
    main()
