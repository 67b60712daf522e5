"""Settings that cannot be: each is refused before any work, in one line that names the key and what it can be."""

from __future__ import annotations

import copy
import functools
import re
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, open_dict

from hwsweep import conf_path
from hwsweep.argument_checks import check_count, check_number
from hwsweep.components import build, check
from hwsweep.components.config_values import InvalidConfig
from hwsweep.sweep.hydra_internals import apply_overrides

SMALL = {
    "vae": ("vae.hidden=7", "vae.latent=3"),
    "vae_conv": ("model=vae_conv", "vae.hidden=7", "vae.channels=[2]"),
    "cosine": ("schedule=cosine_warmup",),
    "sgd": ("optimizer=sgd",),
    "delta": ("kl=delta",),
    "linear": ("kl=linear",),
    "folder": ("dataset=image_folder",),
    "npz": ("dataset=tibetan_mnist",),
    "glove": ("model=transformer", "dataset=headlines", "embedding=glove"),
    "csv": ("model=transformer", "dataset=text_csv"),
    "texts": ("model=transformer", "dataset=headlines", "transformer.width=8", "transformer.heads=2"),
    "no figures": ("figures=none", "vae.hidden=7"),
    "empty list of figures": ("figures=[]", "vae.hidden=7"),
    "no figures of texts": ("model=transformer", "dataset=headlines", "figures=none"),
}
WHOLE = "must be a whole number"
TORCH = "~optimizer.betas ~optimizer.decoupled_weight_decay"


@functools.cache
def composed(name: str) -> DictConfig:
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        return compose("config", list(SMALL[name]), return_hydra_config=True)


