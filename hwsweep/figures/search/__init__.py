"""Figures of a search: one file a figure, drawn from a study's view.

A module has the names that figures/__init__.py lists, with two differences:

* `info(view)` takes a `StudyView`, and is None where the study has nothing to show;
* `summary(info) -> str`: the numbers in the figure, for readers who cannot see it.

trials: names, colours and finite values        scale: the position of a parameter's values on an axis
"""

FIGURES = ("history", "importances", "slices", "contour", "parallel", "timeline", "pareto", "intermediate")
"""The modules, in the order of the page."""
