from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from hwsweep.figures import Trained, drawing, reliability

BINS = {
    "calibration_n_texts": np.array([0.0, 1.0, 3.0]),
    "calibration_confidence": np.array([np.nan, 0.5, 0.9]),
    "calibration_accuracy": np.array([np.nan, 1.0, 2 / 3]),
}
RUN = Trained(None, {}, [], "3 heads", None, BINS)


def test_info_holds_the_bins_of_the_analysis_and_their_error():
    info = reliability.info(RUN)
    np.testing.assert_array_equal(info.n_texts, [0, 1, 3])
    np.testing.assert_array_equal(info.accuracy, [np.nan, 1, 2 / 3])
    assert info.error == pytest.approx((0.5 + 3 * (0.9 - 2 / 3)) / 4)


def test_bars_stand_over_their_bins_and_the_title_tells_the_error(tmp_path):
    gaps, histogram = axes = list(Figure().subplots(1, reliability.PANELS))
    with drawing.style():
        reliability.draw(reliability.info(RUN), axes)
    bars = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in gaps.patches]
    assert bars == [pytest.approx((1 / 3, 1 / 3, 1)), pytest.approx((2 / 3, 1 / 3, 2 / 3))]
    assert [bar.get_height() for bar in histogram.patches] == [0, 0.25, 0.75]
    assert gaps.get_title(loc="left") == "3 heads: calibration error (ECE) 0.300"
    drawing.save(reliability, reliability.info(RUN), tmp_path / "reliability.png")
