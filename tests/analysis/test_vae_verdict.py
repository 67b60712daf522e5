"""Each rule of the verdict at both sides of its limit, and every sentence word by word."""

from __future__ import annotations

import pytest

from hwsweep.analysis.vae_verdict import FAR, SILENT, verdict

HEALTHY = {
    "test/active_units": 20.0,
    "test/rate": 30.16,
    "test/distortion": 115.13,
    "test/mutual_information": 6.9068,
    "test/mutual_information_cap": 6.9078,
    "test/gaussian_kl": 1.57,
    "test/code_variance": 1.38,
    "test/reconstruction_spread": 0.89,
}
COLLAPSED = HEALTHY | {
    "test/active_units": 0.0,
    "test/rate": 0.0037,
    "test/distortion": 315.7,
    "test/mutual_information": -0.001,
    "test/gaussian_kl": 0.001,
    "test/reconstruction_spread": 0.0015,
}


@pytest.mark.parametrize(
    ("change", "label", "why"),
    [
        (
            {},
            "healthy",
            (
                "all 20 latents are active and the codes together lie near the prior (0.08 nats per latent from it); "
                "they carry the rate of 30.16 nats (mutual information 6.91, all that the split can show) at a "
                "distortion of 115.1 nats"
            ),
        ),
        (
            COLLAPSED,
            "collapsed",
            (
                "q(z|x) has become the prior and the decoder ignores z: 0 of 20 latents active, rate 0.00 and mutual "
                "information 0.00 nats; reconstructions differ 0.1% as much as the images do"
            ),
        ),
        (
            COLLAPSED | {"test/rate": 8.0, "test/gaussian_kl": 8.0},
            "collapsed",
            (
                "q(z|x) is the same for every image, though not the prior, so z tells the decoder nothing: 0 of 20 "
                "latents active, rate 8.00 and mutual information 0.00 nats; reconstructions differ 0.1% as much as "
                "the images do"
            ),
        ),
        (
            {"test/active_units": 3.0, "test/rate": 0.75, "test/mutual_information": 0.68}
            | {"test/distortion": 284.6, "test/gaussian_kl": 0.02},
            "partly collapsed (17 of 20 latents)",
            (
                "17 latents have become the prior for every image; the 3 left carry the rate of 0.75 nats (mutual "
                "information 0.68, of at most 6.91 that the split can show) at a distortion of 284.6 nats"
            ),
        ),
        (
            {"test/gaussian_kl": 267.9, "test/code_variance": 23.46, "test/rate": 383.0, "test/distortion": 100.2},
            "unregularised",
            (
                "the codes have left the prior (mean variance 23 where the prior has 1, 267.9 nats or more from it), "
                "so images are reconstructed, at a distortion of 100.2 nats, but codes drawn from the prior lie where"
                " the decoder was not trained: samples fail"
            ),
        ),
    ],
)
def test_the_sentence_names_what_happened_and_gives_the_numbers(change: dict[str, float], label: str, why: str) -> None:
    found = verdict(HEALTHY | change, 20)
    assert found.label == label
    assert found.label.startswith(found.name)
    assert found.sentence == f"{label}: {why}"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"test/gaussian_kl": 0.999 * FAR * 20}, "healthy"),
        ({"test/gaussian_kl": 1.001 * FAR * 20}, "unregularised"),
        ({"test/active_units": 19.0}, "partly collapsed"),
        ({"test/active_units": 1.0, "test/gaussian_kl": 0.999 * FAR}, "partly collapsed"),
        ({"test/active_units": 1.0, "test/gaussian_kl": 1.001 * FAR}, "unregularised"),  # each active one counts
        # many faint latents near the prior are none in use; codes on a tiny scale are far from it and tell all
        (COLLAPSED | {"test/mutual_information": 1.01 * SILENT, "test/gaussian_kl": 0.3}, "collapsed"),
        (COLLAPSED | {"test/mutual_information": 6.9, "test/gaussian_kl": 80.0}, "unregularised"),
    ],
)
def test_each_rule_holds_up_to_its_limit(change: dict[str, float], name: str) -> None:
    assert verdict(HEALTHY | change, 20).name == name
