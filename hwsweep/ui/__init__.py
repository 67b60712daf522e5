"""MLflow's web page on the right store."""
