"""One run as a story: config -> objects -> fit -> evaluate -> figures."""

from __future__ import annotations

import copy
import logging
import time
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from hwsweep import run_folder
from hwsweep.analysis import Analysis
from hwsweep.analysis.all_lambda.contract import EveryLambda
from hwsweep.components import Analyse, Components, build
from hwsweep.components.config_values import InvalidConfig, errors_as_invalid_config, flatten, objectives
from hwsweep.components.sections import RunFigure, device_named
from hwsweep.components.stacking import work_for_trainer
from hwsweep.data import Dataset, Splits
from hwsweep.figures import Trained, drawing
from hwsweep.hydra_versions import instantiate
from hwsweep.models import Model
from hwsweep.sweep.config_snapshot import mask_run_config
from hwsweep.sweep.trial import TrialPruned, current_trial
from hwsweep.tracking import runs
from hwsweep.tracking.epoch_log import EpochLog
from hwsweep.tracking.provenance import command, environment
from hwsweep.tracking.run import DESCRIPTION, Run
from hwsweep.training import checkpoint, trainer
from hwsweep.training.batches import n_examples
from hwsweep.training.checkpoint import EpochMetrics
from hwsweep.training.evaluation import evaluate
from hwsweep.training.loop import fit
from hwsweep.training.plan import LAST
from hwsweep.training.precision import flush_denormals
from hwsweep.training.progress import show_progress, under_training

log = logging.getLogger("hwsweep")


def run(cfg: DictConfig) -> float | tuple[float, ...]:
    """Train and measure one model; return the objective, or each of several, at its best epoch.

    Writes checkpoints, figures and result.json into Hydra's output folder and everything to MLflow.

    Raises:
        InvalidConfig: before any work.
        DataError: the data set is missing or damaged; before any work on the model.
        Diverged: the loss stopped being finite.
    """
    started = time.perf_counter()
    folder = Path(HydraConfig.get().runtime.output_dir)
    mask_run_config()
    flush_denormals()
    elsewhere = trainer.join()
    components = build(cfg)
    resume = _own_checkpoint(folder) if cfg.resume is None else checkpoint.find(str(cfg.resume))
    if resume is None and (origin := run_folder.origin_folder(folder)) is not None:
        raise InvalidConfig(f"the trial goes on from {origin}, which has no checkpoint that can be read")
    store = runs.open_store(cfg.tracking.uri, cfg.tracking.artifacts)
    components, splits, facts = _read_data(cfg, components)
    with _open_run(cfg, store, folder) as tracked:
        run_folder.write_result(folder, tracked.id, {}, {})
        digest = _log_origin(cfg, components.dataset, splits, folder, tracked)
        if facts:
            tracked.log_metrics(facts, 0)
        history = _train(cfg, components, splits, folder / "checkpoints", resume, elsewhere, tracked)
        model, best_epoch = _load_best(components.model, folder)
        note = under_training(history, components.plan.select)
        analysis = _analyse(components.analyse, model, splits, digest, note, folder, tracked)
        trained = Trained(model, splits.test, history, cfg.title, splits.lexicon, analysis.arrays)
        _draw(components.figures, trained, folder, tracked)
        metrics = {
            **analysis.metrics,
            "best_epoch": float(best_epoch),
            "time/run_seconds": time.perf_counter() - started,
        }
        tracked.log_metrics(metrics, len(history))
        _log_model(model, splits, folder, tracked)
        values = {name: history[best_epoch - 1][name] for name in objectives(cfg)}
        valid = {name: value for name, value in history[best_epoch - 1].items() if name.startswith("valid/")}
        run_folder.write_result(folder, tracked.id, metrics | facts | valid, analysis.tags)
    log.info("best epoch %d of %d; MLflow run %s; files in %s", best_epoch, len(history), tracked.id, folder)
    return next(iter(values.values())) if len(values) == 1 else tuple(values.values())


def _read_data(cfg: DictConfig, components: Components) -> tuple[Components, Splits, dict[str, float]]:
    """The components with a model that fits the data, the data, and facts about them by metric key.

    Raises:
        InvalidConfig: the model cannot read the data, or does not measure what conf names.
    """
    log.info("data: %s", components.dataset.name)
    splits = components.dataset.splits(cfg.seed)
    if splits.lexicon is not None:
        components = build(cfg, splits)  # the size of the vocabulary is known now
    facts = dict(splits.statistics)
    if (init := cfg.get("init")) is not None:
        _load_initial_weights(components.model, splits, checkpoint.find_weights(str(init)))
    elif cfg.initialise is not None:
        with errors_as_invalid_config():
            facts |= instantiate(cfg.initialise)(components.model, splits)
    _check_metric_names(cfg, components.model, splits)
    if (n := n_examples(splits.train)) < cfg.batch_size:
        log.warning("batch_size=%d is more than the training split has (%d): an epoch is one step", cfg.batch_size, n)
    if clause := components.schedule.unfinished():
        log.warning("the schedule does not finish: %s", clause)
    return components, splits, facts


