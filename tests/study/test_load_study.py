"""A stored study from Python: its table, its trials and their models."""

from __future__ import annotations

import copy
import functools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from optuna.storages.journal import JournalFileBackend
from planted_studies import METRICS, failed, study, trial, with_verdict
from stored_studies import leave_study

import hwsweep
from hwsweep import conf_path, run_folder
from hwsweep.components import build_model
from hwsweep.data import Lexicon
from hwsweep.study.stored_study import StoredStudy
from hwsweep.study.stored_trial import StoredTrial
from hwsweep.sweep import SweepError
from hwsweep.sweep.study.trial_view import RunView
from hwsweep.training import checkpoint

EVIL = "<script>alert(1)</script>"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEXICON = Lexicon(("<pad>", "<unk>", "a", "b", "c"), ("x", "y", "z"), 6)
LIGHT = """
import sys, hwsweep
hwsweep.load_study
assert not {"torch", "mlflow", "optuna", "pandas", "matplotlib", "hydra"} & set(sys.modules)
"""


def planted(folder: Path, **changes: Any) -> StoredTrial:
    """Trial 3 of a study whose run has left no file."""
    view = study(folder, trial(folder, 3, 1, **changes))
    view.config.hydra.output_subdir = "config"
    return StoredTrial(view.trials[0], view)


@functools.cache
def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        return compose("config", list(overrides))


def train(folder: Path, latent: int = 3, lexicon: Lexicon | None = None) -> torch.nn.Module:
    """Leave the config and the checkpoint of a small model in the folder: a VAE, or with a lexicon one of texts."""
    config = copy.deepcopy(composed() if lexicon is None else composed("model=transformer", "dataset=headlines"))
    if lexicon is None:
        config.vae.update({"hidden": 7, "latent": latent})
    else:
        config.transformer.update({"width": 8, "heads": 2, "hidden": 5, "layers": 1})
        run_folder.write_lexicon(folder, lexicon.to_json())
    (folder / run_folder.CONFIG).parent.mkdir(parents=True)
    OmegaConf.save(config, folder / run_folder.CONFIG)
    torch.manual_seed(5)
    model = build_model(config, lexicon)
    (folder / run_folder.BEST_CHECKPOINT).parent.mkdir()
    checkpoint.save(folder / run_folder.BEST_CHECKPOINT, {"model": model.state_dict(), "epoch": 2})
    return model.eval()


def test_the_table_and_the_best_trial_are_those_that_optuna_stored(tmp_path: Path) -> None:
    folder = leave_study(tmp_path / "mine", 11)
    loaded = hwsweep.load_study(folder)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    of_optuna = optuna.load_study(study_name="mine", storage=storage)
    assert loaded.best.number == of_optuna.best_trial.number and loaded.best.params == of_optuna.best_params
    assert [each.number for each in loaded.front] == [of_optuna.best_trial.number]
    table, stored = loaded.trials, of_optuna.trials_dataframe()
    assert table.number.tolist() == stored.number.tolist() == list(range(11))
    for key in ("vae.lambda", "vae.latent", "optimizer.lr"):
        np.testing.assert_array_equal(table[key], stored[f"params_{key}"])
    complete = stored.state == "COMPLETE"
    np.testing.assert_array_equal(table["valid/neg_elbo"][complete], stored.value[complete])
    assert table["valid/neg_elbo"].isna().tolist() == (~complete).tolist()
    np.testing.assert_allclose(table["test/metric_3"][complete], stored.value[complete] + 3)
    assert table.state[6:].tolist() == ["pruned", "complete", "complete", "failed", "interrupted"]
    assert table.reason[9] == "diverged" and table["test/metric_3"].dtype == np.float64


def test_a_study_without_a_best_trial_says_why(tmp_path: Path) -> None:
    none = StoredStudy(study(tmp_path / "a", failed(tmp_path, 0, 1, "error", "no")))
    with pytest.raises(SweepError, match=r"^no trial of study 'mine' is complete"):
        _ = none.best
    directions = ["minimize", "minimize"]
    two = StoredStudy(study(tmp_path / "b", trial(tmp_path, 1, 1, values=[1.0, 2.0]), directions=directions))
    with pytest.raises(SweepError, match=r"^study 'mine' has 2 objectives, so no trial is the best; see `front`$"):
        _ = two.best


