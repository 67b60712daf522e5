"""A model that is a VAE for every lambda of a range: the contract, which its analysis, figures and pages use."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from hwsweep.models.vae import VAE


@runtime_checkable
class EveryLambda(Protocol):
    """One network that is an ordinary VAE at each lambda."""

    @property
    def latent(self) -> int:
        """The number of latents."""
        ...

    @property
    def lambda_range(self) -> tuple[float, float]:
        """The smallest and the largest lambda."""
        ...

    @property
    def kl_weight(self) -> float:
        """The reference lambda: that of `outputs` and of the metrics of a run."""
        ...

    def at(self, kl_weight: float) -> VAE:
        """The ordinary VAE of this lambda, in evaluation mode.

        Raises:
            ValueError: it is out of the range.
        """
        ...
