"""MLflow, all of it: the only package that imports mlflow."""