@pytest.mark.parametrize("number", [-1, 1])
def test_a_missing_trial_is_refused_with_the_numbers_that_there_are(tmp_path: Path, number: int) -> None:
    loaded = StoredStudy(study(tmp_path, trial(tmp_path, 0, 1)))
    with pytest.raises(SweepError, match=rf"^study 'mine' has no trial {number}; it has the trials 0 to 0$"):
        loaded.trial(number)


def test_a_study_without_trials_has_an_empty_table(tmp_path: Path) -> None:
    empty = StoredStudy(study(tmp_path))
    assert len(empty.trials) == 0 and {"number", "vae.lambda", "valid/neg_elbo"} <= set(empty.trials.columns)
    with pytest.raises(SweepError, match="it has none yet"):
        empty.trial(0)


def test_images_through_the_loaded_model_are_those_through_the_trained_one(tmp_path: Path) -> None:
    one = planted(tmp_path)
    trained = train(one.view.directory)
    image = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8)
    model = one.model()
    assert not model.training and one.config.vae.latent == 3
    for name, values in trained.outputs({"image": image}).items():  # type: ignore[operator]
        torch.testing.assert_close(model.outputs({"image": image})[name], values, rtol=0, atol=0)


def test_the_model_of_texts_has_the_size_of_the_runs_own_vocabulary(tmp_path: Path) -> None:
    one = planted(tmp_path, state="pruned")
    trained = train(one.view.directory, lexicon=LEXICON)
    batch = {"token": torch.tensor([[2, 3, 4, 0, 0, 0]], dtype=torch.int32), "length": torch.tensor([3])}
    expected = trained.outputs(batch)["probability"]  # type: ignore[operator]
    assert expected.shape == (1, 3)
    torch.testing.assert_close(one.model().outputs(batch)["probability"], expected, rtol=0, atol=0)


def test_what_a_run_has_not_stored_is_named_with_its_file(tmp_path: Path) -> None:
    one = planted(tmp_path)
    with pytest.raises(SweepError, match=r"^trial 3 of study 'mine' has no config: .*config.yaml is not there$"):
        _ = one.config
    with pytest.raises(SweepError, match=r"^trial 3 of study 'mine' has no arrays: .*analysis.npz is not there$"):
        _ = one.arrays
    train(one.view.directory)
    (one.view.directory / run_folder.BEST_CHECKPOINT).unlink()
    with pytest.raises(SweepError, match=r"^trial 3 of study 'mine' has no trained model: .*best.pt is not there$"):
        one.model()


def test_a_damaged_file_is_named_in_one_line(tmp_path: Path) -> None:
    one = planted(tmp_path)
    train(one.view.directory)
    (one.view.directory / run_folder.BEST_CHECKPOINT).write_bytes(b"nothing")
    with pytest.raises(SweepError, match=r"^the model of trial 3 of study 'mine' cannot be made from .*best\.pt") as no:
        one.model()
    assert "\n" not in str(no.value)
    for content in ("a: [", "- a"):
        (one.view.directory / run_folder.CONFIG).write_text(content, encoding="utf-8")
        with pytest.raises(SweepError, match=r"config.yaml is damaged") as no:
            _ = one.config
        assert "\n" not in str(no.value)


def test_a_checkpoint_of_another_shape_is_refused_with_the_commit_that_made_it(tmp_path: Path) -> None:
    one = planted(tmp_path)
    train(one.view.directory, latent=3)
    run_folder.write_origin(one.view.directory, {"hwsweep.git_commit": "abc123"})
    path = one.view.directory / run_folder.CONFIG
    path.write_text(path.read_text(encoding="utf-8").replace("latent: 3", "latent: 4"), encoding="utf-8")
    with pytest.raises(SweepError, match=r"best\.pt and the run's config \(of commit abc123\): RuntimeError") as no:
        one.model()
    assert "\n" not in str(no.value)


