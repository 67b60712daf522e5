"""Train a run again from its record in MLflow, and compare."""
