"""Figures of a run that is one model, or one training, at many lambdas."""
