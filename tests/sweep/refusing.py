"""The check of a point that `hydra.sweeper.check` names in these tests."""

from __future__ import annotations

from typing import Any


class Impossible(Exception):
    failure_reason = "invalid-config"


def check(config: Any, least: int) -> None:
    if config.x == 13:
        raise RuntimeError("the check itself is broken")
    if config.x < least or config.shape.size == 100:
        raise Impossible(f"x must be at least {least} and round, but got {config.x}")
