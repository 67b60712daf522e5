"""Images that torchvision reads: MNIST and its relatives."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep.data import DataError, Shapes, Splits
from hwsweep.data.locations import EMBEDDED, Stock, located, missing
from hwsweep.data.splitting import check_share, partition

if TYPE_CHECKING:
    from torchvision.datasets import MNIST


class TorchvisionImages:
    """MNIST, FashionMNIST or KMNIST: grey 28x28 images, labels 0-9; the official test split stays the test split."""

    def __init__(self, name: str, source: str, path: str, variant: str, valid: int | float) -> None:
        check_share("valid", valid)
        if variant not in ("MNIST", "FashionMNIST", "KMNIST"):
            raise ValueError(f"`dataset.variant` must be MNIST, FashionMNIST or KMNIST, but got {variant}")
        self.name, self.source, self.variant, self.valid = name, source, variant, valid
        self.root = located(path)
        self.where = self.root / variant
        self.way_to_get = f"python -m hwsweep.data fetch {name}"

    @property
    def shapes(self) -> Shapes:
        """Shape of one image: (1, 28, 28)."""
        return {"image": (1, 28, 28)}

    def splits(self, seed: int) -> Splits:
        """Validation examples drawn from the official training split, the same for the same seed."""
        if not self.where.exists():
            raise missing(self.name, self.where, self.way_to_get)
        try:
            train, test = (self._torchvision()(self.root, train=train) for train in (True, False))
        except (RuntimeError, OSError, ValueError, AssertionError, IndexError) as error:
            raise DataError(f"{self.where} cannot be read: {error}. Remove it and run: {self.way_to_get}") from error
        drawn = partition(train.data[:, None].numpy(), train.targets.numpy(), self.valid, 0, seed)
        return Splits(drawn.train, drawn.valid, {"image": test.data[:, None], "label": test.targets})

    def stock(self) -> Stock | None:
        """Count as the headers of the files say; None without the folder."""
        if not self.where.exists():
            return None
        files = [self.where / "raw" / f"{split}-images-idx3-ubyte" for split in ("train", "t10k")]
        if absent := [file for file in files if not file.exists()]:
            raise DataError(f"{absent[0]} is missing. Remove {self.where} and run: {self.way_to_get}")
        return Stock(sum(map(_n_items, files)), sum(file.stat().st_size for file in files))

    def fetch(self) -> None:
        """Download through torchvision, which verifies its checksums; renamed into place when complete."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.root, prefix=f".{self.variant}-") as part:
                self._torchvision()(part, train=True, download=True)
                (Path(part) / self.variant).rename(self.where)
        except (RuntimeError, OSError) as error:  # torchvision reports an unreachable server as RuntimeError
            raise DataError(
                f"`{self.name}`: torchvision could not fetch it: {error}\nOffline? Then {EMBEDDED}"
            ) from error

    def _torchvision(self) -> type[MNIST]:
        from torchvision import datasets

        kind: type[MNIST] = getattr(datasets, self.variant)
        return kind


def _n_items(file: Path) -> int:
    """The number of items that an IDX file declares: four bytes, big-endian, after the magic number."""
    with file.open("rb") as opened:
        return int.from_bytes(opened.read(8)[4:], "big")
