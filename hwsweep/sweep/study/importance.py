"""How much each parameter mattered, by Optuna's estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwsweep.sweep.study.view import StudyView

MIN_TRIALS = 20
"""Complete trials that are needed: the best tenth of fewer is one trial or none."""


def importances(view: StudyView) -> dict[str, float]:
    """Each parameter's share in what separates the best tenth of the trials from the rest; the shares sum to 1.

    With several objectives the best trials are those nearest to the Pareto front. PED-ANOVA (Watanabe et al. 2023,
    arXiv:2304.10255) takes milliseconds where fANOVA takes a minute. The largest share comes first. Empty with fewer
    than `MIN_TRIALS` complete trials, and where all of them have the same value.
    """
    import optuna

    records = [trial.record for trial in view.complete_trials if trial.record is not None]
    if len(records) < MIN_TRIALS or len({tuple(record.values) for record in records}) == 1:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(),
        directions=["maximize" if name == "maximize" else "minimize" for name in view.directions],
    )
    study.add_trials(records)
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: float(share) for key, share in shares.items() if share > 0}
