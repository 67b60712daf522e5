"""Figures of a search, drawn from a study's view: one file a figure.

As everywhere in `figures`, but that `info(view)` is None where there is nothing to show.

trials: names, colours and finite values, shared        scale: where a parameter's values stand on an axis
"""