def _load_initial_weights(model: Model, splits: Splits, path: Path) -> None:
    """Begin with the weights of another run, whose texts have the same token ids.

    Raises:
        InvalidConfig: they have others.
        IncompatibleCheckpoint: the run has another model.
    """
    lexicon = run_folder.read_lexicon(path.parents[1])
    if splits.lexicon is not None and lexicon is not None and lexicon != splits.lexicon.to_json():
        raise InvalidConfig(f"`init` needs a run with the same lexicon, but that of {path.parents[1]} has other words")
    checkpoint.load_weights(model, path)
    log.info("the weights of %s", path)


def _own_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of this trial from when it was interrupted; None if there is none, or it cannot be read."""
    if not (folder / run_folder.LAST_CHECKPOINT).exists():
        return None
    try:
        return checkpoint.find(str(folder))
    except checkpoint.IncompatibleCheckpoint as error:
        log.warning("the trial begins anew, in a new MLflow run: %s", error)
        run_folder.remove_progress(folder)
        return None


def _check_metric_names(cfg: DictConfig, model: Model, splits: Splits) -> None:
    """Refuse an `objective` or `select` that the model does not measure, and data that it cannot read."""
    rows = [int(splits.train["label"].argmax()), 0] if "label" in splits.train else [0]
    few = {name: values[rows] for name, values in splits.train.items()}  # with the highest label: there may be too few
    on_cpu = copy.deepcopy(model).cpu()  # an index out of range breaks a GPU for the rest of the process
    try:
        measured = sorted(f"valid/{name}" for name in evaluate(on_cpu, few))
    except (IndexError, RuntimeError) as error:
        raise InvalidConfig(
            f"the model must fit the data, but with two training examples it fails: {type(error).__name__}: {error}; "
            f"compare the number of classes and the shape of an example with those of the data set"
        ) from error
    for key, names in (("objective", objectives(cfg)), ("select", [cfg.select])):
        for name in names:
            if name not in measured and (key, name) != ("select", LAST):
                raise InvalidConfig(f"`{key}` must be one of {', '.join(measured)}, but got {name}")


def _open_run(cfg: DictConfig, store: runs.Store, folder: Path) -> AbstractContextManager[Run]:
    """A new MLflow run, or the one that this folder's trial had when it was interrupted."""
    trial = current_trial()
    hydra = HydraConfig.get()
    name = hydra.job.override_dirname or "{model} {dataset}".format(**hydra.runtime.choices)
    tags = {"hwsweep.folder": str(folder), "hwsweep.role": "trial" if trial else "run"}
    tags["hwsweep.device"] = "trainer" if trainer.is_elsewhere() else str(device_named(cfg.device))
    experiment, subject = cfg.tracking.experiment, "A single run"
    if trial is None:
        runs.end_orphaned_runs(store)
    else:
        experiment, subject = trial.study, f"Trial {trial.number} of study {trial.study}"
        name = trial.name or name
        tags |= {"hwsweep.study": trial.study, "hwsweep.trial": str(trial.number)}
        if trial.origin:
            tags["hwsweep.added"] = trial.origin
    tags[DESCRIPTION] = f"{subject}: `{command()}`"
    if (resumed := cfg.resume or run_folder.origin_folder(folder)) is not None:
        tags["hwsweep.resumed_from"] = str(resumed)
    run_id = run_folder.run_id(folder) if trial else None
    return runs.open_run(store, experiment, name, flatten(cfg), tags, run_id, trial.numbers if trial else {})


def _log_origin(cfg: DictConfig, dataset: Dataset, splits: Splits, folder: Path, tracked: Run) -> str:
    """Record data, versions, commit, seed, config and lexicon of the run; return the digest of the data."""
    digest = splits.digest()
    sizes = {name: n_examples(getattr(splits, name)) for name in ("train", "valid", "test")}
    tracked.log_dataset(dataset.name, dataset.source, digest, sizes)
    data = {"data": dataset.name, "source": dataset.source, "digest": digest, **sizes}
    run_folder.write_origin(folder, {**environment(), **data, "seed": cfg.seed})
    tracked.log_artifact(folder / run_folder.CONFIG)
    if splits.lexicon is not None:  # before training: the model of a pruned run can be loaded too
        run_folder.write_lexicon(folder, splits.lexicon.to_json())
    return digest


