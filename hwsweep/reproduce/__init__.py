"""Train a run again from what MLflow keeps of it, and compare."""
