"""Stroke skeletons of the Tibetan digits, and the splines through them.

A digit has one or more forms, which are ways to write it. The skeletons of a form correspond point for point, so a
mixture of two is a plausible digit as well. Every skeleton is equally likely. Points are `x,y`, y downwards, on any
grid (ink is scaled to a box); `|` lifts the pen. A point that occurs twice in a row is a corner; equal points move
together.

Below, each line is a skeleton; an empty line separates the forms of a digit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int64

BOX: Final = (24, 24, 24, 24, 20, 20, 20, 20, 20, 20)
"""Side of each digit's box of ink in a frame of 28 pixels; in TibetanMNIST, 0-3 are larger than 4-9."""

MAX_POINTS: Final = 14
"""Points of the longest skeleton."""

_TEXT = """\
༠
10,0 4,2 0,10 3,17 10,20 17,17 20,10 16,2 10,0
10,0 6,6 1,14 2,19 10,20 18,19 19,14 14,6 10,0
11,0 3,1 0,3 5,12 11,20 15,13 20,4 18,1 11,0
13,0 6,6 0,13 3,19 10,20 18,18 20,13 16,5 13,0
8,0 3,3 0,9 2,16 10,20 17,16 20,10 17,4 8,0
10,0 5,5 1,12 1,18 10,20 19,17 20,11 15,4 10,0
9,0 3,2 1,9 4,17 12,20 18,16 20,9 17,3 9,0

14,1 3,4 0,11 3,18 10,20 18,17 20,11 18,4 13,0
12,0 7,5 1,13 4,19 10,20 17,19 20,15 16,5 13,1

1,2 6,2 6,6 1,11 2,18 10,20 18,18 20,11 18,4 14,0
༡
0,9 2,5 8,1 15,0 20,3 18,9 14,15 8,20
1,9 3,3 9,1 19,0 20,3 17,9 14,15 11,20
2,9 2,4 8,0 15,1 20,6 17,13 10,18 0,20
0,11 4,5 10,1 16,0 19,3 17,8 13,14 9,20
0,13 4,6 9,1 15,0 20,4 18,10 13,16 6,20
0,12 4,5 9,1 15,0 20,3 19,9 16,15 12,20
0,10 5,4 11,1 17,0 20,4 17,11 10,17 1,20
1,10 3,4 9,0 17,2 20,8 19,13 17,17 15,20
0,8 4,2 11,0 17,0 19,4 15,10 9,16 3,20

1,9 4,2 9,3 14,3 20,0 | 15,3 15,9 12,15 3,20
༢
1,6 5,1 12,0 17,3 13,8 6,12 6,12 12,15 20,20
1,14 4,5 11,0 16,3 15,8 8,14 8,14 14,17 20,20
0,7 6,2 14,0 19,4 15,10 4,19 4,19 12,19 20,19
0,9 3,3 10,0 17,2 15,9 7,14 7,14 13,16 20,20
0,4 7,1 14,0 18,1 13,7 7,12 7,12 14,16 20,20
1,12 4,3 9,0 13,2 12,7 7,11 7,11 13,15 20,20
0,16 3,6 11,0 18,4 17,11 10,17 10,17 14,19 20,20
0,5 8,0 15,1 15,5 10,8 5,10 5,10 12,12 19,20
1,10 4,2 11,0 16,5 12,12 1,20 1,20 8,14 20,18
༣
0,9 6,3 12,0 14,3 10,8 4,12 4,12 10,10 14,11 11,14 8,16 8,16 14,17 20,20
1,4 7,1 14,0 14,3 9,6 5,9 5,9 11,8 14,9 12,12 6,15 6,15 13,17 20,20
1,14 4,5 11,0 14,4 11,8 6,11 6,11 12,10 15,12 13,14 9,17 9,17 14,18 19,20
2,5 9,1 16,0 15,4 10,7 7,10 7,10 13,8 17,9 15,12 11,14 11,14 18,14 19,20
1,5 8,1 14,0 12,3 8,6 5,9 5,9 11,8 14,10 10,14 3,18 3,18 11,18 20,19
0,11 5,4 10,0 12,2 10,6 7,10 7,10 12,8 14,9 13,11 10,13 10,13 15,14 20,20
1,6 10,1 19,0 18,4 13,8 9,11 9,11 13,11 15,12 13,14 10,16 10,16 15,17 18,20
2,2 8,0 14,1 12,3 7,5 3,7 3,7 9,7 12,9 8,11 1,13 1,13 12,13 20,20
0,17 4,6 8,0 10,3 9,8 8,12 8,12 11,10 13,11 12,13 11,15 11,15 15,16 20,20
༤
20,8 12,5 6,1 6,1 2,8 1,12 6,16 13,18 20,20
18,6 11,3 4,0 4,0 1,8 1,13 3,17 11,19 20,20
20,9 15,6 9,0 9,0 4,7 0,11 5,15 10,18 16,20
18,4 13,1 7,0 7,0 2,4 0,10 4,17 12,20 19,18
18,3 11,1 3,0 3,0 2,6 1,11 3,15 11,17 20,18
16,9 11,4 5,0 5,0 2,5 0,8 4,13 12,18 20,20
19,11 15,6 10,0 10,0 5,6 0,10 4,14 9,17 14,20

10,0 7,4 3,8 0,11 6,17 13,20 | 7,4 12,6 16,10 20,14
༥
5,0 2,6 0,12 6,13 12,12 17,10 | 18,0 17,10 17,20
2,0 1,8 1,15 7,17 13,13 17,8 | 19,0 18,10 18,20
8,0 4,6 0,12 6,13 12,12 15,12 | 20,0 16,10 11,20
1,0 0,8 3,17 9,20 15,15 17,8 | 18,0 18,9 19,20
3,1 1,7 1,13 6,15 12,13 16,9 | 17,0 17,10 19,20
2,0 0,10 4,19 10,20 15,16 17,10 | 18,0 17,8 16,17
6,0 3,6 0,14 4,17 10,16 14,11 | 20,0 18,10 16,20
2,2 4,7 6,12 9,13 13,12 16,9 | 17,0 17,10 17,20
༦
4,0 3,8 5,16 11,20 17,17 15,13 11,10 11,10 15,7 20,3
12,0 4,3 0,11 3,18 10,20 15,17 11,12 11,12 15,11 20,8
2,0 2,7 5,15 11,20 17,18 18,14 13,10 13,10 16,8 20,6
1,0 3,8 8,16 13,20 18,17 18,12 14,9 14,9 17,7 19,4
6,2 2,7 1,14 7,20 13,18 15,14 12,11 12,11 16,9 20,5
2,3 0,9 2,16 8,20 15,18 17,14 14,9 14,9 16,5 18,0
8,0 1,5 0,13 5,19 11,20 15,17 16,13 16,13 18,13 20,12
0,0 1,10 4,18 9,20 12,16 12,10 13,5 13,5 16,4 20,3
3,4 0,10 4,17 9,20 15,19 17,16 11,14 11,14 14,8 20,0
༧
0,8 4,5 7,8 5,14 6,19 12,17 17,10 20,0
1,3 6,0 9,4 6,11 5,19 12,14 17,7 20,1
0,12 5,8 8,11 7,18 11,18 14,10 15,4 20,0
1,4 7,1 10,5 5,13 5,19 13,19 19,13 18,1
0,12 6,8 9,11 3,17 7,20 15,17 19,9 17,0
1,7 4,2 8,4 8,13 10,20 14,14 17,7 20,0
0,3 7,1 10,6 3,13 1,19 10,20 17,18 18,3
0,16 4,10 8,9 9,17 11,17 14,10 17,5 20,0
0,8 6,6 8,9 5,17 8,20 16,15 20,7 15,0
༨
13,0 8,4 0,9 0,9 10,14 20,20
8,0 5,7 1,14 1,14 10,15 20,20
18,1 11,4 0,8 0,8 9,12 19,20
12,0 6,7 1,12 1,12 14,13 20,20

17,0 12,5 6,9 0,10 | 6,9 13,12 17,20
14,0 10,6 7,10 0,10 | 7,10 13,13 20,20

12,0 8,4 2,6 2,6 9,12 18,20
༩
0,20 1,11 6,2 14,0 20,4 16,9 11,12
2,20 1,10 6,2 12,0 20,2 16,8 12,10
7,20 1,14 1,6 7,0 17,1 18,6 12,9
0,20 4,11 9,3 15,0 20,3 18,9 13,13
1,20 2,12 6,4 13,0 20,5 19,8 15,10
0,20 3,11 9,4 14,0 19,1 20,6 16,10

0,20 1,10 5,1 11,1 14,7 12,11 20,11
9,20 2,13 1,5 7,0 14,3 13,9 20,9
18,20 8,16 0,7 3,1 11,2 13,8 20,7
2,20 2,10 5,0 13,0 18,4 12,11 20,12
4,20 1,12 4,3 9,0 13,4 15,10 20,8
12,20 6,15 0,8 5,1 12,1 17,6 20,12
"""

