"""A trial of a stored study, and its runs: numbers, config, arrays, data and the trained model."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from hwsweep import run_folder
from hwsweep.sweep import SweepError
from hwsweep.sweep.outcome import error_message
from hwsweep.sweep.study.trial_view import RunView, TrialView
from hwsweep.sweep.study.view import StudyView
from hwsweep.sweep.trial import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hwsweep.data import Splits
    from hwsweep.models import Model


class StoredRun:
    """One run of a trial; a trial has one, or one for each seed."""

    def __init__(self, view: RunView, name: str, subfolder: str) -> None:
        """Make it from its view.

        Args:
            name: of the trial, in messages.
            subfolder: of the folder, for Hydra's record of the config.
        """
        self._name, self._subfolder = name, subfolder
        self.directory: Path = view.directory
        self.metrics: dict[str, float] = view.metrics
        self.run_id: str | None = view.run_id
        """MLflow's id."""

    def __repr__(self) -> str:
        return f"<run of {self._name} in {self.directory}>"

    @property
    def config(self) -> DictConfig:
        """The composed config of the run.

        Raises:
            SweepError: the run has not begun, or the file is damaged.
        """
        path = self.directory / self._subfolder / "config.yaml"
        try:
            config = OmegaConf.load(path)
        except FileNotFoundError:
            raise SweepError(f"{self._name} has no config: {path} is not there") from None
        except Exception as error:  # YAML has errors of its own
            raise SweepError(f"{path} is damaged: {error_message(error)}") from error
        if not isinstance(config, DictConfig):
            raise SweepError(f"{path} is damaged: it must hold a mapping")
        return config

    @property
    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """The arrays that the analysis of the run stored, by name.

        Raises:
            SweepError: it stored none, or the file is damaged.
        """
        try:
            return run_folder.read_arrays(self.directory)
        except FileNotFoundError:
            path = self.directory / run_folder.ARRAYS
            raise SweepError(f"{self._name} has no arrays: {path} is not there") from None
        except ValueError as error:
            raise SweepError(str(error)) from error

    @property
    def figures(self) -> dict[str, Path]:
        """The PNG files that the run drew, by name."""
        return {path.stem: path for path in run_folder.figures(self.directory)}

    def data(self) -> Splits:
        """The training, validation and test examples of the run; reads the data set.

        Raises:
            SweepError: another program made the run.
            DataError: the data set is missing or damaged.
        """
        from hwsweep.hydra_versions import instantiate

        config = self._own_config()
        splits: Splits = instantiate(config.dataset).splits(config.seed)
        return splits

    def model(self) -> Model:
        """The trained model with the weights of its best epoch, in evaluation mode and on the CPU.

        The weights are read with `weights_only=True`. The config names the classes that are called: load the models of
        a folder only if you trust it.

        Raises:
            SweepError: there is no checkpoint, it does not fit the config, or another program made the run.
        """
        config, weights = self._own_config(), self.directory / run_folder.BEST_CHECKPOINT
        if not weights.exists():
            raise SweepError(f"{self._name} has no trained model: {weights} is not there")
        from hwsweep.components import load_model
        from hwsweep.data import Lexicon

        lexicon = run_folder.read_lexicon(self.directory)
        try:
            return load_model(config, weights, None if lexicon is None else Lexicon.from_json(lexicon))
        except Exception as error:  # torch and Hydra raise many, by what the files hold
            commit = run_folder.read_origin(self.directory).get("hwsweep.git_commit")
            of = f" (of commit {commit})" if commit else ""  # a later version may need other settings
            raise SweepError(
                f"the model of {self._name} cannot be made from {weights} and the run's config{of}: "
                f"{error_message(error)}"
            ) from error

    def _own_config(self) -> DictConfig:
        """The config, if hwsweep's own program has made the run."""
        config = self.config
        missing = [key for key in ("model", "dataset") if OmegaConf.select(config, f"{key}._target_") is None]
        if missing:
            raise SweepError(
                f"{self._name} is of another program than hwsweep's own: its config names no "
                f"{' and no '.join(f'`{key}`' for key in missing)}; load what it stored from {self.directory}"
            )
        return config


class StoredTrial:
    """One trial as it stood when the study was loaded. What belongs to a run comes from the run of the first seed."""

    def __init__(self, view: TrialView, study: StudyView) -> None:
        self.view = view
        self.number: int = view.number
        self.params: dict[str, Value] = view.params
        """The swept values."""
        self.state: str = view.state
        """waiting, paused, running, interrupted, complete, pruned or failed."""
        self.values: list[float] = view.values
        """One for each objective."""
        self.metrics: dict[str, float] = view.metrics
        """Means over the seeds, if there are several."""
        self.seconds: float = view.seconds
        self.run_id: str | None = view.run_id
        """MLflow's id of the first seed's run."""
        self.failure: dict[str, str] | None = view.failure
        """reason and message."""
        subfolder = str(study.config.hydra.get("output_subdir") or "")
        self.runs = [StoredRun(run, f"trial {view.number} of study {study.name!r}", subfolder) for run in view.runs]

    def __repr__(self) -> str:
        params = ", ".join(f"{key}={value}" for key, value in self.params.items())
        values = f": {', '.join(f'{value:.6g}' for value in self.values)}" if self.values else ""
        return f"<trial {self.number} ({self.state}) {params}{values}>"

    def _repr_html_(self) -> str:
        return f"<code>{escape(repr(self))}</code>"

    @property
    def config(self) -> DictConfig:
        """The composed config."""
        return self.runs[0].config

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that the analysis stored, by name."""
        return self.runs[0].arrays

    @property
    def figures(self) -> dict[str, Path]:
        """The PNG files that the run drew, by name."""
        return self.runs[0].figures

    def data(self) -> Splits:
        """The training, validation and test examples."""
        return self.runs[0].data()

    def model(self) -> Model:
        """The trained model, in evaluation mode and on the CPU."""
        return self.runs[0].model()
