"""The methods by name, in the order of tables and figures."""

from __future__ import annotations

from functools import partial

from hwsweep.analysis.attributions import Attribution
from hwsweep.analysis.attributions.attention import attention
from hwsweep.analysis.attributions.gradient_x_input import gradient_x_input
from hwsweep.analysis.attributions.integrated_gradients import integrated_gradients
from hwsweep.analysis.attributions.leave_one_out import leave_one_out
from hwsweep.analysis.attributions.rollout import rollout


def methods(steps: int) -> dict[str, Attribution]:
    """All methods by the name that metric keys have; `steps` is of integrated gradients."""
    return {
        "attention": attention,
        "rollout": rollout,
        "gradient_x_input": gradient_x_input,
        "integrated_gradients": partial(integrated_gradients, steps=steps),
        "leave_one_out": leave_one_out,
    }
