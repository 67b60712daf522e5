"""Measurements of a text classifier: metrics, calibration, the baseline, the verdict."""
