"""The feature spaces against scikit-learn's components and images with a planted label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from hwsweep.analysis.features import FeaturePlan, feature_network, features_of
from hwsweep.analysis.probe import neighbour_accuracy

PLAN = FeaturePlan(n_features=7, n_steps=80, batch_size=50, learning_rate=1e-2, seed=3)


def labelled(n: int, seed: int) -> dict[str, torch.Tensor]:
    """Noise in which one bright column, in a random row, gives the label: pixels of neighbours do not show it."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 200, (n, 1, 9, 11), generator=generator, dtype=torch.uint8)
    label = torch.arange(n) % 3
    image[torch.arange(n), 0, torch.randint(0, 9, (n,), generator=generator), 1 + 4 * label] = 255
    image[torch.arange(n), 0, :, 1 + 4 * label] |= 64
    return {"image": image, "label": label}


def test_classifier_features_separate_the_labels_of_new_images() -> None:
    train, valid, test = labelled(600, 0), labelled(150, 1), labelled(150, 2)
    network = feature_network(train, PLAN, "digest")
    codes, test_codes = features_of(network, valid["image"]), features_of(network, test["image"])
    assert codes.shape == (150, 7)
    # chance is 1/3; features of an untrained network reach about 0.4
    assert neighbour_accuracy(codes, valid["label"], test_codes, test["label"], 5) > 0.9


def test_without_labels_features_are_the_leading_principal_components() -> None:
    generator = torch.Generator().manual_seed(0)
    falling = torch.randn(301, 40, generator=generator) * 0.5 ** torch.arange(40)
    image = (128 + 60 * falling).clamp(0, 255).to(torch.uint8).reshape(301, 2, 4, 5)
    network = feature_network({"image": image}, PLAN, "digest")
    found = features_of(network, image).double().numpy()
    expected = PCA(7, svd_solver="full").fit_transform(image.flatten(1).double().numpy())
    expected /= np.sqrt(expected.var(0).sum())
    np.testing.assert_allclose(found.std(0)[:4], expected.std(0)[:4], rtol=1e-2)
    for column in range(4):
        assert abs(np.corrcoef(found[:, column], expected[:, column])[0, 1]) > 0.99


@pytest.mark.parametrize("names", [["image", "label"], ["image"]])
def test_variances_of_features_sum_to_one_on_training_images(names: list[str]) -> None:
    train = {name: labelled(60, 0)[name] for name in names}
    found = features_of(feature_network(train, PLAN, "digest"), train["image"])
    assert float(found.var(0, correction=0).sum()) == pytest.approx(1, rel=1e-4)


@pytest.mark.slow
def test_bytes_and_intensities_have_the_same_features() -> None:
    train = labelled(60, 0)
    network = feature_network(train, PLAN, "digest")
    torch.testing.assert_close(
        features_of(network, train["image"]), features_of(network, train["image"].float() / 255), atol=1e-5, rtol=1e-5
    )


def test_features_are_made_once_for_each_data_set_and_plan() -> None:
    train = labelled(60, 0)
    first = features_of(feature_network(train, PLAN, "digest"), train["image"])
    other = {"image": train["image"].flip(0), "label": train["label"]}  # a file of the same data is read, not made
    again = features_of(feature_network(other, PLAN, "digest"), train["image"])
    torch.testing.assert_close(again, first, rtol=0, atol=0)
    for network in (feature_network(other, PLAN, "another"), feature_network(train, replace(PLAN, seed=4), "digest")):
        assert not torch.allclose(features_of(network, train["image"]), first)


def test_making_features_leaves_the_global_noise_alone_and_repeats() -> None:
    train = labelled(60, 0)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = features_of(feature_network(train, PLAN, "one"), train["image"])
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    other = features_of(feature_network(train, PLAN, "other"), train["image"])
    torch.testing.assert_close(one, other, rtol=0, atol=0)
