"""Images that torchvision reads: MNIST, FashionMNIST and KMNIST."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hwsweep.data import DataError, Shapes, Splits
from hwsweep.data.binarisation import binarised, check_binarisation
from hwsweep.data.data_files import EMBEDDED, Inventory, absolute_path, require
from hwsweep.data.splitting import check_share, partition
from hwsweep.files import make_once

if TYPE_CHECKING:
    from torchvision.datasets import MNIST


class TorchvisionImages:
    """MNIST, FashionMNIST or KMNIST: grey 28x28 images, labels 0-9. The official test split is the test split."""

    def __init__(self, name: str, source: str, path: str, variant: str, valid: int | float, binarise: str) -> None:
        check_share("valid", valid)
        check_binarisation(binarise)
        if variant not in ("MNIST", "FashionMNIST", "KMNIST"):
            raise ValueError(f"`dataset.variant` must be MNIST, FashionMNIST or KMNIST, but got {variant}")
        self.name, self.source, self.variant, self.valid, self.binarise = name, source, variant, valid, binarise
        self.root = absolute_path(path)
        self.path = self.root / variant
        self.instructions = f"python -m hwsweep.data fetch {name}"

    @property
    def shapes(self) -> Shapes:
        return {"image": (1, 28, 28)}

    def splits(self, seed: int) -> Splits:
        require(self.path, self)
        try:
            train, test = (self._torchvision_class()(self.root, train=train) for train in (True, False))
        except (RuntimeError, OSError, ValueError, AssertionError, IndexError) as error:
            raise DataError(f"{self.path} cannot be read: {error}. Remove it and run: {self.instructions}") from error
        drawn = partition(train.data[:, None].numpy(), train.targets.numpy(), self.valid, 0, seed)
        official = Splits(drawn.train, drawn.valid, {"image": test.data[:, None], "label": test.targets})
        return binarised(official, self.binarise, seed)

    def inventory(self) -> Inventory:
        require(self.path, self)
        files = [self.path / "raw" / f"{split}-images-idx3-ubyte" for split in ("train", "t10k")]
        if absent := [file for file in files if not file.exists()]:
            raise DataError(f"{absent[0]} is missing. Remove {self.path} and run: {self.instructions}")
        return Inventory(sum(map(_n_items, files)), sum(file.stat().st_size for file in files))

    def fetch(self) -> None:
        try:
            make_once(self.path, self._download)
        except (RuntimeError, OSError) as error:  # torchvision reports an unreachable server as RuntimeError
            raise DataError(
                f"`{self.name}`: torchvision could not download it: {error}\nOffline? Then {EMBEDDED}"
            ) from error

    def _download(self, folder: Path) -> None:
        """Download through torchvision, which verifies its checksums and puts the files in <variant>/raw."""
        self._torchvision_class()(folder, train=True, download=True)
        (folder / self.variant / "raw").rename(folder / "raw")
        (folder / self.variant).rmdir()

    def _torchvision_class(self) -> type[MNIST]:
        from torchvision import datasets

        dataset: type[MNIST] = getattr(datasets, self.variant)
        return dataset


def _n_items(file: Path) -> int:
    """The number of items that an IDX file declares: four bytes, big-endian, after the magic number."""
    with file.open("rb") as opened:
        return int.from_bytes(opened.read(8)[4:], "big")