def _train(
    cfg: DictConfig,
    components: Components,
    splits: Splits,
    checkpoints: Path,
    resume: Path | None,
    elsewhere: Connection | None,
    tracked: Run,
) -> list[EpochMetrics]:
    """Fit, and log each epoch to MLflow once, also after a resume; report it to the study."""
    model, plan, trial = components.model, components.plan, current_trial()
    objective = objectives(cfg)[0]
    last_logged = tracked.last_step(objective)
    if elsewhere is None:
        epochs = fit(model, splits, components.optimizer, components.schedule, plan, checkpoints, resume)
    else:
        work = work_for_trainer(cfg, components, splits, checkpoints, resume)
        epochs = trainer.fit_elsewhere(elsewhere, work, splits)
    history: list[EpochMetrics] = []
    with EpochLog(tracked) as epoch_log:
        for metrics in show_progress(epochs, plan.epochs, objective):
            epoch = int(metrics["epoch"])
            history.append(metrics)
            if epoch > last_logged:
                epoch_log.add(epoch, {key: value for key, value in metrics.items() if key != "epoch"})
            if trial is not None:
                trial.report(metrics[objective], epoch)
                if epoch < plan.epochs and trial.should_prune():
                    reason = f"{objective} {metrics[objective]:.4g} at epoch {epoch}"
                    (tracked.mark_paused if trial.pauses else tracked.mark_pruned)(reason)
                    raise TrialPruned(reason)
    return history


def _load_best(model: Model, folder: Path) -> tuple[Model, int]:
    """The model in evaluation mode, with the weights of its best epoch, and the number of that epoch."""
    best = checkpoint.load(folder / run_folder.BEST_CHECKPOINT)
    model.load_state_dict(best["model"])
    return model.eval(), int(best["epoch"])


def _analyse(
    analyse: Analyse, model: Model, splits: Splits, digest: str, note: str, folder: Path, tracked: Run
) -> Analysis:
    """Everything about the test split: losses, and the results of conf's `analysis`, with a note beside the verdict."""
    losses = {f"test/{name}": value for name, value in evaluate(model, splits.test).items()}
    log.info("test: %s", ", ".join(f"{key.removeprefix('test/')} {value:.2f}" for key, value in losses.items()))
    started = time.perf_counter()
    analysis = analyse(model, splits, digest).with_note(note)
    losses["time/analysis_seconds"] = time.perf_counter() - started
    run_folder.write_arrays(folder, analysis.arrays)
    tracked.log_series(analysis.series)
    tracked.set_result(
        "\n".join(f"* {sentence}" for sentence in analysis.sentences),
        analysis.tags.get("verdict", "").partition(" (")[0],
        {f"hwsweep.{name}": text for name, text in analysis.tags.items()},
    )
    for sentence in analysis.sentences:
        log.info(sentence)
    return analysis._replace(metrics=losses | analysis.metrics)


def _draw(figures: dict[str, RunFigure], trained: Trained, folder: Path, tracked: Run) -> None:
    """Draw the figures that conf names; write each PNG and the data in it."""
    directory = folder / run_folder.FIGURES
    directory.mkdir(exist_ok=True)
    for name, figure in figures.items():
        info = figure.info(trained)
        drawing.save(figure.module, info, directory / f"{name}.png")
        drawing.store(info, directory / f"{name}.npz")
        tracked.log_artifact(directory / f"{name}.png", "figures")


def _log_model(model: Model, splits: Splits, folder: Path, tracked: Run) -> None:
    """Log the best checkpoint, and the model with four test examples and its outputs for them."""
    tracked.log_artifact(folder / run_folder.BEST_CHECKPOINT, "checkpoints")
    files = {"weights": folder / run_folder.BEST_CHECKPOINT, "config": folder / run_folder.CONFIG}
    few = {name: values[:4] for name, values in splits.test.items()}
    with torch.no_grad():
        outputs = {name: values.numpy() for name, values in model.cpu().outputs(few).items()}
    if splits.lexicon is None:
        params = {"lambda": float(model.kl_weight)} if isinstance(model, EveryLambda) else None
        tracked.log_model(files, few["image"].numpy(), outputs, params)
        return
    files["lexicon"] = folder / run_folder.LEXICON
    classes = splits.lexicon.classes
    labels = [classes[label] for label in outputs["probability"].argmax(1)]
    columns = dict(zip(classes, outputs["probability"].T, strict=True))
    predicted = {"label": np.array(labels), **columns}
    tracked.log_model(files, list(splits.texts["test"][:4]), predicted, {"attributions": "none"})
