"""Each rule of the verdict at both sides of its limit, and the sentences over a table of corner cases."""

from __future__ import annotations

import re

import pytest

from hwsweep.analysis.vae_verdict import FAR, FEW_IMAGES, LITTLE, LITTLE_PER_LATENT, SILENT, TOLERANCE, verdict

HEALTHY = {
    "test/images": 1000.0,
    "test/active_units": 20.0,
    "test/rate": 30.16,
    "test/distortion": 115.13,
    "test/mean_image_distortion": 316.5,
    "test/exact_distortion": 56.5,
    "test/mutual_information": 6.9068,
    "test/mutual_information_error": 0.001,
    "test/mutual_information_cap": 6.9078,
    "test/gaussian_kl": 1.57,
    "test/code_variance": 1.38,
    "test/reconstruction_spread": 0.89,
    "test/permuted_distortion": 790.0,
    "test/decoder_spread": 0.73,
    "test/log_likelihood_spread": 155.0,
    "test/frechet": 0.14,
    "test/precision": 0.69,
    "test/recall": 0.80,
}
COLLAPSED = HEALTHY | {
    "test/active_units": 0.0,
    "test/rate": 0.0037,
    "test/distortion": 317.0,
    "test/mutual_information": -0.001,
    "test/gaussian_kl": 0.001,
    "test/permuted_distortion": 0.01,
    "test/decoder_spread": 0.058,
    "test/log_likelihood_spread": 7.2,
}
REFINED = {
    "test/refined_distortion": 130.0,
    "test/refined_mutual_information": 5.2,
    "test/refined_mutual_information_error": 0.01,
    "test/amortisation_gap": 150.0,
    "test/amortisation_gap_error": 3.0,
}
DEAF = {"test/permuted_distortion": -0.02, "test/log_likelihood_spread": 0.01, "test/decoder_spread": 0.001}
LIMIT = 316.5 + TOLERANCE * (316.5 - 56.5)
ONE_IMAGE = {
    "test/images": 1.0,
    "test/rate": 30.0,
    "test/distortion": 115.1,
    "test/mean_image_distortion": 316.5,
    "test/exact_distortion": 56.5,
}


@pytest.mark.parametrize(
    ("metrics", "name"),
    [
        (HEALTHY, "healthy"),
        (HEALTHY | {"test/gaussian_kl": 0.999 * FAR * 20}, "healthy"),
        (HEALTHY | {"test/gaussian_kl": 1.001 * FAR * 20}, "unregularised"),
        (HEALTHY | {"test/active_units": 19.0}, "partly collapsed"),
        (HEALTHY | {"test/active_units": 1.0, "test/gaussian_kl": 1.001 * FAR}, "unregularised"),  # each active counts
        (HEALTHY | {"test/distortion": 316.4}, "healthy"),
        (HEALTHY | {"test/distortion": 316.6}, "untrained"),
        (HEALTHY | {"test/distortion": 316.6, "test/gaussian_kl": 80.0}, "untrained"),
        (COLLAPSED, "collapsed"),
        (COLLAPSED | {"test/distortion": LIMIT - 0.1}, "collapsed"),
        (COLLAPSED | {"test/distortion": LIMIT + 0.1}, "untrained"),
        (COLLAPSED | {"test/rate": 10.0, "test/gaussian_kl": 10.0}, "collapsed"),  # q(z|x) is constant, not the prior
        (COLLAPSED | {"test/active_units": 1.0, "test/mutual_information": 0.01}, "nearly collapsed"),
        (COLLAPSED | {"test/mutual_information": 1.01 * SILENT}, "nearly collapsed"),
        (
            COLLAPSED | {"test/mutual_information": 6.9, "test/gaussian_kl": 80.0, "test/distortion": 9.0},
            "unregularised",
        ),  # on a tiny scale
        # kl=delta: a committed rate is not information
        (HEALTHY | {"test/rate": 10.0, "test/mutual_information": 0.97}, "nearly collapsed"),
        (HEALTHY | {"test/mutual_information": 0.99 * LITTLE_PER_LATENT * 20}, "nearly collapsed"),
        (HEALTHY | {"test/rate": 2.5, "test/mutual_information": 1.01 * LITTLE_PER_LATENT * 20}, "healthy"),
        (HEALTHY | {"test/active_units": 5.0, "test/mutual_information": 0.99 * LITTLE}, "nearly collapsed"),
        (
            HEALTHY | {"test/active_units": 5.0, "test/rate": 1.5, "test/mutual_information": 1.01 * LITTLE},
            "partly collapsed",
        ),
        # rate = information + KL(q(z) || p(z))
        (HEALTHY | {"test/rate": 6.2, "test/mutual_information": 3.14}, "healthy"),
        (HEALTHY | {"test/rate": 6.3, "test/mutual_information": 3.14}, "unregularised"),
        # half of what 5 test images can show is not little, but they are too few
        (HEALTHY | {"test/images": 5.0, "test/mutual_information_cap": 1.6}, "undecided"),
        (HEALTHY | {"test/images": FEW_IMAGES, "test/mutual_information_cap": 2.3}, "healthy"),
        (HEALTHY | DEAF | {"test/distortion": 316.9}, "disconnected"),
        (HEALTHY | DEAF | {"test/permuted_distortion": 5.0}, "healthy"),
        (COLLAPSED | DEAF, "collapsed"),
        (COLLAPSED | REFINED, "lagging"),
        (COLLAPSED | REFINED | {"test/distortion": 620.0}, "lagging"),
        (COLLAPSED | REFINED | {"test/amortisation_gap": 5.9}, "collapsed"),
        (COLLAPSED | REFINED | {"test/refined_mutual_information": 0.9 * LITTLE}, "collapsed"),
        (COLLAPSED | REFINED | {"test/distortion": 550.0, "test/refined_distortion": 545.0}, "untrained"),
        (HEALTHY | REFINED, "healthy"),
        (ONE_IMAGE, "undecided"),
        (ONE_IMAGE | {"test/rate": 0.01, "test/distortion": 317.0}, "collapsed"),
    ],
)
def test_each_rule_holds_up_to_its_limit(metrics: dict[str, float], name: str) -> None:
    found = verdict(metrics, 20)
    assert found.label.partition(" (")[0] == name
    assert found.sentence.startswith(f"{found.label}: ")
    assert not re.search(r"-0\.0+\b|information -|\b1 latents|\bnan\b", found.sentence)


