from __future__ import annotations

from typing import Any

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.distributions import FloatDistribution, IntDistribution

from hwsweep import conf_path
from hwsweep.hydra_versions import compose_in
from hwsweep.sweep import SweepError
from hwsweep.sweep.command.settings import Settings
from hwsweep.sweep.search.axis import Axis
from hwsweep.sweep.search.sampling import build_pruner, build_sampler, check, distribution, suggest
from hwsweep.sweep.search.space import Space

RANDOM = {"_target_": "optuna.samplers.RandomSampler"}
SPACE = Space([Axis("x", None, 0, 1)], [], [], [], {}, {})


class Lacking(optuna.samplers.RandomSampler):
    def sample_relative(self, *_: Any) -> dict[str, Any]:
        raise ImportError("No module named 'cmaes'")


def draw(node: dict[str, Any], number: int, attempt: int = 0) -> float:
    study = optuna.create_study(sampler=build_sampler(node, 7, number, attempt))
    blank = study.trials[0] if study.trials else study.ask()
    return float(suggest(study, study.trials[blank.number], SPACE)["x"])


def test_a_suggestion_depends_on_the_trial_and_not_on_the_moment() -> None:
    assert draw(RANDOM, 3) == draw(RANDOM, 3)
    assert len({draw(RANDOM, number, attempt) for number in range(3) for attempt in range(3)}) == 9


def test_the_end_of_a_range_is_excluded_for_a_sampler() -> None:
    whole = Axis("x", (1, 3, 5, 7), 1, 7, 2, integer=True)  # range(1,8,2)
    assert distribution(whole) == IntDistribution(1, 7, step=2)
    tenths = Axis("x", (0.0, 0.1, 0.2), 0.0, 0.2, 0.1)  # range(0,0.3,0.1)
    assert distribution(tenths) == FloatDistribution(0.0, 0.2, step=0.1)


def test_a_sampler_whose_package_is_missing_is_named() -> None:
    study = optuna.create_study(sampler=Lacking())
    study.ask()
    with pytest.raises(SweepError, match="Lacking needs a package that is not installed: No module named 'cmaes'"):
        suggest(study, study.trials[0], SPACE)


def test_a_sampler_that_does_not_fit_the_study_is_named() -> None:
    study = optuna.create_study(sampler=optuna.samplers.CmaEsSampler(), directions=["minimize", "maximize"])
    study.ask()
    with pytest.raises(SweepError, match=r"CmaEsSampler cannot propose a point: .*multi-objective.*Choose another"):
        suggest(study, study.trials[0], SPACE)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("pruner", {"_target_": "os.getpid"}, "must be a class with the method prune, but got os.getpid"),
        ("pruner", {"_target_": "optuna.pruners.MedianPruner", "n": 1}, "cannot be built: .*unexpected keyword"),
        ("pruner", {"_target_": "optuna.pruners.MedianPruner", "n_warmup_steps": -1}, "cannot be built: "),
        ("pruner", {"_target_": "optuna.pruners.Best"}, "`optuna.pruners.Best` cannot be found"),
        ("sampler", {"_target_": "optuna.pruners.NopPruner"}, "with the methods? sample_relative and"),
        ("sampler", {"_target_": "nothing.here"}, "`nothing.here` cannot be found: No module"),
        ("observer", {"_target_": "builtins.list"}, "with the methods? started and finished, but got builtins.list"),
        ("check", "os.name", "`hydra.sweeper.check` must be a function, but got os.name"),
        ("check", {"_target_": "os.nothing"}, "`os.nothing` cannot be found"),
        ("custom_search_space", "os.name", "`hydra.sweeper.custom_search_space` must be a function"),
    ],
)
def test_a_part_that_cannot_be_is_refused_before_the_study(setting: str, value: Any, message: str) -> None:
    settings: dict[str, Any] = {**dict.fromkeys(Settings._fields), setting: value}
    with pytest.raises(SweepError, match=message):
        check(Settings(**settings))


def test_a_pruner_that_pauses_trials_needs_one_objective() -> None:
    pruner = {"_target_": "hwsweep.sweep.search.promotion.FirstEpoch", "epochs": 1, "keep": 3}
    settings: dict[str, Any] = {**dict.fromkeys(Settings._fields), "pruner": pruner, "direction": "minimize"}
    check(Settings(**settings))
    with pytest.raises(SweepError, match=r"compares trials by one objective, but hydra.sweeper.direction names 2"):
        check(Settings(**{**settings, "direction": ["minimize", "maximize"]}))


@pytest.mark.parametrize("pruner", ["median", "promotion", "first_epoch"])
@pytest.mark.parametrize("experiment", ["headlines_search", "news_search"])
def test_a_pruner_of_the_command_line_takes_the_place_of_the_experiments(experiment: str, pruner: str) -> None:
    choices = [f"experiment={experiment}", f"hydra/sweeper/pruner={pruner}"]
    config = compose_in(conf_path(), "config", choices, return_hydra_config=True)
    node = OmegaConf.to_container(config.hydra.sweeper.pruner, resolve=True)
    assert callable(build_pruner(node).prune if pruner == "median" else build_pruner(node).pauses)  # type: ignore
