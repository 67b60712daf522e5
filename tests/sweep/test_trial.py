"""What a training program sees of its trial."""

from __future__ import annotations

import pytest

from hwsweep.sweep.trial import Trial, Value


def trial(params: dict[str, Value]) -> Trial:
    return Trial("study", 0, params, lambda value, step: None, lambda: False)


@pytest.mark.parametrize(
    ("params", "name", "numbers"),
    [
        ({"vae.lambda": 10, "seed": 1}, "lambda=10, seed=1", {"vae.lambda": 10, "seed": 1}),
        ({"a.dropout": 0.5, "b.dropout": 0.1}, "a.dropout=0.5, b.dropout=0.1", {"a.dropout": 0.5, "b.dropout": 0.1}),
        ({"model": "vae", "fused": True}, "model=vae, fused=True", {}),
        ({}, "", {}),
    ],
)
def test_a_trial_is_named_by_its_swept_values(params: dict[str, Value], name: str, numbers: dict[str, float]) -> None:
    assert trial(params).name == name
    assert trial(params).numbers == numbers
