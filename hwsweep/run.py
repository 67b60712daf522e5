"""One run as a story: config -> objects -> fit -> evaluate -> figures."""

from __future__ import annotations

import importlib
import logging
import time
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from hwsweep import run_folder
from hwsweep.analysis import Measured
from hwsweep.build import InvalidConfig, Parts, build, leaves, objectives
from hwsweep.data import Dataset, Splits
from hwsweep.figures import Trained, drawing
from hwsweep.models import Model
from hwsweep.sweep.trial import TrialPruned, current_trial
from hwsweep.tracking import runs
from hwsweep.tracking.provenance import environment
from hwsweep.training import checkpoint
from hwsweep.training.loop import Row, evaluate, fit
from hwsweep.training.precision import flush_denormals, onednn_products
from hwsweep.training.progress import shown

log = logging.getLogger("hwsweep")


def run(cfg: DictConfig) -> float | tuple[float, ...]:
    """Train and measure one model; return the objective, or each of several, at its best epoch.

    Writes checkpoints, figures and result.json into Hydra's output folder and everything to MLflow.

    Raises:
        InvalidConfig: before any work.
        DataError: the data set is not there or not right; before any work on the model.
        Diverged: the loss stopped being finite.
    """
    started = time.perf_counter()
    folder = Path(HydraConfig.get().runtime.output_dir)
    flush_denormals()
    parts = build(cfg)
    resume = _resume_from(cfg, folder)
    log.info("data: %s", parts.dataset.name)
    splits = parts.dataset.splits(cfg.seed)
    parts, facts = _begin(cfg, parts, splits)
    _check_measured(cfg, parts, splits)
    store = runs.open_store(cfg.tracking.uri, cfg.tracking.artifacts)
    (folder / run_folder.FIGURES).mkdir(exist_ok=True)
    with _open_run(cfg, store, folder) as tracked:
        run_folder.write_result(folder, tracked.id, {}, {})
        digest = _note_origin(cfg, parts.dataset, splits, folder, tracked)
        if facts:
            tracked.metrics(facts, 0)
        history = _train(parts, splits, objectives(cfg)[0], folder / "checkpoints", resume, tracked)
        best = checkpoint.load(folder / run_folder.BEST_CHECKPOINT)
        parts.model.load_state_dict(best["model"])
        parts.model.eval()
        metrics, arrays, tags, _ = _measure(cfg, parts.model, splits, digest, folder, tracked)
        metrics["best_epoch"] = float(best["epoch"])
        trained = Trained(parts.model, splits.test, history, cfg.title, splits.lexicon, arrays)
        _draw(cfg, trained, folder / run_folder.FIGURES, tracked)
        metrics["time/run_seconds"] = time.perf_counter() - started
        tracked.metrics(metrics, len(history))
        tracked.artifact(folder / run_folder.BEST_CHECKPOINT, "checkpoints")
        _keep_model(parts.model, splits, folder, tracked)
        reached = {name: history[best["epoch"] - 1][name] for name in objectives(cfg)}
        run_folder.write_result(folder, tracked.id, metrics | facts | reached, tags)
    log.info("best epoch %d of %d; MLflow run %s; files in %s", best["epoch"], len(history), tracked.id, folder)
    values = tuple(reached.values())
    return values[0] if len(values) == 1 else values


def _begin(cfg: DictConfig, parts: Parts, splits: Splits) -> tuple[Parts, dict[str, float]]:
    """The objects of the run now that the data is read, and what the data and the start of the weights told."""
    if splits.lexicon is not None:
        parts = build(cfg, splits)  # the size of the vocabulary is known
    facts = dict(splits.facts)
    if cfg.initialise is not None:
        facts |= instantiate(cfg.initialise)(parts.model, splits)
    return parts, facts


def _note_origin(cfg: DictConfig, dataset: Dataset, splits: Splits, folder: Path, tracked: runs.Run) -> str:
    """The digest of the data, noted with all else that the run is made of."""
    digest, sizes = splits.digest(), _sizes(splits)
    tracked.dataset(dataset.name, dataset.source, digest, sizes)
    made_of = {"data": dataset.name, "source": dataset.source, "digest": digest, **sizes}
    run_folder.write_origin(folder, {**environment(), **made_of, "seed": cfg.seed})
    tracked.artifact(folder / run_folder.CONFIG)
    return digest


@onednn_products()
def _measure(cfg: DictConfig, model: Model, splits: Splits, digest: str, folder: Path, tracked: runs.Run) -> Measured:
    """Everything about the test split: losses, and what conf's `analysis` makes of the model."""
    losses = {f"test/{name}": value for name, value in evaluate(model, splits.test).items()}
    log.info("test: %s", ", ".join(f"{key.removeprefix('test/')} {value:.2f}" for key, value in losses.items()))
    started = time.perf_counter()
    measured: Measured = instantiate(cfg.analysis)(model, splits, digest)
    losses["time/analysis_seconds"] = time.perf_counter() - started
    run_folder.write_arrays(folder, measured.arrays)
    for name, text in measured.tags.items():
        tracked.tag(f"hwsweep.{name}", text)
    for sentence in measured.sentences:
        log.info(sentence)
    return measured._replace(metrics=losses | measured.metrics)


