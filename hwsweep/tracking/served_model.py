"""A trained model as MLflow serves it: rebuilt from its config and weights, nothing is unpickled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mlflow.pyfunc.model import PythonModelContext

from hwsweep.analysis.all_lambda.contract import EveryLambda
from hwsweep.tracking.mlflow_internals import UntypedPythonModel

if TYPE_CHECKING:
    from hwsweep.analysis.attributions import Attribution
    from hwsweep.models import Batch

STEPS = 32
"""Points of the line of integrated gradients."""


class ServedModel(UntypedPythonModel):
    """Images (n, c, h, w), uint8 -> latent codes and reconstructions; raw texts -> labels and probabilities.

    `params={"attributions": "integrated_gradients"}`, or the name of another method, adds to each text its tokens and
    how much each counts for the label. `params={"lambda": 3}` chooses the lambda of a model for every lambda.
    """

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
        """`mu`, `log_var` and `reconstruction` of images; `label` and one column a class [probability] of texts.

        With attributions also `tokens` and `attributions`: two lists per text, of the same length.

        Raises:
            ValueError: there is no such method, or the model was not trained for this lambda.
        """
        if self.lexicon is None:
            model = self.model
            if isinstance(model, EveryLambda):
                model = model.at(float((params or {}).get("lambda", model.kl_weight)))
            outputs = model.outputs({"image": torch.from_numpy(np.asarray(model_input))})
            return {name: values.numpy() for name, values in outputs.items()}
        texts = [str(text) for text in np.asarray(model_input).ravel()]
        return self._classify(texts, (params or {}).get("attributions", "none"))

    def _classify(self, texts: Sequence[str], method: str) -> Any:
        import pandas as pd

        from hwsweep.analysis.attributions.methods import methods
        from hwsweep.argument_checks import check_choice
        from hwsweep.data.texts.tokens import encode

        assert self.lexicon is not None
        attributions = methods(STEPS)
        check_choice("attributions", method, ("none", *attributions))
        batch = encode(texts, self.tokenize, self.lexicon)
        probability = self.model.outputs(batch)["probability"]
        classes = list(self.lexicon.classes)
        table = pd.DataFrame(probability.numpy(), columns=classes)
        table.insert(0, "label", [classes[label] for label in probability.argmax(1)])
        if method != "none":
            attributed = self._attribute(texts, batch, probability.argmax(1), attributions[method])
            table["tokens"], table["attributions"] = attributed
        return table

    def _attribute(
        self, texts: Sequence[str], batch: Batch, label: torch.Tensor, attribution: Attribution
    ) -> tuple[list[list[str]], list[list[float]]]:
        """Per text the tokens that the model reads, in the text's spelling, and how much each counts for the label."""
        from hwsweep.models.transformer import Transformer

        assert self.lexicon is not None and isinstance(self.model, Transformer)
        tokens, scores = [], []
        for row, text in enumerate(texts):  # one by one: a gradient needs the memory of all layers
            one = {name: values[row : row + 1] for name, values in batch.items()}
            tokens.append(self.tokenize(text)[: self.lexicon.max_length] or ["<unk>"])
            scores.append(attribution(self.model, one, label[row : row + 1])[0, : len(tokens[row])].tolist())
        return tokens, scores
