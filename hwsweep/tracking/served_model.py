"""A trained model as MLflow serves it: rebuilt from its config and weights, nothing is unpickled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch
from mlflow.pyfunc.model import PythonModelContext

from hwsweep.tracking.mlflow_internals import UntypedPythonModel


class ServedModel(UntypedPythonModel):
    """Images (n, c, h, w), uint8 -> latent codes and reconstructions; raw texts -> labels and probabilities."""

    def load_context(self, context: PythonModelContext) -> None:
        """Rebuild the model from the artifacts `config`, `weights` and, of texts, `lexicon`."""
        from omegaconf import DictConfig, OmegaConf

        from hwsweep.components import load_model
        from hwsweep.data import Lexicon
        from hwsweep.hydra_versions import instantiate

        config = OmegaConf.load(context.artifacts["config"])
        assert isinstance(config, DictConfig)
        self.lexicon: Lexicon | None = None
        if (path := context.artifacts.get("lexicon")) is not None:
            self.lexicon = Lexicon.from_json(Path(path).read_text(encoding="utf-8"))
            self.tokenize = instantiate(config.dataset.tokenizer)
        self.model = load_model(config, Path(context.artifacts["weights"]), self.lexicon)

    @torch.no_grad()
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """`mu`, `log_var` and `reconstruction` of images; `label` and one column a class [probability] of texts."""
        if self.lexicon is None:
            outputs = self.model.outputs({"image": torch.from_numpy(np.asarray(model_input))})
            return {name: values.numpy() for name, values in outputs.items()}
        return self._classify([str(text) for text in np.asarray(model_input).ravel()])

    def _classify(self, texts: Sequence[str]) -> Any:
        import pandas as pd

        from hwsweep.data.texts.tokens import encode

        assert self.lexicon is not None
        probability = self.model.outputs(encode(texts, self.tokenize, self.lexicon))["probability"]
        classes = list(self.lexicon.classes)
        table = pd.DataFrame(probability.numpy(), columns=classes)
        table.insert(0, "label", [classes[label] for label in probability.argmax(1)])
        return table


mlflow.models.set_model(ServedModel())
