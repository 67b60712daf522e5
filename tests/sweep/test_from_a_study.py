"""A study goes on from another one: its best trials train longer as copies, or its trials teach the sampler."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from stub_sweeps import Ran, trials

from hwsweep.sweep import SweepError
from hwsweep.sweep.study.source import copy_trial
from hwsweep.sweep.study.stored_view import stored_view
from hwsweep.tracking import runs

Sweep = Callable[..., Ran]
EPOCHS_APP = Path(__file__).parent / "epochs_app.py"  # its value is x
BEST = ("hydra.sweeper.from=outputs/night", "hydra.sweeper.study_name=long")


@pytest.mark.slow
def test_the_best_trials_of_a_study_go_on_as_copies(sweep: Sweep, tmp_path: Path) -> None:
    search = ("x=interval(0,4)", "hydra.sweeper.n_trials=4", "hydra.sweeper.study_name=night")
    night = sweep(*search, app=EPOCHS_APP).trials()
    best = sorted(night, key=lambda trial: trial.params["x"])[:2]
    ran = sweep(*BEST, "hydra.sweeper.top=2", "epochs=5", app=EPOCHS_APP)
    assert ran.code == 0, ran.err
    numbers = ", ".join(str(trial.number) for trial in best)
    assert ran.out.splitlines()[:2] == [f"2 runs: trials {numbers} of outputs/night go on", "  epochs: 3 -> 5"]
    long = tmp_path / "outputs" / "long"
    assert [trial.params for trial in trials(long)] == [trial.params for trial in best]
    for number in (0, 1):
        assert (long / str(number) / "output.log").read_text() == "from epoch 3\n"
        assert list(trials(long)[number].intermediate_values) == [1, 2, 3, 4, 5]
    assert [trial.state.name for trial in trials(tmp_path / "outputs" / "night")] == ["COMPLETE"] * 4
    assert [trial.by_user for trial in stored_view(long).trials] == [f"copy of night/{trial.number}" for trial in best]
    again = sweep("hydra.sweeper.study_name=long", app=EPOCHS_APP)  # its name is enough
    assert again.out.splitlines()[0].endswith("go on; 2 done, 0 to go"), again.err


@pytest.mark.slow
def test_copies_keep_their_seeds_and_take_new_values_of_swept_keys(sweep: Sweep, tmp_path: Path) -> None:
    sweep(
        "x=3,1",
        "epochs=2,1",
        "hydra.sweeper.seeds=2",
        "hydra.sweeper.seed_key=seconds",
        "seconds=0",
        "hydra.sweeper.study_name=night",
        app=EPOCHS_APP,
    )
    ran = sweep(*BEST, "hydra.sweeper.top=1", "epochs=4", app=EPOCHS_APP)
    assert ran.code == 0, ran.err
    (trial,) = trials(tmp_path / "outputs" / "long")
    assert trial.params == {"x": 1}
    for seed in (0, 1):
        log = tmp_path / "outputs" / "long" / "0" / f"seed_{seed}" / "output.log"
        assert log.read_text() == "from epoch 2\n"


@pytest.mark.slow
def test_copies_that_cannot_be_are_refused_before_a_folder_is_made(sweep: Sweep, tmp_path: Path) -> None:
    sweep("x=1,2", "hydra.sweeper.study_name=night", app=EPOCHS_APP)
    for arguments, message in (
        (["hydra.sweeper.top=3", "epochs=5"], "top=3: outputs/night has 2 complete trials that could be the best"),
        (["hydra.sweeper.top=1", "epochs=5,6"], "top=1 takes the points of outputs/night; give epochs=5,6 a single"),
        (["hydra.sweeper.top=1"], "the copies of outputs/night would only repeat it; change something"),
        (["hydra.sweeper.top=1", "epochs=5", "hydra.sweeper.from=outputs"], "outputs has no study.json"),
    ):
        ran = sweep(*BEST, *arguments, app=EPOCHS_APP)
        assert (ran.code, len(ran.err.splitlines())) == (1, 1), ran.err
        assert message in ran.err
        assert not (tmp_path / "outputs" / "long").exists()


def test_a_copy_has_what_a_program_left_but_not_how_its_run_ended(tmp_path: Path) -> None:
    source = tmp_path / "night" / "3"
    (source / "checkpoints").mkdir(parents=True)
    for name in ("checkpoints/last.pt", "mine.txt", "outcome.json", "outcome_1.json", "output.log", "result.json"):
        (source / name).write_text(name)
    copy_trial(source, tmp_path / "long" / "0")
    assert sorted(path.name for path in (tmp_path / "long" / "0").rglob("*") if path.is_file()) == [
        "copy.json",
        "last.pt",
        "mine.txt",
    ]
    (tmp_path / "long" / "0" / "mine.txt").write_text("further")
    copy_trial(source, tmp_path / "long" / "0")  # a sweep that was interrupted goes on
    assert (tmp_path / "long" / "0" / "mine.txt").read_text() == "further"
    with pytest.raises(SweepError, match=r"4 is gone, which .*1 goes on from"):
        copy_trial(source.with_name("4"), tmp_path / "long" / "1")


TINY = [
    *("dataset.n_train=157", "dataset.n_valid=31", "dataset.n_test=37", "vae.hidden=13", "vae.latent=3"),
    *("analysis.features.n_steps=3", "figures=none", "hydra.sweeper.observer=null"),
]


@pytest.mark.slow
def test_a_copy_trains_on_to_the_same_bits_as_one_that_trained_so_long_at_once(
    workplace: Path, hwsweep: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    for study, line in (("night", "epochs=2"), ("straight", "epochs=4")):
        hwsweep("-m", *TINY, line, f"hydra.sweeper.study_name={study}").check_returncode()
    hwsweep("-m", *BEST, "hydra.sweeper.top=1", "epochs=4").check_returncode()
    ((copy,), (straight,)) = (trials(workplace / "outputs" / study) for study in ("long", "straight"))
    assert (copy.values, copy.intermediate_values) == (straight.values, straight.intermediate_values)
    models = [
        torch.load(workplace / "outputs" / study / "0/checkpoints/last.pt", weights_only=True)["model"]
        for study in ("long", "straight")
    ]
    for name, weights in models[0].items():
        assert torch.equal(weights, models[1][name])
    store = runs.open_store(f"sqlite:///{workplace}/mlruns/mlflow.db", f"{workplace}/mlruns/artifacts")
    run = store.client().get_run(copy.user_attrs["mlflow_run_id"])
    assert run.data.tags["hwsweep.resumed_from"] == str(workplace / "outputs/night/0")
    history = store.client().get_metric_history(run.info.run_id, "valid/neg_elbo")
    assert [metric.step for metric in history] == [1, 2, 3, 4]


@pytest.mark.slow
def test_without_top_the_other_study_is_what_the_sampler_knows(sweep: Sweep, tmp_path: Path) -> None:
    grid = ("x=0,0.25,0.5,0.75,1,1.25,1.5,1.75,2,2.25,2.5,9", "epochs=1,2", "hydra.sweeper.study_name=night")
    sweep(*grid, "hydra.sweeper.n_jobs=4", app=EPOCHS_APP)
    new = ("x=interval(0,4)", "seconds=interval(0,0.1)", "hydra.sweeper.n_trials=2", "hydra.sweeper.study_name=warm")
    ran = sweep(*new, "hydra.sweeper.from=outputs/night", app=EPOCHS_APP)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[1:4] == [
        "the sampler begins with 22 of 24 ended trials of outputs/night",  # without x = 9
        "  outputs/night sweeps over epochs, this search does not",
        "  seconds: 0.0 in all trials of outputs/night",
    ]
    found = trials(tmp_path / "outputs" / "warm")
    assert [trial.number for trial in found] == [0, 1]  # the others are not in the study
    assert max(trial.params["x"] for trial in found) < 1.5  # the value is x: no random start


@pytest.mark.slow
def test_a_study_that_cannot_teach_the_sampler_is_refused(sweep: Sweep, tmp_path: Path) -> None:
    sweep("x=1,2", "hydra.sweeper.study_name=night", app=EPOCHS_APP)
    search = ("hydra.sweeper.n_trials=3", "hydra.sweeper.from=outputs/night", "hydra.sweeper.study_name=warm")
    for arguments, message in (
        (["x=interval(7,8)"], "none of its 2 ended trials has a point of this search"),
        (["x=1,2,3"], "a grid has no sampler that could learn"),
        (
            ["x=interval(0,1)", "hydra.sweeper.direction=maximize"],
            "its direction is minimize, but this search has maximize",
        ),
    ):
        ran = sweep(*arguments, *search, app=EPOCHS_APP)
        assert (ran.code, len(ran.err.splitlines())) == (1, 1), ran.err
        assert message in ran.err
        assert not (tmp_path / "outputs" / "warm").exists()
