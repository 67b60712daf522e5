"""Models, runs and studies of older versions: their configs lack settings, and name modules that have moved.

`older_configs/` holds configs that hwsweep of 2026-11-28 stored with its runs. Where a test fails because a setting was
added or a module moved, hwsweep/hydra_versions.py wants an entry.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from hwsweep import conf_path
from hwsweep.components import build_model, check
from hwsweep.components.config_values import InvalidConfig
from hwsweep.data import Lexicon
from hwsweep.hydra_versions import ADDED, compose_in, instantiate
from hwsweep.models.transformer import Transformer
from hwsweep.sweep import SweepError
from hwsweep.sweep.study.folder import _check_question

FOLDER = Path(__file__).with_name("older_configs")
LEXICON = Lexicon(("<pad>", "<unk>", "a", "b", "c"), ("x", "y"), 7)


def stored(name: str) -> DictConfig:
    config = OmegaConf.load(FOLDER / f"{name}.yaml")
    assert isinstance(config, DictConfig)
    return config


def test_a_transformer_of_an_older_version_is_read_whole_as_it_was() -> None:
    model = build_model(stored("transformer"), LEXICON)
    assert isinstance(model, Transformer)
    assert (model.window, model.word_dropout, model.classify_words) == (None, 0, None)


def test_its_tokenizer_is_that_of_english_and_warns_as_it_did() -> None:
    dataset = instantiate(stored("transformer").dataset)
    assert dataset.tokenizer.name.split()[::2] == ["spacy", "en"]
    assert (dataset.plan.warn_unknown, dataset.plan.warn_unsplit) == (0.2, 0.5)


def test_a_vae_of_an_older_version_has_the_activation_and_the_pixels_that_it_had() -> None:
    config = stored("vae")
    model = build_model(config)
    assert {type(module).__name__ for module in model.modules()} >= {"ReLU"}
    assert instantiate(config.dataset).binarise == "none"


@pytest.mark.parametrize(("target", "setting"), [(target, setting) for target in ADDED for setting in ADDED[target]])
def test_a_setting_that_is_taken_out_has_the_value_that_it_stands_for(target: str, setting: str) -> None:
    """By the class itself: each names the setting among its parameters, and conf gives it."""
    files = [path for path in conf_path().glob("**/*.yaml") if target in path.read_text(encoding="utf-8")]
    assert files and any(f"{setting}:" in path.read_text(encoding="utf-8") for path in conf_path().glob("**/*.yaml"))
    probe = {"_target_": target, "_partial_": True}
    assert instantiate(probe).keywords[setting] == ADDED[target][setting]
    assert instantiate({**probe, setting: "another"}).keywords[setting] == "another"


def test_without_the_new_settings_todays_model_is_the_same() -> None:
    lines = ["model=transformer", "dataset=headlines", "transformer.window=null", "tokenizer=spacy"]
    config = compose_in(conf_path(), "config", lines)
    OmegaConf.set_struct(config, False)
    torch.manual_seed(0)
    now = build_model(config, LEXICON).state_dict()
    for key in ADDED["hwsweep.models.transformer.Transformer"]:
        del config.model[key], config.transformer[key]
    del config.tokenizer.language
    torch.manual_seed(0)
    before = build_model(config, LEXICON).state_dict()
    assert now.keys() == before.keys() and all(torch.equal(now[name], before[name]) for name in now)


def test_a_config_that_lacks_what_has_no_older_value_is_refused_in_one_line() -> None:
    config = stored("transformer")
    with pytest.raises(InvalidConfig, match=r"`analysis.heads` must be set; if another version of hwsweep wrote this"):
        check(config)
    del config.model.width
    with pytest.raises(ValueError, match=r"`model` is incomplete: .*'width'; if another version of hwsweep wrote"):
        build_model(config, LEXICON)


def test_a_study_goes_on_where_conf_has_only_more_keys() -> None:
    def question(**config: object) -> dict[str, object]:
        return {"question": {"command": ["x=1,2"], "config": config}}

    _check_question(question(x=1), question(x=1, window=256), "night")
    for other in (question(x=2), question(window=256)):
        with pytest.raises(SweepError, match=r"study 'night' was begun with another configuration"):
            _check_question(question(x=1), other, "night")
