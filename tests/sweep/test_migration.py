"""What hydra-optuna-sweeper's documentation shows runs here with only the sweeper's name changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from stub_sweeps import Ran

Sweep = Callable[..., Ran]


def application(folder: Path, objective: str, config: str) -> Path:
    """Write an application: the body of its objective(cfg) and its configuration."""
    (folder / "conf").mkdir(exist_ok=True)
    (folder / "conf" / "config.yaml").write_text(config)
    app = folder / "app.py"
    app.write_text(
        "import hydra\n"
        "@hydra.main(version_base=None, config_path='conf', config_name='config')\n"
        f"def objective(cfg):\n    {objective}\n"
        "def configure(cfg, trial):\n"
        "    x = trial.params['x']\n"
        "    trial.suggest_float('z', x - cfg.max_z_difference_from_x, x + cfg.max_z_difference_from_x)\n"
        "    trial.suggest_float('+w', 0.0, 1.0)\n"
        "if __name__ == '__main__':\n    objective()\n"
    )
    return app


SPHERE = """
defaults:
  - override hydra/sweeper: hwsweep
  - override hydra/sweeper/sampler: tpe
hydra:
  sweeper:
    sampler: {seed: 123}
    direction: minimize
    study_name: sphere
    storage: null
    n_trials: 20
    n_jobs: 1
    params:
      x: range(-5.5, 5.5, step=0.5)
      y: choice(-5, 0, 5)
x: 1
y: 1
"""


@pytest.mark.slow
def test_the_sphere(sweep: Sweep, tmp_path: Path) -> None:
    ran = sweep(app=application(tmp_path, "return cfg.x**2 + cfg.y**2", SPHERE))
    assert ran.code == 0, ran.err
    assert len(ran.trials()) == 20
    for trial in ran.trials():
        assert trial.value == pytest.approx(trial.params["x"] ** 2 + trial.params["y"] ** 2)
        assert trial.params["x"] in [-5.5 + 0.5 * k for k in range(22)]
    written = (ran.studies[0] / "optimization_results.yaml").read_text()
    assert written.startswith("name: optuna\nbest_params:\n")


@pytest.mark.slow
def test_the_grid_sampler_means_every_point_once(sweep: Sweep, tmp_path: Path) -> None:
    config = SPHERE.replace("sampler: tpe", "sampler: grid").replace("step=0.5", "step=5").replace("20", "null")
    ran = sweep(app=application(tmp_path, "return cfg.x**2 + cfg.y**2", config))
    assert ran.out.splitlines()[0] == "9 runs: grid over x x y"
    assert len({tuple(trial.params.items()) for trial in ran.trials()}) == 9


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["nsgaii", "random", "cmaes", "qmc", "gp"])
def test_samplers_by_their_names(sweep: Sweep, tmp_path: Path, sampler: str) -> None:
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
    startup = ["+hydra.sweeper.sampler.n_startup_trials=2"] if sampler == "gp" else []
    config = SPHERE.replace("sampler: tpe", f"sampler: {sampler}").replace("n_trials: 20", "n_trials: 4")
    app = application(tmp_path, "return cfg.x**2 + cfg.y**2", config)
    ran = sweep("x=interval(-5.5,5.5)", "y=interval(-5,5)", *startup, app=app)
    assert ran.code == 0, ran.err
    assert len({trial.params["x"] for trial in ran.trials()}) == 4


def test_zip_exclude_and_when_are_declared_in_yaml(sweep: Sweep, tmp_path: Path) -> None:
    config = """
defaults: [_self_, override hydra/sweeper: hwsweep]
hydra:
  sweeper:
    params: {x: "1,2,3", y: "10,20,30", kind: "line,ring", radius: "5,6"}
    zip: [[x, y]]
    exclude: ["x == 2", "kind == 'ring' and x > limit"]
    when: {radius: "kind == 'ring'"}
x: 0
y: 0
kind: line
radius: 0
limit: 1
"""
    ran = sweep(app=application(tmp_path, "return cfg.y + cfg.radius", config))
    assert ran.code == 0, ran.err
    assert [(trial.params["x"], trial.params["kind"], trial.value) for trial in ran.trials()] == [
        (1, "line", 10),
        (1, "ring", 15),
        (1, "ring", 16),
        (3, "line", 30),
    ]


@pytest.mark.slow
def test_several_objectives(sweep: Sweep, tmp_path: Path) -> None:
    config = SPHERE.replace("direction: minimize", "direction: [minimize, minimize]")
    config = config.replace("x: range(-5.5, 5.5, step=0.5)", "x: range(0, 5, step=0.5)")
    config = config.replace("y: choice(-5, 0, 5)", "y: range(0, 3, step=0.5)").replace("n_trials: 20", "n_trials: 6")
    objective = "return 4 * cfg.x**2 + 4 * cfg.y**2, (cfg.x - 5)**2 + (cfg.y - 5)**2"
    ran = sweep(app=application(tmp_path, objective, config))
    assert ran.code == 0, ran.err
    assert all(len(trial.values) == 2 for trial in ran.trials())
    assert "solutions:" in (ran.studies[0] / "optimization_results.yaml").read_text()


def test_a_custom_search_space(sweep: Sweep, tmp_path: Path) -> None:
    config = SPHERE.replace("n_jobs: 1", "n_jobs: 1\n    custom_search_space: app.configure").replace("20", "5")
    config += "z: 10\nmax_z_difference_from_x: 0.5\n"
    ran = sweep(app=application(tmp_path, "return cfg.x**2 + cfg.y**2 + cfg.z**2 + cfg.w", config))
    assert ran.code == 0, ran.err
    for trial in ran.trials():
        x, y, z, w = (trial.params[key] for key in ("x", "y", "z", "+w"))
        assert abs(z - x) <= 0.5
        assert trial.value == pytest.approx(x**2 + y**2 + z**2 + w)
