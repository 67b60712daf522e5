"""On headlines it is known which words decide: a Transformer learns to look at them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from hwsweep import conf_path
from hwsweep.analysis.texts.classifier_metrics import key_share
from hwsweep.components import build
from hwsweep.training.evaluation import evaluate
from hwsweep.training.loop import fit

SMALL = [
    *("model=transformer", "dataset=headlines", "dataset.n_train=3000", "dataset.n_valid=300", "dataset.n_test=4"),
    *("transformer.layers=1", "transformer.heads=2", "transformer.width=32", "transformer.dropout=0"),
    *("optimizer.lr=5e-3", "batch_size=32", "epochs=2"),
]


def test_the_share_of_attention_on_key_words_rises_with_training_from_that_of_even_attention(tmp_path: Path) -> None:
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        cfg = compose("config", SMALL)
    splits = build(cfg).dataset.splits(0)
    parts = build(cfg, splits)
    even = key_share(splits.valid, 0)
    assert evaluate(parts.model, splits.valid)["key_attention"] == pytest.approx(
        even, rel=0.1
    )  # 4 % off with seeds 0 to 4
    rows = list(fit(parts.model, splits, parts.optimizer, parts.schedule, parts.plan, tmp_path))
    assert rows[-1]["valid/key_attention"] > 3 * even  # 5 to 7 times as much with seeds 0 to 4
    assert rows[-1]["valid/error"] < 0.4  # chance: 0.75
