"""The code that MLflow copies into each logged model: it needs one name of hwsweep, so that later versions load it."""

import mlflow

from hwsweep.tracking.served_model import ServedModel

mlflow.models.set_model(ServedModel())