def _train(
    parts: Parts, splits: Splits, objective: str, checkpoints: Path, resume: Path | None, tracked: runs.Run
) -> list[Row]:
    """Fit, and tell MLflow and the study about each epoch once, also after a resume."""
    trial = current_trial()
    logged = tracked.last_step(objective)
    rows = fit(parts.model, splits, parts.optimizer, parts.schedule, parts.plan, checkpoints, resume)
    history: list[Row] = []
    for row in shown(rows, parts.plan.epochs, objective):
        epoch = int(row["epoch"])
        history.append(row)
        if epoch > logged:
            tracked.metrics({key: value for key, value in row.items() if key != "epoch"}, epoch)
        if trial is not None:
            trial.report(row[objective], epoch)
            if epoch < parts.plan.epochs and trial.should_prune():
                why = f"{objective} {row[objective]:.4g} at epoch {epoch}"
                tracked.prune(why)
                raise TrialPruned(why)
    return history


def _draw(cfg: DictConfig, trained: Trained, folder: Path, tracked: runs.Run) -> None:
    """Draw the figures that conf names; keep the PNG and what was drawn."""
    for name, node in cfg.figures.items():
        info = instantiate(node)(trained)
        figure = importlib.import_module(str(node["_target_"]).rpartition(".")[0])
        drawing.save(figure, info, folder / f"{name}.png")
        drawing.store(info, folder / f"{name}.npz")
        tracked.artifact(folder / f"{name}.png", "figures")


def _keep_model(model: Model, splits: Splits, folder: Path, tracked: runs.Run) -> None:
    """Log the model with four test examples and what it makes of them."""
    parts = {"weights": folder / run_folder.BEST_CHECKPOINT, "config": folder / run_folder.CONFIG}
    few = {name: values[:4] for name, values in splits.test.items()}
    with torch.no_grad():
        outputs = {name: values.numpy() for name, values in model.cpu().outputs(few).items()}
    if splits.lexicon is None:
        tracked.model(parts, few["image"].numpy(), outputs)
        return
    parts["lexicon"] = run_folder.write_lexicon(folder, splits.lexicon.to_json())
    classes = splits.lexicon.classes
    labels = [classes[label] for label in outputs["probability"].argmax(1)]
    columns = dict(zip(classes, outputs["probability"].T, strict=True))
    tracked.model(parts, list(splits.texts["test"][:4]), {"label": np.array(labels), **columns})


def _open_run(cfg: DictConfig, store: runs.Store, folder: Path) -> AbstractContextManager[runs.Run]:
    """A new MLflow run, or the one that this folder's interrupted trial had."""
    trial = current_trial()
    hydra = HydraConfig.get()
    name = hydra.job.override_dirname or "{model} {dataset}".format(**hydra.runtime.choices)
    tags = {"hwsweep.folder": str(folder), "hwsweep.role": "trial" if trial else "run"}
    experiment = cfg.tracking.experiment
    if trial is None:
        runs.end_orphans(store)
    else:
        experiment = trial.study
        name = ", ".join(f"{key}={value}" for key, value in trial.params.items()) or name
        tags |= {"hwsweep.study": trial.study, "hwsweep.trial": str(trial.number)}
    if cfg.resume is not None:
        tags["hwsweep.resumed_from"] = str(cfg.resume)
    earlier = run_folder.run_id(folder) if trial else None
    return runs.open_run(store, experiment, name, leaves(cfg), tags, earlier)


def _resume_from(cfg: DictConfig, folder: Path) -> Path | None:
    """The checkpoint to go on from: the one that conf names, or what this trial left when it was interrupted."""
    if cfg.resume is None:
        own = folder / run_folder.LAST_CHECKPOINT
        return own if own.exists() else None
    given = Path(cfg.resume)
    candidates = [given, given / "last.pt", given / run_folder.LAST_CHECKPOINT]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise InvalidConfig(
        f"`resume` must be a run's folder or a checkpoint, but none of these is a file: "
        f"{', '.join(str(candidate) for candidate in candidates)}"
    )


def _check_measured(cfg: DictConfig, parts: Parts, splits: Splits) -> None:
    """Refuse an `objective` or `select` that is not measured, before training."""
    few = {name: values[:2] for name, values in splits.valid.items()}
    measured = sorted(f"valid/{name}" for name in evaluate(parts.model, few))
    for key, names in (("objective", objectives(cfg)), ("select", [cfg.select])):
        for name in names:
            if name not in measured:
                raise InvalidConfig(f"`{key}` must be one of {', '.join(measured)}, but got {name}")


def _sizes(splits: Splits) -> dict[str, int]:
    return {name: len(next(iter(getattr(splits, name).values()))) for name in ("train", "valid", "test")}
