"""Each rule of the verdict at both sides of its limit, and every sentence word by word."""

from __future__ import annotations

import pytest

from hwsweep.analysis.vae_verdict import FAR, SILENT, verdict

HEALTHY = {
    "test/active_units": 20.0,
    "test/rate": 30.16,
    "test/distortion": 115.13,
    "test/mean_image_distortion": 316.5,
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
                "all 20 latents are active and the aggregate posterior is near the prior (0.08 nats per latent); rate "
                "30.16 nats, mutual information 6.91 nats (the largest value that this split can show), distortion "
                "115.1 nats"
            ),
        ),
        (
            COLLAPSED,
            "collapsed",
            (
                "q(z|x) equals the prior for every image and the decoder ignores z: 0 of 20 latents active, rate 0.00 "
                "nats, mutual information 0.00 nats; reconstructions differ 0.1% as much as the images do"
            ),
        ),
        (
            COLLAPSED | {"test/rate": 8.0, "test/gaussian_kl": 8.0},
            "collapsed",
            (
                "q(z|x) is the same for every image but differs from the prior, so z carries no information: 0 of 20 "
                "latents active, rate 8.00 nats, mutual information 0.00 nats; reconstructions differ 0.1% as much as "
                "the images do"
            ),
        ),
        (
            {"test/active_units": 3.0, "test/rate": 0.75, "test/mutual_information": 0.68}
            | {"test/distortion": 284.6, "test/gaussian_kl": 0.02},
            "partly collapsed (17 of 20 latents)",
            (
                "q(z|x) equals the prior in 17 latents; rate 0.75 nats, mutual information 0.68 nats (of at most 6.91 "
                "that this split can show), distortion 284.6 nats"
            ),
        ),
        (
            {"test/gaussian_kl": 267.9, "test/code_variance": 23.46, "test/rate": 383.0, "test/distortion": 100.2},
            "unregularised",
            (
                "the aggregate posterior is far from the prior (mean variance 23 instead of 1, KL at least 267.9 nats);"
                " the distortion is 100.2 nats, but the decoder was not trained where the prior samples z, so its "
                "samples do not look like images"
            ),
        ),
        (
            {"test/distortion": 550.0},
            "untrained",
            (
                "the model does not reconstruct: its distortion is 550 nats, and that of the mean training image 316.5 "
                "nats; train longer, or change `optimizer.lr`"
            ),
        ),
    ],
)
def test_the_sentence_names_what_happened_and_gives_the_numbers(change: dict[str, float], label: str, why: str) -> None:
    found = verdict(HEALTHY | change, 20)
    assert found == (label, f"{label}: {why}")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"test/gaussian_kl": 0.999 * FAR * 20}, "healthy"),
        ({"test/gaussian_kl": 1.001 * FAR * 20}, "unregularised"),
        ({"test/active_units": 19.0}, "partly collapsed"),
        ({"test/active_units": 1.0, "test/gaussian_kl": 0.999 * FAR}, "partly collapsed"),
        ({"test/active_units": 1.0, "test/gaussian_kl": 1.001 * FAR}, "unregularised"),  # each active one counts
        ({"test/distortion": 316.4}, "healthy"),
        ({"test/distortion": 316.5}, "untrained"),
        ({"test/distortion": 316.5, "test/active_units": 3.0}, "untrained"),
        ({"test/distortion": 316.5, "test/gaussian_kl": 80.0}, "untrained"),
        # faint latents near the prior count as unused; latent codes on a tiny scale are far from it but identify images
        (COLLAPSED | {"test/mutual_information": 1.01 * SILENT, "test/gaussian_kl": 0.3}, "collapsed"),
        (COLLAPSED | {"test/mutual_information": 6.9, "test/gaussian_kl": 80.0}, "unregularised"),
    ],
)
def test_each_rule_holds_up_to_its_limit(change: dict[str, float], name: str) -> None:
    assert verdict(HEALTHY | change, 20).label.partition(" (")[0] == name
