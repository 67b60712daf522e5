"""Every data set in conf fulfils the contract; if its data is missing, the error says how to get it."""

from __future__ import annotations

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from hwsweep import conf_path
from hwsweep.data import PAD, UNKNOWN, DataError, Dataset, Examples, Splits

NAMES = sorted(path.stem for path in (conf_path() / "dataset").glob("*.yaml"))
SMALL = {
    "tibetan_strokes": {"n_train": 53, "n_valid": 17, "n_test": 19},
    "headlines": {"n_train": 53, "n_valid": 17, "n_test": 19},
}


def built(name: str, **settings: object) -> Dataset:
    """The data set of conf: with few examples if it is small, without data if the user has to name the path."""
    with initialize_config_dir(str(conf_path()), version_base="1.3"):
        config = compose(f"dataset/{name}")
    OmegaConf.set_struct(config, False)
    config.dataset.merge_with(SMALL.get(name, {}) | settings)
    if OmegaConf.is_missing(config.dataset, "path"):
        config.dataset.path = "nowhere"
    dataset: Dataset = instantiate(config.dataset)
    return dataset


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_known_before_any_data_is_read(name: str) -> None:
    shapes = built(name).shapes
    if "image" in shapes:
        channels, height, width = shapes["image"]
        assert channels in (1, 3)
        assert height > 0 and width > 0
    else:
        assert shapes.keys() == {"token", "word", "class"}
        assert shapes["class"][0] >= 2


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SMALL])
def test_a_missing_data_set_names_an_embedded_one_or_its_path(name: str) -> None:
    with pytest.raises(DataError, match=r"tibetan_strokes|nowhere"):
        built(name).splits(0)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_splits_fulfil_the_contract(name: str) -> None:
    dataset = built(name)
    one, same, other = dataset.splits(3), dataset.splits(3), dataset.splits(4)
    assert one.digest() == same.digest() != other.digest()
    shapes = dataset.shapes if one.lexicon is None else one.lexicon.shapes
    first = "image" if "image" in shapes else "token"
    for split, n in ((one.train, 53), (one.valid, 17), (one.test, 19)):
        assert split[first].dtype == {"image": torch.uint8, "token": torch.int32}[first]
        assert {len(values) for values in split.values()} == {n}
        assert all(tuple(split[key].shape[1:]) == shape for key, shape in shapes.items() if key in split)
    if one.lexicon is None:
        examples = torch.cat([one.train["image"], one.valid["image"], one.test["image"]]).flatten(1)
        assert len(examples.unique(dim=0)) == len(examples), "no image is in two splits"
    else:
        assert_holds_for_texts(one)


@pytest.mark.parametrize("name", [name for name in NAMES if "image" in built(name).shapes])
def test_every_data_set_of_images_can_be_binarised(name: str) -> None:
    dataset = built(name, binarise="static")
    if name in SMALL:
        assert set(dataset.splits(0).test["image"].unique().tolist()) == {0, 255}
    with pytest.raises(Exception, match=r"`dataset\.binarise` must be none, static or dynamic, but got 'true'"):
        built(name, binarise="true")


def assert_holds_for_texts(splits: Splits) -> None:
    assert splits.lexicon is not None
    texts = [set(splits.texts[split]) for split in ("train", "valid", "test")]
    assert not texts[0] & texts[1] | texts[0] & texts[2] | texts[1] & texts[2], "no text is in two splits"
    assert splits.lexicon.words[: UNKNOWN + 1] == ("<pad>", "<unk>")
    for name in ("train", "valid", "test"):
        split: Examples = getattr(splits, name)
        n, max_length = split["token"].shape
        assert len(splits.texts[name]) == n
        assert split["length"].dtype == torch.int32
        assert torch.equal(split["token"] != PAD, torch.arange(max_length) < split["length"][:, None])
        assert split["length"].min() >= 1
        assert int(split["token"].max()) < len(splits.lexicon.words)
        assert set(split["label"].tolist()) <= set(range(len(splits.lexicon.classes)))
