"""The figures that every search has: Optuna's, as pictures for a printer and as charts for a browser."""