@pytest.mark.parametrize(
    ("metrics", "latents", "words"),
    [
        ({}, 20, "all 20 latents are active and"),
        ({"test/active_units": 1.0, "test/gaussian_kl": 0.1}, 1, "the only latent is active and"),
        ({"test/active_units": 2.0, "test/gaussian_kl": 0.1}, 2, "both latents are active and"),
        ({"test/active_units": 1.0, "test/gaussian_kl": 0.1}, 20,
         "1 of 20 latents is active, and the mean of q(z|x) hardly varies in the other 19; mutual"),
        ({"test/active_units": 19.0}, 20,
         "19 of 20 latents are active, and the mean of q(z|x) hardly varies in the other one; mutual"),
        ({}, 20, "mutual information 6.91 ± 0.00 nats (the largest value that this split can show)"),
        ({"test/distortion": -676.2, "test/mean_image_distortion": -422.0, "test/exact_distortion": -1047.0}, 20,
         "distortion -676.2 nats (-422.0 for the mean training image; below 0, as -ln of a density can be)"),
        ({"test/gaussian_kl": 80.0}, 20, "samples from the prior: Fréchet distance 0.14, precision 0.69, recall 0.80"),
        ({"test/rate": 10.0, "test/mutual_information": 0.97}, 20,
         "rate 10.00 nats; most of the rate is the distance of the aggregate posterior from the prior"),
        (COLLAPSED, 20, "collapsed: q(z|x) is the prior for every image: none of the 20 latents is active, rate 0.00 "
         "nats, mutual information 0.00 ± 0.00 nats (of at most 6.91 that this split can show); the decoder does "
         "not ignore z (ln p(x|z) varies by 7.20 nats over z from the prior, and its images differ 5.8% as much as the "
         "test images do); distortion 317.0 nats (316.5 for the mean training image)"),
        (COLLAPSED | DEAF, 2, "neither latent is active, rate"),
        (COLLAPSED | DEAF, 1, "the decoder ignores z (ln p(x|z) varies by 0.01 nats over z from the prior)"),
        (COLLAPSED | {"test/rate": 8.0}, 20, "q(z|x) is the same for every image, though not the prior"),
        (DEAF | {"test/distortion": 316.0}, 20, "permuted codes change the distortion by -0.02 nats"),
        (COLLAPSED | REFINED, 20, "a posterior refined per image carries 5.20 ± 0.01 nats"),
        ({"test/images": 5.0}, 20, "5 test images do not show how the posterior differs between images"),
    ],
)  # fmt: skip
def test_the_sentence_is_grammatical_and_gives_the_numbers(metrics: dict[str, float], latents: int, words: str) -> None:
    assert words in verdict(HEALTHY | metrics, latents).sentence
