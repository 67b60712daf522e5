"""The lambda of a rate, of a planted model whose curve is known in closed form, and the messages of the program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from planted_all_lambda import LATENT, PlantedModel, eigen, planted_splits

from hwsweep.analysis.vae_metrics import AnalysisPlan
from hwsweep.rate.__main__ import main
from hwsweep.rate.search import Found, OutOfRange, find_lambda
from hwsweep.tracking import runs

PLAN = AnalysisPlan(0, 0.01, 50, 3, 5, 3, 53, 2, 31, 53, 4)
SPLITS = planted_splits()


def found(quantity: str, value: float, high: float = 0.2) -> Found:
    return find_lambda(PlantedModel(SPLITS, (1e-3, high), 0.5, 0.01), SPLITS, PLAN, 5, quantity, value)


def rate_by_hand(kl_weight: float) -> float:
    """Of the optimum on the test images (DESIGN, section 4)."""
    mean, e, u = eigen(SPLITS)
    v = (((SPLITS.test["image"].flatten(1).numpy() / 255 - mean) @ u[:, :LATENT]) ** 2).mean(0)
    e, t = e[:LATENT], 0.5 * kl_weight
    e, v = e[e > t], v[e > t]
    return float(0.5 * (t / e + (e - t) * v / e**2 - 1 + np.log(e / t)).sum())


@pytest.mark.parametrize("kl_weight", [0.001, 0.0123, 0.1])
def test_the_rate_of_a_lambda_gives_that_lambda_back(kl_weight: float) -> None:
    point = found("rate", rate_by_hand(kl_weight)).point
    assert point.kl_weight == pytest.approx(kl_weight, rel=1e-3)
    assert point.rate == pytest.approx(rate_by_hand(kl_weight), rel=2e-4)


def test_the_distortion_of_a_point_gives_that_point_back() -> None:
    point = found("rate", 2.5).point
    again = found("distortion", point.distortion)
    assert again.point.kl_weight == pytest.approx(point.kl_weight, rel=1e-3)
    assert str(again).endswith(f"{point.active_units} of 3 latents active")


def test_a_rate_beyond_the_curve_names_its_range() -> None:
    ends = [f"{rate_by_hand(weight):.4g} nats at lambda = {weight:g}" for weight in (0.001, 0.2)]
    with pytest.raises(OutOfRange, match=f"rate 50 nats is not on the curve .* from {ends[0]} to {ends[1]}"):
        found("rate", 50)


def test_an_unknown_run_and_a_store_that_is_none_are_a_message(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["nobody", "--rate", "10"]) == 2
    assert "there is no run 'nobody'" in capsys.readouterr().err
    assert main(["nobody", "--rate", "10", "--uri", "sqlite:///nowhere.db"]) == 2
    assert "there is no MLflow store yet" in capsys.readouterr().err


def test_a_run_of_one_lambda_and_one_that_failed_are_a_message(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = runs.open_store("sqlite:///mlruns/mlflow.db", "mlruns/artifacts")
    (workplace / "config.yaml").write_text(yaml.safe_dump({"model": {"_target_": "hwsweep.models.vae.VAE"}}))
    with runs.open_run(store, "mine", "a run", {}, {}) as run:
        run.log_artifact(workplace / "config.yaml")
    assert main([run.id, "--rate", "10"]) == 2
    message = capsys.readouterr().err
    assert (
        f"run {run.id} has no VAE for every lambda; train one with `python -m hwsweep model=vae_all_lambda`" in message
    )
    with pytest.raises(ZeroDivisionError), runs.open_run(store, "mine", "a run", {}, {}) as run:
        raise ZeroDivisionError
    assert main([run.id, "--rate", "10"]) == 2
    assert f"run {run.id} has no finished model, it is FAILED" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--rate", "many"], ["--rate", "nan"], [], ["--rate", "1", "--distortion", "2"]])
def test_a_value_that_is_no_number_and_two_values_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["a run", *arguments])


PREDICT = """
import sys, mlflow, numpy as np
mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
model = mlflow.pyfunc.load_model("runs:/" + sys.argv[1] + "/model")
image = np.random.default_rng(0).integers(0, 256, (3, 1, 28, 28), dtype=np.uint8)
default, other = (model.predict(image, params=params)["mu"] for params in (None, {"lambda": 7}))
np.savez("served.npz", image=image, default=default, other=other)
"""


@pytest.mark.slow
def test_a_run_ends_with_a_page_a_served_model_of_any_lambda_and_the_lambda_of_a_rate(
    hwsweep: Callable[..., subprocess.CompletedProcess[str]], workplace: Path
) -> None:
    from omegaconf import OmegaConf

    from hwsweep.analysis.all_lambda.contract import EveryLambda
    from hwsweep.components import load_model

    tiny = ["dataset.n_train=300", "dataset.n_valid=50", "dataset.n_test=60", "epochs=2", "vae.hidden=32"]
    done = hwsweep("model=vae_all_lambda", *tiny, "analysis.stops.number=5", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    folder = workplace / "run"
    page = (folder / "report.html").read_text()
    assert f"page: {folder / 'report.html'}" in done.stdout and page.count('class="stop"') == 5
    run_id = json.loads((folder / "result.json").read_text())["run_id"]
    subprocess.run([sys.executable, "-W", "ignore", "-c", PREDICT, run_id], check=True, cwd=workplace)
    model = load_model(OmegaConf.load(folder / "config" / "config.yaml"), folder / "checkpoints" / "best.pt")
    assert isinstance(model, EveryLambda)
    with np.load(workplace / "served.npz") as served, torch.no_grad():
        for name, weight in (("default", model.kl_weight), ("other", 7.0)):
            expected = model.at(weight).outputs({"image": torch.from_numpy(served["image"])})["mu"]
            np.testing.assert_allclose(served[name], expected.numpy(), rtol=1e-4, atol=1e-5)
    with np.load(folder / "analysis.npz") as arrays:
        rate = float(arrays["stop_test_rate"][2])
        weight = float(arrays["stop_lambda"][2])
    command = [sys.executable, "-m", "hwsweep.rate", run_id, "--rate", f"{rate:.6f}"]
    told = subprocess.run(command, cwd=workplace, env=os.environ, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert float(told.stdout.split()[2].rstrip(":")) == pytest.approx(weight, rel=0.02)
    history = runs.open_store("sqlite:///mlruns/mlflow.db", "mlruns/artifacts").client()
    series = history.get_metric_history(run_id, "stops/rate")
    assert [metric.step for metric in series] == [1, 2, 3, 4, 5] and series[2].value == pytest.approx(rate)