def test_a_pickle_in_the_place_of_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    one = planted(tmp_path)
    train(one.view.directory)
    torch.save({"model": Touch(tmp_path / "executed")}, one.view.directory / run_folder.BEST_CHECKPOINT)
    with pytest.raises(SweepError, match="cannot be made"):
        one.model()
    assert not (tmp_path / "executed").exists()


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_the_model_of_another_program_is_refused(tmp_path: Path) -> None:
    one = planted(tmp_path)
    (one.view.directory / "config").mkdir()
    (one.view.directory / run_folder.CONFIG).write_text("lr: 0.1\n", encoding="utf-8")
    assert one.config.lr == 0.1
    with pytest.raises(SweepError, match=r"of another program .* names no `model` and no `dataset`; load what it"):
        one.model()


def test_a_trial_with_seeds_has_a_run_for_each(tmp_path: Path) -> None:
    folders = [tmp_path / f"seed_{seed}" for seed in (0, 1)]
    one = planted(tmp_path, runs=[RunView(folder, None, METRICS, "a" * 32) for folder in folders])
    for folder, latent in zip(folders, (2, 3), strict=True):
        train(folder, latent)
    assert [run.config.vae.latent for run in one.runs] == [2, 3] and one.config.vae.latent == 2
    assert [sum(p.numel() for p in run.model().parameters()) for run in one.runs] == [
        785 * 7 + 8 * 2 * n + (n + 1) * 7 + 8 * 784 for n in (2, 3)
    ]


def test_a_notebook_shows_the_trials_with_all_text_escaped(tmp_path: Path) -> None:
    evil = with_verdict(trial(tmp_path, 0, 0, params={EVIL: EVIL}), EVIL)
    loaded = StoredStudy(study(tmp_path, evil, name=EVIL, axes={EVIL: (EVIL,)}))
    shown = loaded._repr_html_() + loaded.trial(0)._repr_html_()
    assert "<script" not in shown and shown.count("&lt;script&gt;") >= 4
    many = StoredStudy(study(tmp_path / "b", *(trial(tmp_path, n, n) for n in range(1, 100))))
    assert many._repr_html_().count("<tr") < 25 and "99 trials: 99 complete" in many._repr_html_()


def test_a_figure_that_cannot_be_drawn_is_a_warning_and_the_page_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw_collapse(view: object) -> None:
        raise ValueError("planted")

    monkeypatch.setattr("hwsweep.report.posterior_collapse.draw_collapse", draw_collapse)
    loaded = StoredStudy(study(tmp_path, trial(tmp_path, 0, 1)))
    with pytest.warns(UserWarning, match="^not drawn: collapse: ValueError: planted$"):
        page = loaded.report()
    assert page == tmp_path / "report.html" and page.exists()


def test_importing_hwsweep_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_example_of_the_documentation_works_and_its_model_has_the_rates_that_training_stored(
    hwsweep: Callable[..., subprocess.CompletedProcess[str]], workplace: Path
) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
    small = ["epochs=1", "vae.hidden=11", "dataset.n_train=200", "dataset.n_valid=50", "dataset.n_test=50"]
    done = hwsweep("-m", "vae.lambda=0,1,100", "hydra.sweeper.study_name=first", *small)
    assert done.returncode == 0, done.stderr
    names: dict[str, Any] = {}
    example = next(text for text in EXAMPLE.findall(text) if "load_study" in text)
    exec(example, names)
    assert isinstance(names["table"], pd.DataFrame) and len(names["table"]) == 3
    assert names["rates"][1] == names["rate"] > 0 and names["shares"].shape == (names["latent"],) == (20,)
    assert names["reconstructions"].shape == (8, 1, 28, 28)
    assert names["montage"].read_bytes().startswith(b"\x89PNG") and "<html" in names["page"].read_text()
    with torch.no_grad():
        losses = names["model"].losses(names["trial"].data().test)
    assert float(losses["rate"].mean()) == pytest.approx(names["rate"], rel=1e-5)