def config_with(name: str, overrides: str) -> DictConfig:
    """The config of one of `SMALL` with these overrides of values."""
    cfg = copy.deepcopy(composed(name))
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    apply_overrides(OverridesParser.create().parse_overrides(overrides.split()), cfg)
    return cfg


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("vae", "vae.lambda=-1", "`vae.lambda` must be a finite number >= 0, but got -1"),
        ("vae", "vae.hidden=0", "`vae.hidden` must be a whole number, at least 1, or a list"),
        ("vae", "seed=-1", "`seed` must be a whole number from 0"),
        ("vae", "device=tpu", "`device` must be auto, cpu, cuda, cuda:N or mps, but got 'tpu'"),
        ("vae", "device=cuda:7", "`device=cuda:7` is not on this machine"),
        ("vae", "optimizer.lr=-1", "`optimizer.lr` must be a finite number >= 0, but got -1"),
        (
            "vae",
            "objective=[valid/rate,valid/distortion]",
            "`direction` must name minimize or maximize for each objective",
        ),
        ("vae", "epochs=true", f"`epochs` {WHOLE}, at least 1, but got True"),
        ("vae", "epochs=1e3", f"`epochs` {WHOLE}, at least 1, but got 1000.0"),
        ("vae", "batch_size=null", f"`batch_size` {WHOLE}, at least 1, but got None"),
        ("vae", "seed=true", f"`seed` {WHOLE} from 0 to .*, but got True"),
        ("vae", "clip_norm=inf", "`clip_norm` must be a finite number > 0, or null, but got inf"),
        ("vae", "clip_norm=true", "`clip_norm` must be a finite number > 0, or null, but got True"),
        ("vae", "precision=null", "`precision` must be float32, tf32, bfloat16 or auto, but got None"),
        ("vae", "deterministic=no_idea", "`deterministic` must be true or false, but got 'no_idea'"),
        ("vae", "device=null", "`device` must be auto, cpu, cuda, cuda:N or mps, but got None"),
        ("vae", "device=[0]", "`device` must be auto, cpu, cuda"),
        ("vae", "title=${nothing}", "`title`: Interpolation key 'nothing' not found"),
        ("vae", "title=null", "`title` must be a text, but got None"),
        ("vae", "table=5", "`table` must be a name or a list of names, but got 5"),
        ("vae", "objective=null", "`objective` must be a name or a list of names, but got None"),
        ("vae", "objective=[]", "`objective` must be a name or a list of names"),
        ("vae", "direction=null", "`direction` must be a name or a list of names, but got None"),
        ("vae", "direction=up", "`direction` must name minimize or maximize for each objective"),
        ("vae", "select=null", "`select` must be measured on the validation split"),
        ("vae", "tracking.experiment=null", "`tracking.experiment` must be a text"),
        ("vae", "resume=3", "`resume` must be a run's folder or a checkpoint, but none of these is a file: 3"),
        ("vae", "resume=empty", r"`resume` needs the checkpoints .*, but empty is none \(EOFError\)"),
        ("vae", "resume=text", "`resume` needs the checkpoints last.pt and best.pt of a run, but text is none"),
        ("vae", "vae.latent=1000000000", "the model cannot be made with these sizes: .*memory"),
        ("vae", "vae.latent=1000000000000", f"`vae.latent` {WHOLE} from 1 to 1000000000, but got 1000000000000"),
        ("vae", "vae.latent=" + "9" * 30, f"`vae.latent` {WHOLE} from 1 to 1000000000"),
        ("vae", "vae.hidden=" + "9" * 30, f"`vae.hidden` {WHOLE} from 1 to 1000000000"),
        ("vae", "epochs=" + "9" * 30, f"`epochs` {WHOLE} from 1 to 1000000000"),
        (
            "vae",
            "optimizer.lr=1e308",
            r"`optimizer.lr` must be a finite number >= 0 and at most 3.4e\+38, but got 1e\+308",
        ),
        ("vae", "kl=null", "`kl` must be a section with a `_target_`, but got None"),
        ("vae", "kl=5", "`kl` must be a section with a `_target_`, but got 5"),
        ("vae", "model.networks=wide", "`model.networks` must be a section with a `_target_`, but got 'wide'"),
        ("vae", "analysis.plan=null", "`analysis.plan` must be a section with a `_target_`, but got None"),
        ("vae", "analysis.features=64", "`analysis.features` must be a section with a `_target_`, but got 64"),
        ("vae", "analysis.refinement=never", "`analysis.refinement` must be a section with a `_target_`"),
        ("vae", "initialise=true", "`initialise` must be a section with a `_target_`, but got True"),
        ("vae", "study=true", "`study` must be a section with a `_target_`, but got True"),
        ("vae", "figures=none", "`figures` must be a section of figures, or null, but got 'none'"),
        ("csv", "dataset.path=null", "`dataset.path` must be a text, but got None"),
        (
            "csv",
            "dataset.path=a.csv dataset.test=null dataset.test_path=[b]",
            "`dataset.test_path` must be a text, or null, but got",
        ),
        ("csv", "dataset.path=a.csv dataset.header=maybe", "`dataset.header` must be true or false, but got 'maybe'"),
        ("csv", "dataset.path=a.csv dataset.name=3", "`dataset.name` must be a text, but got 3"),
        ("csv", "dataset.path=a.csv dataset.label=null", "`dataset.label` must be a text or a whole number"),
        ("csv", "dataset.path=a.csv dataset.text=0.5", "`dataset.text` must be a list of columns"),
        ("csv", "dataset.path=a.csv dataset.valid=null", "`dataset.valid` must be a fraction .*, but got None"),
        ("csv", "dataset.path=a.csv dataset.valid=" + "9" * 30, "`dataset.valid` must be a fraction"),
        ("folder", "dataset.path=3", "`dataset.path` must be a text, but got 3"),
        ("folder", "dataset.path=a dataset.channels=true", "`dataset.channels` must be 1 .grey. or 3 .RGB."),
        ("folder", "dataset.path=a dataset.channels=3.0", "`dataset.channels` must be 1 .grey. or 3 .RGB."),
        ("npz", "dataset.size=null", f"`dataset.size` {WHOLE} of pixels, at least 1, but got None"),
        ("npz", "dataset.size=-1", f"`dataset.size` {WHOLE} of pixels, at least 1, but got -1"),
        ("npz", "dataset.n_classes=ten", f"`dataset.n_classes` {WHOLE} of classes, at least 1, but got 'ten'"),
        ("npz", "dataset.checksum=null", "`dataset.checksum` must be a text, but got None"),
        ("glove", "embedding.vectors.path=null", "`embedding.vectors.path` must be a text, but got None"),
        ("glove", "embedding.vectors.dim=many", f"`embedding.vectors.dim` {WHOLE}"),
        (
            "linear",
            "kl._target_=hwsweep.models.kl_terms.Constant",
            "`kl.warmup` is no setting of kl=Constant, .* none; .* ~kl.warmup",
        ),
        ("sgd", "+optimizer.eps=1", "`optimizer.eps` is no setting of optimizer=SGD, which has: lr, momentum, .*fused"),
        ("delta", "kl.delta=1e30", r"`kl.delta` must be a number in \(0, 100\]"),
        ("texts", "dataset.plan=3", "`dataset.plan` must be a section with a `_target_`, but got 3"),
        ("texts", "tokenizer=words", "`tokenizer` must be a section with a `_target_`, but got 'words'"),
        ("vae", "vae.lambda=true", "`vae.lambda` must be a finite number >= 0, but got True"),
        ("vae", "vae.sigma2=true", "`vae.sigma2` must be a finite number > 0 .or learned., but got True"),
        ("vae", "vae.hidden=true", f"`vae.hidden` {WHOLE}, at least 1, or a list of such, but got True"),
        ("vae", "model=null", "`model` must be a section with a `_target_`, but got None"),
        ("vae_conv", "vae.channels=[0]", f"`vae.channels` {WHOLE}, at least 1, or a list of such"),
        ("vae", "kl._target_=hwsweep.models.kl_terms.Constnt", "Constnt"),
        ("vae", "dataset.n_train=1e12", f"`dataset.n_train` {WHOLE} of images that fit in memory"),
        ("vae", "dataset.n_train=1000000000000", f"{WHOLE} of images that fit in memory from 2 to"),
        (
            "texts",
            "dataset.n_test=1000000000000",
            f"`dataset.n_test` {WHOLE} of headlines that fit in memory from 4 to",
        ),
        ("csv", "epochs=1", r"`dataset.path` must be given: add dataset.path="),
        ("vae", "optimizer=null", "`optimizer` must be a section with a `_target_`, but got None"),
        ("vae", "optimizer.lr=inf", "`optimizer.lr` must be a finite number >= 0, but got inf"),
        ("vae", "optimizer.lr=fast", "`optimizer.lr` must be a finite number >= 0, but got 'fast'"),
        ("vae", "optimizer.betas=[0.9]", r"`optimizer.betas` must be a list of 2 numbers in \[0, 1\), but got \[0.9\]"),
        ("vae", "optimizer.betas=0.9", r"`optimizer.betas` must be a list of 2 numbers in \[0, 1\), but got 0.9"),
        ("vae", "optimizer.betas=[a,b]", r"`optimizer.betas` must be a list of 2 numbers"),
        ("vae", "optimizer.fused=maybe", "`optimizer.fused` must be true or false, but got 'maybe'"),
        ("sgd", "optimizer.momentum=inf", "`optimizer.momentum` must be a finite number >= 0, but got inf"),
        ("cosine", "schedule.warmup=half", r"`schedule.warmup` must be a number in \[0, 1\), but got 'half'"),
        ("vae", "optimizer._target_=torch.optim.Adam " + TORCH, r"add \+optimizer._partial_=true"),
        (
            "vae",
            f"optimizer._target_=torch.optim.Adam +optimizer._partial_=true {TORCH} optimizer.lr=-1",
            "learning rate",
        ),
        (
            "texts",
            f"optimizer._target_=torch.optim.Adam +optimizer._partial_=true {TORCH} embedding.sparse=true",
            "`optimizer` must take sparse gradients where `embedding.sparse=true`, but Adam does not",
        ),
        ("texts", "transformer.dropout=true", r"`transformer.dropout` must be a number in \[0, 1\), but got True"),
        (
            "vae",
            "analysis.plan.set_images=0",
            f"`analysis.plan.set_images` {WHOLE} of images .*, at least 6, but got 0",
        ),
        ("vae", "analysis.plan.importance_samples=0", f"`analysis.plan.importance_samples` {WHOLE}, at least 2"),
        ("vae", "analysis.plan.probe_neighbours=-1", f"`analysis.plan.probe_neighbours` {WHOLE}, at least 1"),
        ("vae", "analysis.plan.active_threshold=nan", "`analysis.plan.active_threshold` must be a finite number > 0"),
        ("vae", "analysis.features.n_steps=0", f"`analysis.features.n_steps` {WHOLE}, at least 1, but got 0"),
        ("vae", "analysis.features.learning_rate=inf", "`analysis.features.learning_rate` must be a finite number > 0"),
        ("vae", "analysis.tolerance=nan", "`analysis.tolerance` must be a finite number >= 0, but got nan"),
        (
            "vae",
            "+analysis.tolerence=1",
            "`analysis.tolerence` is no setting of analysis, which has: plan, refinement, features",
        ),
        ("vae", "~analysis.tolerance", "`analysis.tolerance` must be set"),
        ("vae", "analysis=null", "`analysis` must be a section with a `_target_`"),
        ("texts", "analysis.bigrams.max_iter=0", f"max_iter` {WHOLE}, at least 1, but got 0"),
        ("texts", "analysis.calibration_bins=0", f"`analysis.calibration_bins` {WHOLE} from 1 to 1000, but got 0"),
        ("vae", "figures.reconstructions.n_images=0", f"`figures.reconstructions.n_images` {WHOLE} from 1 to 1000"),
        ("vae", "figures.samples.columns=0", f"`figures.samples.columns` {WHOLE} from 1 to 1000, but got 0"),
        ("vae", "figures.samples.seed=-1", f"`figures.samples.seed` {WHOLE} from 0"),
        ("vae", "figures.interpolation.n_steps=many", f"`figures.interpolation.n_steps` {WHOLE}"),
        (
            "vae",
            "+figures.curves.columns=2",
            "`figures.curves.columns` is no setting of figures.curves, which has: none",
        ),
        ("vae", "~figures.curves._partial_", "figures.curves"),
        ("texts", "figures.attention_heads.max_tokens=0", f"`figures.attention_heads.max_tokens` {WHOLE} from 1"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_any_work(
    name: str, overrides: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").touch()
    Path("text").write_text("no checkpoint", encoding="utf-8")
    with pytest.raises(InvalidConfig, match=message) as refused:
        check(config_with(name, overrides))
    assert "\n" not in str(refused.value)
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"empty", "text"}


@pytest.mark.parametrize("value", [True, None, 0, -1, 1.5, 1e12, float("nan"), "two", [1]])
def test_a_value_that_is_no_count_is_refused(value: object) -> None:  # here, because tests check the types of models
    with pytest.raises(ValueError, match=re.escape(f"`vae.latent` {WHOLE}, at least 1, but got {value!r}")):
        check_count("vae.latent", value)


@pytest.mark.parametrize("value", [True, None, 0, 1.001, float("nan"), float("inf"), 10**400, "half", [0.5]])
def test_a_value_that_is_no_number_of_the_interval_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=re.escape(f"`ramp` must be a number in (0, 1], but got {value!r}")):
        check_number("ramp", value, "(0, 1]")
    with pytest.raises(ValueError, match=re.escape("`ramp` must be a finite number > 1.5")):
        check_number("ramp", value, "(1.5, inf)")


@pytest.mark.parametrize("overrides", ["clip_norm=null figures=null", "vae.hidden=[]", "table=[a,b]"])
def test_what_can_be_is_accepted(overrides: str) -> None:
    check(config_with("vae", overrides))


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        *(("vae", overrides) for overrides in ("figures=null", "~figures")),
        ("texts", "figures=null"),
        ("no figures", ""),
        ("empty list of figures", ""),
        ("no figures of texts", ""),
    ],
)
def test_each_model_runs_without_figures(name: str, overrides: str) -> None:
    assert build(config_with(name, overrides)).figures == {}


def test_a_class_of_torch_trains_as_an_optimizer() -> None:
    torch_adam = f"optimizer._target_=torch.optim.Adam +optimizer._partial_=true {TORCH} optimizer.lr=0.5"
    assert build(config_with("vae", torch_adam)).optimizer.param_groups[0]["lr"] == 0.5
