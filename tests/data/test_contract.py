"""Every data set in conf keeps the contract; those whose data is not there say how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from hwsweep.conf_path import conf_path
from hwsweep.data import DataError, Dataset

CONF = conf_path()

NAMES = sorted(path.stem for path in (CONF / "dataset").glob("*.yaml"))
SMALL = {"tibetan_strokes": {"n_train": 53, "n_valid": 17, "n_test": 19}}


def built(name: str, **changes: object) -> Dataset:
    cfg = OmegaConf.load(CONF / "dataset" / f"{name}.yaml")
    dataset: Dataset = instantiate(OmegaConf.merge(cfg, SMALL.get(name, {}), changes))
    return dataset


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_known_before_any_data_is_read(name: str, tmp_path: Path) -> None:
    channels, height, width = built(name, **({"path": "nowhere"} if name == "image_folder" else {})).shapes["image"]
    assert channels in (1, 3)
    assert height == width > 0


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SMALL])
def test_a_data_set_that_is_not_there_names_the_embedded_one_or_the_place(name: str) -> None:
    with pytest.raises(DataError, match=r"tibetan_strokes|nowhere"):
        built(name, **({"path": "nowhere"} if name == "image_folder" else {})).splits(0)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_splits_are_what_the_contract_says(name: str) -> None:
    dataset = built(name)
    one, same, other = dataset.splits(3), dataset.splits(3), dataset.splits(4)
    assert one.digest() == same.digest() != other.digest()
    for split in (one.train, one.valid, one.test):
        assert split["image"].dtype == torch.uint8
        assert {len(values) for values in split.values()} == {len(split["image"])}
        for key, shape in dataset.shapes.items():
            assert tuple(split[key].shape[1:]) == shape
    images = torch.cat([one.train["image"], one.valid["image"], one.test["image"]]).flatten(1)
    assert len(images.unique(dim=0)) == len(images), "no image is in two splits"
