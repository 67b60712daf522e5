"""Figures of a whole study: same contract as the figures of a run, but `info` takes the numbers of all its trials."""
