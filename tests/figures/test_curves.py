from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from hwsweep.figures import Trained, curves, drawing

ROWS = [
    {"epoch": 1.0, "train/distortion": 90.0, "train/rate": 1.0, "train/loss": 93.0, "train/neg_elbo": 91.0}
    | {"valid/distortion": 80.0, "valid/rate": 2.0, "valid/loss": 86.0, "time/epoch": 5.0},
    {"epoch": 2.0, "train/distortion": 70.0, "train/rate": 4.0, "train/loss": 82.0, "train/neg_elbo": 74.0}
    | {"valid/distortion": 60.0, "valid/rate": 5.0, "valid/loss": 75.0, "time/epoch": 5.0},
]


def drawn(info):
    axes = list(Figure().subplots(1, curves.PANELS))
    with drawing.style():
        curves.draw(info, axes)
    return axes


def with_rates(*rates):
    other = np.full(len(rates), 100.0)
    values = np.array([other, rates, other])
    return curves.CurvesInfo("lambda = 0", np.arange(1.0, len(rates) + 1), values, values)


def test_info_holds_distortion_rate_and_loss_of_every_epoch():
    info = curves.info(Trained(None, {}, ROWS, "lambda = 3"))
    assert info.epoch.tolist() == [1, 2]
    assert info.train.tolist() == [[90, 70], [1, 4], [93, 82]]
    assert info.valid.tolist() == [[80, 60], [2, 5], [86, 75]]


def test_a_history_without_a_quantity_is_refused_by_its_name():
    with pytest.raises(KeyError, match="train/distortion"):
        curves.info(Trained(None, {}, [{"epoch": 1.0}], "lambda = 3"))


def test_each_panel_shows_both_splits_of_its_quantity_with_the_unit():
    axes = drawn(curves.info(Trained(None, {}, ROWS, "lambda = 3")))
    lines = [{line.get_label(): line.get_xydata().tolist() for line in axis.lines} for axis in axes]
    assert lines == [
        {"train": [[1, 90], [2, 70]], "valid": [[1, 80], [2, 60]]},
        {"train": [[1, 1], [2, 4]], "valid": [[1, 2], [2, 5]]},
        {"train": [[1, 93], [2, 82]], "valid": [[1, 86], [2, 75]]},
    ]
    labels = [axis.get_ylabel().split("\n") for axis in axes]
    assert labels == [[name, "(nats per image)"] for name in ("distortion", "rate", "total loss")]
    assert [axis.get_xlabel() for axis in axes] == ["epoch"] * 3
    assert axes[0].get_title(loc="left") == "lambda = 3"


def test_one_epoch_is_a_visible_mark_at_a_whole_epoch():
    for axis in drawn(with_rates(3.0)):
        assert all(line.get_marker() == "o" for line in axis.lines)
        low, high = axis.get_xlim()
        assert [tick for tick in axis.get_xticks() if low <= tick <= high] == [1]


def test_rounding_noise_in_a_collapsed_rate_looks_like_zero():
    bottom, top = drawn(with_rates(3e-7, 1e-7, 2e-7))[1].get_ylim()
    assert bottom <= 0
    assert top >= 0.1


@pytest.mark.parametrize(("rates", "scale"), [((20.0, 30.0, 32.0), "linear"), ((1e6, 450.0, 451.0), "symlog")])
def test_only_a_rate_that_dwarfs_the_others_makes_the_axis_logarithmic(rates, scale):
    axis = drawn(with_rates(*rates))[1]
    assert axis.get_yscale() == scale
    bottom, top = axis.get_ylim()
    assert bottom <= 0 < max(rates) < top


@pytest.mark.parametrize("rates", [(np.inf, 5.0), (np.nan, np.nan)])
def test_an_epoch_without_a_finite_rate_is_left_out(rates, tmp_path):
    drawing.save(curves, with_rates(*rates), tmp_path / "curves.png")
    assert np.isfinite(drawn(with_rates(*rates))[1].get_ylim()).all()
