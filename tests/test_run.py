"""A run, composed as on the command line, and its results in its folder and in MLflow."""

from __future__ import annotations

import getpass
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from hwsweep import conf_path
from hwsweep import run as run_module
from hwsweep.components import build, build_model, check
from hwsweep.components.config_values import InvalidConfig, flatten
from hwsweep.data import Lexicon
from hwsweep.run import run
from hwsweep.run_folder import read_result
from hwsweep.sweep.trial import Trial
from hwsweep.tracking import runs
from hwsweep.training import checkpoint

SMALL = ["dataset.n_train=157", "dataset.n_valid=31", "dataset.n_test=37", "epochs=2"]
TINY = ["vae.hidden=13", "vae.latent=3", "analysis.features.n_steps=3"]
TINY_TEXT = ["dataset=headlines", "transformer.width=8", "transformer.heads=2"]


def composed(folder: Path, *overrides: str) -> DictConfig:
    """The config of a run with this output folder, also written there as Hydra writes it."""
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        model = next((line.removeprefix("model=") for line in overrides if line.startswith("model=")), "vae")
        tiny = TINY_TEXT if model == "transformer" else TINY if model.startswith("vae") else []
        small = ["epochs=2"] if "dataset=tibetan_mnist" in overrides else SMALL
        cfg = compose("config", [*small, *tiny, *overrides], return_hydra_config=True)
    cfg.hydra.runtime.output_dir = str(folder)
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    (folder / "config").mkdir(parents=True, exist_ok=True)
    OmegaConf.save(cfg, folder / "config" / "config.yaml")
    return cfg


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory, migrated_store: Path) -> tuple[Path, float]:
    """A working directory with the folder and the MLflow run of one training, and its objective; tests copy it."""
    place = tmp_path_factory.mktemp("trained")
    (place / "mlruns").mkdir()
    shutil.copy(migrated_store, place / "mlruns" / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("HWSWEEP_DATA", str(place / "data"))
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        return place, run(composed(place / "run"))


@pytest.fixture
def trained(workplace: Path, trained_once: tuple[Path, float]) -> Path:
    """A run's folder in the workplace, whose store has this run."""
    shutil.copytree(trained_once[0] / "run", workplace / "run")
    paths = [place / "mlruns" / "mlflow.db" for place in (trained_once[0], workplace)]
    source, target = map(sqlite3.connect, paths)
    with closing(source), closing(target):
        source.backup(target)  # MLflow may not yet have written all into the file itself
    return workplace / "run"


def store() -> runs.Store:
    return runs.open_store("sqlite:///mlruns/mlflow.db", "mlruns/artifacts")


def logged_run() -> mlflow.entities.Run:
    return store().client().search_runs([store().experiment("hwsweep")])[0]


def test_a_run_logs_every_value_of_its_config_under_its_command_line_name(trained: Path) -> None:
    params = logged_run().data.params
    assert params == flatten(OmegaConf.load(trained / "config" / "config.yaml"))
    expected = {
        "vae.lambda": "1",
        "vae.hidden": "13",
        "optimizer.lr": "0.001",
        "epochs": "2",
        "vae.likelihood": "bernoulli",
    }
    assert expected.items() <= params.items()


def test_a_value_that_others_repeat_is_one_param(workplace: Path) -> None:
    params = flatten(composed(workplace / "run", "vae.lambda=7.125", "kl=linear"))
    assert [key for key, value in params.items() if "7.125" in value] == ["vae.lambda"]
    assert "kl._target_" in params and not any(key.startswith("model.kl_term") for key in params)


def test_a_run_has_its_verdict_in_name_and_description_and_says_where_it_comes_from(trained: Path) -> None:
    found, verdict = logged_run(), logged_run().data.tags["hwsweep.verdict"]
    assert found.info.run_name.endswith(f": {verdict.partition(' (')[0]}")
    description = found.data.tags["mlflow.note.content"]
    assert description.startswith(f"* {found.data.tags['hwsweep.why']}\n")
    assert description.endswith(f"\n\nA single run: `{found.data.tags['hwsweep.command']}`")
    assert found.data.tags["mlflow.source.name"] == "python -m hwsweep"
    assert found.info.user_id == getpass.getuser()


def test_a_run_logs_each_epoch_and_the_test_split_at_its_best_epoch(trained: Path) -> None:
    client, found = store().client(), logged_run()
    for split in ("train", "valid"):
        for quantity in ("loss", "distortion", "rate", "neg_elbo"):
            history = client.get_metric_history(found.info.run_id, f"{split}/{quantity}")
            assert [metric.step for metric in history] == [1, 2]
    metrics = found.data.metrics
    assert metrics["test/neg_elbo"] == pytest.approx(metrics["test/distortion"] + metrics["test/rate"])
    assert {"time/train_seconds", "time/run_seconds", "best_epoch"} <= set(metrics)
    assert found.info.status == "FINISHED"


def test_the_best_epoch_at_lambda_zero_has_the_lowest_loss(workplace: Path) -> None:
    # at lambda = 0 the rate grows without bound, so neg_elbo is lowest at the start
    objective = run(composed(workplace / "run", "vae.lambda=0", "epochs=8", "optimizer.lr=0.01"))
    client, found = store().client(), logged_run()
    losses = [metric.value for metric in client.get_metric_history(found.info.run_id, "valid/loss")]
    best = losses.index(min(losses))
    assert found.data.metrics["best_epoch"] == best + 1
    assert objective == client.get_metric_history(found.info.run_id, "valid/neg_elbo")[best].value


def test_a_run_stores_its_verdict_and_the_arrays_for_the_figures_of_a_study(workplace: Path) -> None:
    run(composed(workplace / "run", "vae.lambda=1000", "optimizer.lr=0.01", "epochs=20"))
    found = logged_run()
    assert found.data.tags["hwsweep.verdict"] == "collapsed"
    assert found.data.metrics["test/active_units"] == 0
    assert found.data.metrics["test/mutual_information"] == pytest.approx(0, abs=0.1), "below the limit of the verdict"
    result = json.loads((workplace / "run" / "result.json").read_text())
    assert (result["run_id"], result["verdict"]) == (found.info.run_id, "collapsed")
    with np.load(workplace / "run" / "analysis.npz") as arrays:
        assert arrays["kl_per_latent"].sum() == pytest.approx(found.data.metrics["test/rate"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("colours", "n_test", "why"),
    [
        (12, 2, "they need more than 5 test images, but there are 2"),
        (2, 9, "distortion"),  # 50 images, each black or white
    ],
)
def test_a_run_on_few_images_of_one_colour_each_says_what_it_cannot_measure(
    workplace: Path, colours: int, n_test: int, why: str
) -> None:
    n_images = 50 if colours == 2 else colours
    grey = (np.arange(n_images) % colours * (255 // (colours - 1))).astype(np.uint8)
    image = np.broadcast_to(grey[:, None, None], (n_images, 28, 28))
    np.savez(workplace / "own.npz", image=image, label=np.arange(n_images) % 10)
    own = ["dataset=tibetan_mnist", f"dataset.path={workplace / 'own.npz'}", f"dataset.test={n_test}", "epochs=1"]
    run(composed(workplace / "run", *own))
    tags, metrics = logged_run().data.tags, logged_run().data.metrics
    assert why in tags["hwsweep.why"]
    assert ("are not measured" in tags["hwsweep.why"]) == (n_test <= 5) == ("test/precision" not in metrics)
    assert np.isfinite(list(metrics.values())).all()
    pictures = {path.stem for path in (workplace / "run" / "figures").glob("*.png")}
    assert {"reconstructions", "samples", "interpolation", "curves"} <= pictures


def test_a_run_logs_figures_config_checkpoint_and_data_digest(trained: Path) -> None:
    found = logged_run()
    client = store().client()
    names = {
        item.path
        for folder in (None, "figures", "checkpoints")
        for item in client.list_artifacts(found.info.run_id, folder)
    }
    pictures = {f"figures/{name}.png" for name in ("reconstructions", "samples", "interpolation", "curves")}
    assert pictures | {"config.yaml", "checkpoints/best.pt"} <= names
    (data,) = found.inputs.dataset_inputs
    assert data.dataset.name == "tibetan_strokes"
    digest = build(OmegaConf.load(trained / "config" / "config.yaml")).dataset.splits(0).digest()
    assert data.dataset.digest == digest[:36]


def test_the_reported_test_numbers_are_those_of_the_best_checkpoint(trained: Path) -> None:
    cfg = OmegaConf.load(trained / "config" / "config.yaml")
    model = build_model(cfg)
    model.load_state_dict(checkpoint.load(trained / "checkpoints" / "best.pt")["model"])
    test = build(cfg).dataset.splits(cfg.seed).test
    with torch.no_grad():
        outputs = model.outputs(test)
    # the rate has no noise, so it can be computed here with torch's own formula
    posterior = torch.distributions.Normal(outputs["mu"], torch.exp(outputs["log_var"] / 2))
    rate = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    assert logged_run().data.metrics["test/rate"] == pytest.approx(float(rate), rel=1e-4)


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(
    workplace: Path, trained_once: tuple[Path, float]
) -> None:
    same, other = (run(composed(workplace / name, f"seed={seed}")) for name, seed in (("a", 0), ("b", 6)))
    assert trained_once[1] == same != other


def test_a_run_with_several_objectives_returns_each_at_its_best_epoch(
    workplace: Path, trained_once: tuple[Path, float]
) -> None:
    both = ["objective=[valid/rate,valid/distortion]", "direction=[minimize,minimize]"]
    rate, distortion = run(composed(workplace / "run", *both))
    client, found = store().client(), logged_run()
    best = int(found.data.metrics["best_epoch"]) - 1
    for key, value in (("valid/rate", rate), ("valid/distortion", distortion)):
        assert client.get_metric_history(found.info.run_id, key)[best].value == value
    _, alone = trained_once  # by default the objective is neg_elbo, their sum
    assert alone == pytest.approx(rate + distortion)


@pytest.mark.slow
def test_a_run_begins_with_the_weights_of_another_one_alone(trained: Path, workplace: Path) -> None:
    run(composed(workplace / "next", "epochs=1", "optimizer.lr=0", f"init={trained}"))
    best, last = (checkpoint.load(folder / "checkpoints/best.pt") for folder in (trained, workplace / "next"))
    for name, weights in best["model"].items():  # a learning rate of 0 changes nothing
        assert torch.equal(weights, last["model"][name])
    state = checkpoint.load(workplace / "next/checkpoints/last.pt")
    assert [row["epoch"] for row in state["history"]] == [1]  # neither history nor optimizer
    with pytest.raises(checkpoint.IncompatibleCheckpoint, match="`init` needs the weights of the same model"):
        run(composed(workplace / "other", "vae.latent=5", f"init={trained}"))


@pytest.mark.slow
def test_a_run_that_holds_a_rate_logs_its_lambda_and_keeps_the_last_epoch(trained: Path, workplace: Path) -> None:
    run(composed(workplace / "held", "kl=target", "kl.rate=0.5", "vae.lambda=9", "epochs=3", f"init={trained}"))
    found = logged_run()
    history = store().client().get_metric_history(found.info.run_id, "train/kl_weight")
    weights = [each.value for each in history]
    assert len(set(weights)) == 3 and weights[0] == pytest.approx(9, rel=0.05)  # it begins with its own lambda
    assert found.data.metrics["best_epoch"] == 3
    last = found.data.metrics["test/kl_weight"]
    # one number, as means over 31 and 37 images in single precision
    assert found.data.metrics["valid/kl_weight"] == pytest.approx(last, rel=1e-5)
    assert last == pytest.approx(weights[-1], rel=0.05)
    assert f"lambda = {last:.3g}" in found.data.tags["hwsweep.target_rate"]
    retrained = workplace / "resumed"
    run(composed(retrained, "kl=target", "kl.rate=0.5", "vae.lambda=9", "epochs=3", f"resume={workplace / 'held'}"))
    assert logged_run().data.metrics["test/kl_weight"] == last


def test_a_resumed_run_ends_with_the_same_numbers(workplace: Path) -> None:
    whole = run(composed(workplace / "whole", "epochs=3"))
    run(composed(workplace / "half", "epochs=1"))
    assert run(composed(workplace / "rest", "epochs=3", "resume=half")) == whole


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def delete_runs(folder: Path) -> None:
    for found in store().client().search_runs([store().experiment("study")]):
        store().client().delete_run(found.info.run_id)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "last.pt is cut": lambda folder: halve(folder / "checkpoints" / "last.pt"),
    "last.pt is empty": lambda folder: (folder / "checkpoints" / "last.pt").write_bytes(b""),
    "best.pt is gone": lambda folder: (folder / "checkpoints" / "best.pt").unlink(),
    "result.json is empty": lambda folder: (folder / "result.json").write_bytes(b""),
    "the database is gone": lambda folder: (folder.parent / "mlruns" / "mlflow.db").unlink(),
    "the run was deleted": delete_runs,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGES)
def test_an_interrupted_trial_that_lost_a_file_ends_with_the_same_numbers_in_a_new_mlflow_run(
    workplace: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def interrupted(value: float, step: int) -> None:
        raise KeyboardInterrupt

    whole = run(composed(workplace / "whole"))  # opens the database, as processes that begin a trial do
    trial = Trial("study", 3, {"x": 1}, interrupted, lambda: False)
    monkeypatch.setattr(run_module, "current_trial", lambda: trial)
    with pytest.raises(KeyboardInterrupt):
        run(composed(workplace / "3"))
    earlier = read_result(workplace / "3")["run_id"]
    DAMAGES[name](workplace / "3")
    trial = trial._replace(report=lambda value, step: None)
    with caplog.at_level("WARNING"):
        assert run(composed(workplace / "3")) == whole
    again = store().client().get_run(read_result(workplace / "3")["run_id"])
    history = store().client().get_metric_history(again.info.run_id, "valid/loss")
    assert ([metric.step for metric in history], again.info.status) == ([1, 2], "FINISHED")
    assert again.info.run_id != earlier
    assert name == "result.json is empty" or "new" in caplog.text


def test_a_diverged_run_is_failed_and_its_message_names_the_step(workplace: Path) -> None:
    with pytest.raises(Exception, match=r"the loss must stay finite, but was .* at epoch 1, step"):
        run(composed(workplace / "run", "optimizer=sgd", "optimizer.lr=1e20"))
    assert logged_run().info.status == "FAILED"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs=0", "`epochs` must be a whole number, at least 1,"),
        ("dataset.n_train=0", "n_train"),
        ("objective=valid/nothing", "`objective` must be one of valid/distortion"),
        ("select=valid/nothing", "`select` must be one of valid/distortion"),
        ("resume=nowhere", "`resume` must be a run's folder or a checkpoint"),
        ("init=nowhere", "`init` must be a run's folder or a checkpoint"),
    ],
)
def test_a_value_out_of_range_is_refused_before_any_run_exists(workplace: Path, override: str, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        run(composed(workplace / "run", override))
    assert store().client().search_runs([store().experiment("hwsweep")]) == []


@pytest.mark.parametrize("override", ["optimizer.lr=-1", "optimizer=sgd optimizer.lr=-1", "vae.lambda=-1", "epochs=0"])
def test_the_check_before_a_trial_refuses_what_the_run_refuses(workplace: Path, override: str) -> None:
    cfg = composed(workplace / "run", *override.split())
    with pytest.raises(InvalidConfig) as built:
        build(cfg)
    with pytest.raises(InvalidConfig) as checked:
        check(cfg)
    assert str(checked.value) == str(built.value)


@pytest.mark.parametrize("model", sorted(path.stem for path in (conf_path() / "model").glob("*.yaml")))
def test_every_model_in_conf_trains_and_reports_its_objective(workplace: Path, model: str) -> None:
    objective = run(composed(workplace / "run", f"model={model}", "epochs=1"))
    assert np.isfinite(objective)


@pytest.mark.parametrize("group", ["optimizer", "schedule"])
def test_every_optimizer_and_schedule_in_conf_builds(workplace: Path, group: str) -> None:
    for path in sorted((conf_path() / group).glob("*.yaml")):
        components = build(composed(workplace / "run", f"{group}={path.stem}"))
        assert 0 < components.schedule(0, 100) <= 1
        assert components.optimizer.param_groups[0]["lr"] > 0


LOAD_AND_PREDICT = """
import sys, mlflow, numpy as np
mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
outputs = mlflow.pyfunc.load_model(sys.argv[1]).predict(np.load("images.npy"))
np.savez("outputs.npz", **outputs)
"""


@pytest.mark.slow
def test_the_logged_model_works_in_a_fresh_process(trained: Path, workplace: Path) -> None:
    cfg = OmegaConf.load(trained / "config" / "config.yaml")
    images = build(cfg).dataset.splits(0).test["image"][:7]
    np.save(workplace / "images.npy", images.numpy())
    (model,) = logged_run().outputs.model_outputs
    subprocess.run([sys.executable, "-c", LOAD_AND_PREDICT, f"models:/{model.model_id}"], check=True, cwd=workplace)
    expected = build_model(cfg)
    expected.load_state_dict(checkpoint.load(trained / "checkpoints" / "best.pt")["model"])
    with np.load(workplace / "outputs.npz") as outputs:
        for name, values in expected.outputs({"image": images}).items():
            np.testing.assert_allclose(outputs[name], values.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_help_and_cfg_import_nothing_heavy(workplace: Path) -> None:
    for flags in (["--help"], ["--cfg", "job"]):
        code = f"import sys; sys.argv[1:] = {flags}\ntry:\n    from hwsweep.__main__ import main; main()\nfinally:\n"
        heavy = "{'torch', 'mlflow', 'optuna', 'matplotlib', 'spacy'}"
        code += f"    print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stderr.strip() == "[]"
        assert "vae:" in done.stdout
    assert list(workplace.glob("outputs*")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vae.lamda=1"], r"did you mean vae\.lambda\?"),
        pytest.param(
            ["-m", "vae.lambda=1,2", "optimiser.lr=1"], r"did you mean optimizer\.lr\?", marks=pytest.mark.slow
        ),
        (["model=vea"], "model/vea"),
        (["-m", "kl=linear", "kl.warmup_steps=9,99"], "`kl.warmup_steps` counted training batches .* write kl.warmup,"),
        (["vae.lambda=big"], "hwsweep: `vae.lambda` must be a finite number >= 0, but got 'big'"),
    ],
)
def test_a_mistake_on_the_command_line_gives_one_message_and_a_nonzero_exit_code(
    hwsweep: Callable[..., subprocess.CompletedProcess[str]], arguments: list[str], message: str
) -> None:
    done = hwsweep(*arguments)
    assert done.returncode != 0
    assert re.search(message, done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_resuming_another_models_run_gives_one_message(
    hwsweep: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    assert hwsweep(*SMALL, *TINY, "hydra.run.dir=first").returncode == 0
    done = hwsweep(*SMALL, *TINY, "vae.latent=5", "resume=first")
    assert done.returncode == 2
    assert "must come from the same model and optimizer, but" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_sets_numbers_near_zero_to_zero(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWSWEEP_PLAIN", "0")
    torch.set_flush_denormal(False)
    assert float(torch.tensor(1e-30) * 1e-9) > 0
    run(composed(workplace / "run"))
    assert float(torch.tensor(1e-30) * 1e-9) == 0


def test_a_model_that_lacks_a_key_or_names_an_unknown_figure_is_refused_before_training(workplace: Path) -> None:
    cfg = composed(workplace / "run")
    with open_dict(cfg):
        del cfg["title"]
    with pytest.raises(InvalidConfig, match=r"conf/model/\*\.yaml must set .*, but the chosen model lacks title"):
        run(cfg)
    with pytest.raises(InvalidConfig, match=r"hwsweep\.figures\.samples\.nothing"):
        run(composed(workplace / "run", "figures.samples._target_=hwsweep.figures.samples.nothing"))
    assert not (workplace / "run" / "checkpoints").exists()


@pytest.mark.slow
def test_a_model_that_has_too_few_classes_for_the_data_is_refused_before_training(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = Lexicon.shapes.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Lexicon, "shapes", property(lambda self: {**sizes(self), "class": (3,)}))  # headlines have 4
    with pytest.raises(InvalidConfig, match=r"the model must fit the data, but .*: Target 3 is out of bounds"):
        run(composed(workplace / "run", "model=transformer"))
    assert not (workplace / "run" / "checkpoints").exists()


@pytest.mark.slow
def test_a_run_works_in_a_folder_of_any_name_and_says_that_a_batch_holds_all_examples(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = workplace / "a%20b?c"
    place.mkdir()
    monkeypatch.chdir(place)
    before = {path.name for path in workplace.iterdir()}
    run(composed(place / "run", "batch_size=158"))
    assert "batch_size=158 is more than the training split has (157)" in caplog.text
    assert logged_run().info.status == "FINISHED"
    assert {path.name for path in workplace.iterdir()} - before <= {"cache"}
