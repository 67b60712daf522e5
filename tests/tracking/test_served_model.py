"""A classifier of texts to take away: loaded from MLflow in a fresh process that has no data."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from hwsweep.components import build_model
from hwsweep.data import Lexicon
from hwsweep.models.transformer import Transformer
from hwsweep.training import checkpoint

TINY = ["model=transformer", "dataset=headlines", "dataset.n_train=157", "dataset.n_valid=31", "dataset.n_test=37"]
SMALL = ["epochs=2", "transformer.width=12", "transformer.heads=3", "transformer.layers=1", "transformer.hidden=17"]

LOAD_AND_PREDICT = """
import json, sys, mlflow
mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
model = mlflow.pyfunc.load_model("runs:/" + sys.argv[1] + "/model")
texts = json.load(open("texts.json"))
together, alone = model.predict(texts), model.predict(texts[:1])
assert list(together.iloc[0]) == list(alone.iloc[0]) or abs(together.iloc[0, 1:] - alone.iloc[0, 1:]).max() < 1e-5
explained = {name: model.predict(texts, params={"attributions": name}) for name in sys.argv[2:]}
assert all(table[list(together)].equals(together) for table in explained.values()) and "tokens" not in together
lists = {name: [list(table.tokens), list(table.attributions)] for name, table in explained.items()}
json.dump(lists, open("attributions.json", "w"))
try:
    model.predict(texts, params={"attributions": "gradients"})
except ValueError as error:
    print(error)