SKELETONS: Final[list[list[list[str]]]] = [
    [form.split("\n") for form in digit.strip().split("\n\n")] for digit in re.split("[༠-༩]", _TEXT)[1:]
]
"""Skeletons by digit and form."""


class Form(NamedTuple):
    """One way to write a digit."""

    skeletons: Float32[np.ndarray, "n_skeletons n_points 2"]
    """Pen points that fill the digit's box, in pixels."""
    twin: Int64[np.ndarray, " n_points"]
    """For each point, the first point with the same coordinates: both move together."""
    spline: Float32[np.ndarray, "n_samples n_points"]
    """Weights of the pen points in each sample of the path, stroke after stroke."""


@cache
def forms(digit: int, spacing: float) -> tuple[Form, ...]:
    """The forms of a digit; the path of the mean skeleton has a sample every `spacing` pixels."""
    return tuple(_form(skeletons, BOX[digit], spacing) for skeletons in SKELETONS[digit])


def _form(skeletons: Sequence[str], box: int, spacing: float) -> Form:
    lengths = [len(stroke.split()) for stroke in skeletons[0].split("|")]
    points = np.array([[point.split(",") for point in one.replace("|", " ").split()] for one in skeletons], float)
    low, high = points.min(1, keepdims=True), points.max(1, keepdims=True)
    points = box * (points - low) / (high - low)
    same = (points[:, :, None] == points[:, None]).all((0, -1))
    strokes = np.split(np.arange(points.shape[1]), np.cumsum(lengths)[:-1])
    identity = np.eye(points.shape[1])
    spline = [_catmull_rom(points[:, stroke].mean(0), spacing) @ identity[stroke] for stroke in strokes]
    return Form(points.astype(np.float32), same.argmax(1), np.concatenate(spline).astype(np.float32))


def _catmull_rom(points: Float[np.ndarray, "n 2"], spacing: float) -> Float[np.ndarray, "n_samples n"]:
    """Weights of the points in samples evenly spaced along the Catmull-Rom spline (1974) through them.

    A segment of zero length, between the two points of a corner, has no samples, so the corner stays sharp.
    """
    n, t = len(points), np.linspace(0, 1, 64, endpoint=False)[:, None]
    cubic = t ** np.arange(4) @ [[0, 1, 0, 0], [-0.5, 0, 0.5, 0], [1, -2.5, 2, -0.5], [-0.5, 1.5, -1.5, 0.5]]
    knots = np.eye(n)[np.r_[0, :n, n - 1]]  # the first and the last point count twice
    segments = [i for i in range(n - 1) if (points[i] != points[i + 1]).any()]
    dense = np.concatenate([cubic @ knots[i : i + 4] for i in segments] + [knots[-1:]])
    steps = np.linalg.norm(np.diff(dense @ points, axis=0), axis=1)
    length = np.r_[0, steps.cumsum()]
    positions = np.linspace(0, length[-1], math.ceil(length[-1] / spacing) + 1)
    return dense[np.searchsorted(length, positions)]
