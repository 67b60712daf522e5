"""A trained model as MLflow serves it: rebuilt from its config and weights, nothing is unpickled."""

from __future__ import annotations

import mlflow
import numpy as np
import torch
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class ServedModel(PythonModel):
    """Images (n, c, h, w), uint8 -> their codes and reconstructions."""

    # arrays have no type hint that MLflow could make a schema of (it warns of each): the logged signature is the schema
    _skip_type_hint_validation = True

    def load_context(self, context: PythonModelContext) -> None:
        """Rebuild the model from the artifacts `config` and `weights`."""
        from omegaconf import DictConfig, OmegaConf

        from hwsweep.build import build_model
        from hwsweep.checkpoint import load

        config = OmegaConf.load(context.artifacts["config"])
        assert isinstance(config, DictConfig)
        self.model = build_model(config)
        self.model.load_state_dict(load(context.artifacts["weights"])["model"])
        self.model.eval()

    @torch.no_grad()
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Everything the model's `outputs` gives: `mu`, `log_var`, `reconstruction`."""
        outputs = self.model.outputs({"image": torch.from_numpy(np.asarray(model_input))})
        return {name: values.numpy() for name, values in outputs.items()}


mlflow.models.set_model(ServedModel())