together.to_json("predicted.json", orient="split")
"""


@pytest.mark.slow
def test_the_logged_classifier_takes_raw_texts_in_a_fresh_process_without_data_and_explains_its_labels(
    hwsweep: Callable[..., subprocess.CompletedProcess[str]], workplace: Path
) -> None:
    done = hwsweep(*TINY, *SMALL, "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    folder = workplace / "run"
    lexicon = Lexicon.from_json((folder / "lexicon.json").read_text(encoding="utf-8"))
    known = [word for word in lexicon.words if word.isalpha()]
    texts = [" ".join(known[:7]), known[8].upper(), "", f"{known[9]} zzzunknownzzz"]
    (workplace / "texts.json").write_text(json.dumps(texts))
    environment = {**os.environ, "HWSWEEP_DATA": str(workplace / "nowhere")}
    run_id = json.loads((folder / "result.json").read_text())["run_id"]
    command = [sys.executable, "-W", "ignore", "-c", LOAD_AND_PREDICT, run_id, "gradient_x_input", "leave_one_out"]
    loaded = subprocess.run(command, cwd=workplace, env=environment, capture_output=True, text=True)
    assert loaded.returncode == 0, loaded.stderr
    table = json.loads((workplace / "predicted.json").read_text())
    assert table["columns"] == ["label", *lexicon.classes]
    # by hand: lower case, split at spaces, unknown words and the empty text are <unk> (1), padded with 0
    ids = [[lexicon.words.index(word) for word in known[:7]], [lexicon.words.index(known[8])], [1]]
    ids.append([lexicon.words.index(known[9]), 1])
    token = torch.tensor([row + [0] * (lexicon.max_length - len(row)) for row in ids], dtype=torch.int32)
    batch = {"token": token, "length": torch.tensor([len(row) for row in ids], dtype=torch.int32)}
    model = build_model(OmegaConf.load(folder / "config" / "config.yaml"), lexicon)
    model.load_state_dict(checkpoint.load(folder / "checkpoints" / "best.pt")["model"])
    with torch.no_grad():
        expected = model.eval().outputs(batch)["probability"]
    for row, probability in zip(table["data"], expected, strict=True):
        assert row[0] == lexicon.classes[int(probability.argmax())]
        assert row[1:] == pytest.approx(probability.tolist(), abs=1e-5)
        assert sum(row[1:]) == pytest.approx(1, abs=1e-5)
    attributed = json.loads((workplace / "attributions.json").read_text())
    assert "`attributions` must be none, attention, rollout, gradient_x_input, " in loaded.stdout
    assert "but got 'gradients'" in loaded.stdout
    tokens = [known[:7], [known[8].lower()], ["<unk>"], [known[9], "zzzunknownzzz"]]
    assert attributed["gradient_x_input"][0] == attributed["leave_one_out"][0] == tokens
    for row, values in enumerate(attributed["leave_one_out"][1]):
        one = {name: value[row : row + 1] for name, value in batch.items()}
        label = int(expected[row].argmax())
        for at, value in enumerate(values):  # by hand: ln p(label) lost where the word is <pad>
            masked = {**one, "token": one["token"].clone()}
            masked["token"][0, at] = 0
            with torch.no_grad():
                lost = (expected[row, label] / model.outputs(masked)["probability"][0, label]).log()
            assert value == pytest.approx(float(lost), abs=1e-5)
    for row, values in enumerate(attributed["gradient_x_input"][1]):  # the derivative along each word's vector, by hand
        one = {name: value[row : row + 1] for name, value in batch.items()}
        for at, value in enumerate(values):
            logs = [ln_probability(model, one, at, 1 + step, int(expected[row].argmax())) for step in (-0.01, 0.01)]
            assert value == pytest.approx((logs[1] - logs[0]) / 0.02, abs=1e-3)


def ln_probability(model: Transformer, one: dict[str, torch.Tensor], at: int, scale: float, label: int) -> float:
    """ln p(label) where the vector of one token is multiplied by `scale`."""

    def scaled(module: nn.Module, given: object, vectors: torch.Tensor) -> torch.Tensor:
        vectors = vectors.clone()
        vectors[:, at] *= scale
        return vectors

    model = copy.deepcopy(model)
    model.embedding.register_forward_hook(scaled)
    with torch.no_grad():
        return float(model.outputs(one)["logits"].log_softmax(1)[0, label])


SERVE_CHINESE = """
import json, sys, mlflow
mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
texts, asked = json.load(open("texts.json")), {"attributions": "integrated_gradients"}
models = [mlflow.pyfunc.load_model("runs:/" + run + "/model") for run in sys.argv[1:]]
json.dump([model.predict(texts, params=asked).to_dict("list") for model in models], open("served.json", "w"))
"""
TOPICS = {
    "體育": ["球隊", "教練", "決賽", "投手", "籃球", "裁判"],
    "財經": ["股市", "央行", "匯率", "銀行", "通膨", "債券"],
}
TOKENS = {"jieba": ["教練", "的", "籃球", "。"], "character": ["教", "練", "的", "籃", "球", "。"]}
"""Of the text 教練的籃球。"""


@pytest.mark.slow
def test_chinese_classifiers_take_texts_and_explain_their_labels_in_a_fresh_process(
    hwsweep: Callable[..., subprocess.CompletedProcess[str]], workplace: Path
) -> None:
    """Each text has two words of one topic, so that the label of another such text is known."""
    rows = [f"{first}的{second}。,{label}" for label, words in TOPICS.items() for first in words for second in words]
    (workplace / "news.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    data = ["model=transformer", "dataset=text_csv", "dataset.path=news.csv", f"tokenizer={','.join(TOKENS)}"]
    train = ["epochs=15", "batch_size=8", "optimizer.lr=3e-3", "figures=none", "hydra.sweeper.study_name=zh"]
    done = hwsweep("-m", *data, *train, "analysis.attributions.n_texts=1", "analysis.attributions.aopc_texts=1")
    assert done.returncode == 0, done.stderr
    (workplace / "texts.json").write_text(json.dumps(["教練的籃球。", "央行的通膨。", "", "zzz 😀"]))
    results = [workplace / "outputs" / "zh" / str(number) / "result.json" for number in range(len(TOKENS))]
    run_ids = [json.loads(result.read_text(encoding="utf-8"))["run_id"] for result in results]
    environment = {**os.environ, "HWSWEEP_DATA": str(workplace / "nowhere")}
    command = [sys.executable, "-W", "ignore", "-c", SERVE_CHINESE, *run_ids]
    served = subprocess.run(command, cwd=workplace, env=environment, capture_output=True, text=True)
    assert served.returncode == 0, served.stderr
    tables = json.loads((workplace / "served.json").read_text(encoding="utf-8"))
    for table, tokens in zip(tables, TOKENS.values(), strict=True):
        assert list(table) == ["label", *sorted(TOPICS), "tokens", "attributions"]
        assert table["label"][:2] == ["體育", "財經"]
        assert [table["tokens"][row] for row in (0, 2, 3)] == [tokens, ["<unk>"], ["zzz", "😀"]]
        assert [len(scores) for scores in table["attributions"]] == [len(words) for words in table["tokens"]]
        scores = dict(zip(tokens, table["attributions"][0], strict=True))
        assert max(scores, key=scores.__getitem__) in "教練籃球"  # 的 and 。 are in all texts
        for row in range(4):
            assert sum(table[label][row] for label in TOPICS) == pytest.approx(1, abs=1e-5)
