from __future__ import annotations

import os
import pickle
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image

from hwsweep.data import DataError
from hwsweep.data.data_files import MissingDataError
from hwsweep.data.images import FolderImages, NpzImages
from hwsweep.data.splitting import check_share, random_rows
from hwsweep.data.torchvision_images import TorchvisionImages
from hwsweep.files import cache_folder

CONF = Path(__file__).resolve().parents[2] / "conf" / "dataset"
REAL = Path(os.environ.get("HWSWEEP_DATA", "/nonexistent"))  # before a fixture changes it
N = 101


def digits(path: str = "$HWSWEEP_DATA/digits.npz", valid: float = 0.1, test: float = 17) -> NpzImages:
    return NpzImages("digits", "https://example.org", "md5:0", path, 5, 10, valid, test, binarise="none")


def arrays(n: int = N) -> dict[str, np.ndarray]:
    """Each image has its number in its first pixel and its label in the second one."""
    image = np.full((n, 5, 5), 255, dtype=np.uint8)
    image[:, 0, 0] = np.arange(n)
    label = (np.arange(n) * 3 % 10).astype(np.uint8)
    image[:, 0, 1] = label
    return {"image": image, "label": label}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "data"
    home.mkdir()
    return home


def configured(name: str, path: str):
    return instantiate(OmegaConf.load(CONF / f"{name}.yaml"), path=path)


STORED = [
    ("tibetan_mnist", (1, 28, 28)),
    ("anime_faces", (3, 64, 64)),
    ("image_folder", (3, 64, 64)),
    ("mnist", (1, 28, 28)),
    ("fashion_mnist", (1, 28, 28)),
    ("kmnist", (1, 28, 28)),
]


@pytest.mark.parametrize(("name", "shape"), STORED)
def test_shapes_are_known_without_data_and_missing_data_names_the_way_out(name: str, shape: tuple[int, ...]) -> None:
    dataset = configured(name, "$HWSWEEP_DATA/nowhere")
    assert (dataset.name, dataset.shapes) == (name, {"image": shape})
    with pytest.raises(MissingDataError):
        dataset.inventory()
    way = "dataset.path=" if name in ("anime_faces", "image_folder") else f"python -m hwsweep.data fetch {name}"
    with pytest.raises(DataError, match=rf"`{name}` is missing.*{way}.*dataset=tibetan_strokes"):
        dataset.splits(0)


def test_splits_are_disjoint_complete_and_keep_each_label_with_its_image(home: Path) -> None:
    np.savez_compressed(home / "digits.npz", **arrays())
    splits = digits().splits(0)
    parts = (splits.train, splits.valid, splits.test)
    assert [tuple(part["image"].shape) for part in parts] == [(74, 1, 5, 5), (10, 1, 5, 5), (17, 1, 5, 5)]
    assert {part["image"].dtype for part in parts} == {torch.uint8}
    assert {part["label"].dtype for part in parts} == {torch.int64}
    numbers = torch.cat([part["image"][:, 0, 0, 0] for part in parts])
    assert numbers.sort().values.tolist() == list(range(N))
    assert all(torch.equal(part["image"][:, 0, 0, 1].long(), part["label"]) for part in parts)


def test_the_seed_alone_decides_the_split(home: Path) -> None:
    np.savez_compressed(home / "digits.npz", **arrays())
    digests = [digits().splits(seed).digest() for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


def test_the_test_split_does_not_depend_on_the_validation_split() -> None:
    np.testing.assert_array_equal(random_rows(N, 0.1, 17, 3).test, random_rows(N, 50, 17, 3).test)


def test_the_split_is_in_random_order() -> None:
    # in order by chance: 1 / 74!
    assert (np.diff(random_rows(N, 10, 17, 0).train) < 0).any()


@pytest.mark.parametrize(("valid", "test"), [(0.5, 51), (100, 1), (101, 0.1)])
def test_a_split_that_leaves_nothing_for_training_is_refused(home: Path, valid: float, test: float) -> None:
    np.savez_compressed(home / "digits.npz", **arrays())
    with pytest.raises(DataError, match=r"must leave examples for training.* of 101"):
        digits(valid=valid, test=test).splits(0)


@pytest.mark.parametrize("share", [0, -1, 1.0, 1.5, -0.1, True, float("nan")])
def test_a_share_that_is_neither_count_nor_fraction_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"`dataset\.valid` must be a fraction between 0 and 1.*but got"):
        check_share("valid", share)


BAD_FILES = [
    (lambda a: {"image": a["image"]}, "no array `label`; there are: image"),
    (lambda a: {"x": a["image"], "y": a["label"]}, "no array `image`; there are: x, y"),
    (lambda a: a | {"image": a["image"] / 255}, r"`image` must be uint8 \(n, 5, 5\), but is float64 \(101, 5, 5\)"),
    (
        lambda a: a | {"image": a["image"].reshape(N, 25)},
        r"`image` must be uint8 \(n, 5, 5\), but is uint8 \(101, 25\)",
    ),
    (lambda a: a | {"image": a["image"] // 255}, r"`image` must span 0\.\.255, but its greatest value is 1"),
    (lambda a: {k: v[:0] for k, v in a.items()}, r"is uint8 \(0, 5, 5\)"),
    (lambda a: a | {"label": a["label"][:-1]}, r"`label` must be whole numbers \(101,\), but is uint8 \(100,\)"),
    (lambda a: a | {"label": a["label"] / 2}, r"is float64 \(101,\)"),
    (lambda a: a | {"label": a["label"] + 1}, r"`label` must lie in 0\.\.9, but is 1\.\.10"),
]


@pytest.mark.parametrize(("damage", "message"), BAD_FILES)
def test_a_wrong_file_is_named_with_its_problem(home: Path, damage, message: str) -> None:
    np.savez_compressed(home / "digits.npz", **damage(arrays()))
    with pytest.raises(DataError, match=rf"digits\.npz: {message}|digits\.npz: .*{message}") as raised:
        digits().splits(0)
    assert "python -m hwsweep.data fetch digits" in str(raised.value)


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def test_a_pickle_is_never_executed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    bombs = np.empty(N, dtype=object)
    bombs[:] = [Bomb() for _ in range(N)]
    np.savez(home / "digits.npz", image=arrays()["image"], label=bombs)
    (home / "plain.npz").write_bytes(pickle.dumps(Bomb()))
    for name in ("digits.npz", "plain.npz"):
        with pytest.raises(DataError, match=rf"{name}: cannot be read as \.npz"):
            digits(str(home / name)).splits(0)
    assert not Path("exploded").exists()


@pytest.mark.parametrize(
    "spoil", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:100] + b"\xff" * 99 + b[199:]]
)
def test_a_damaged_file_is_named(home: Path, spoil) -> None:
    np.savez_compressed(home / "good.npz", **arrays())
    (home / "digits.npz").write_bytes(spoil((home / "good.npz").read_bytes()))
    with pytest.raises(DataError, match=r"digits\.npz: cannot be read as \.npz"):
        digits().splits(0)


def test_a_path_is_relative_to_the_working_directory_unless_it_starts_with_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert digits("a/b.npz").path == tmp_path / "a" / "b.npz"
    assert digits("$HWSWEEP_DATA/b.npz").path == tmp_path / "data" / "b.npz"
    monkeypatch.delenv("HWSWEEP_DATA")
    assert digits("$HWSWEEP_DATA/b.npz").path == cache_folder("data") / "b.npz"


def test_a_folder_gives_images_without_labels(home: Path) -> None:
    for i in range(13):
        Image.new("L", (9, 7), i).save(home / f"{i}.png")
    dataset = FolderImages("own", "me", "$HWSWEEP_DATA", 5, 1, "white", "refuse", valid=2, test=3, binarise="none")
    splits = dataset.splits(0)
    assert [set(part) for part in (splits.train, splits.valid, splits.test)] == [{"image"}] * 3
    assert splits.train["image"].shape == (8, 1, 5, 5)
    pixels = torch.cat([part["image"][:, 0, 2, 2] for part in (splits.train, splits.valid, splits.test)])
    assert pixels.sort().values.tolist() == list(range(13))
    splits.train["image"] += 1  # a copy: neither a warning nor a write into the cache
    assert dataset.splits(0).digest() != splits.digest()


@pytest.mark.parametrize(
    ("values", "test", "message"),
    [
        (range(12), 1, r"the test split needs two different images, but it has 1 of 12\. Add"),
        (range(6), 3, r"the training split .* it has 1 of 6\..*dataset\.test \(now 2 and 3\)"),
        ([7] * 12, 3, r"the training split .* it has 7 of 12, all the same\."),
    ],
)
def test_images_without_variance_are_refused_before_training(
    home: Path, values: Sequence[int], test: int, message: str
) -> None:
    for i, value in enumerate(values):
        Image.new("L", (9, 7), value).save(home / f"{i}.png")
    dataset = FolderImages("own", "me", "$HWSWEEP_DATA", 5, 1, "white", "refuse", valid=2, test=test, binarise="none")
    with pytest.raises(DataError, match=message):
        dataset.splits(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 4}, r"`dataset\.channels` must be 1 \(grey\) or 3 \(RGB\), but got 4"),
        ({"size": 0}, r"`dataset\.size` must be a whole number of pixels, at least 1, but got 0"),
        ({"broken_images": "ignore"}, r"`dataset\.broken_images` must be skip or refuse, but got ignore"),
        ({"background": "whitish"}, r"`dataset\.background` must be a colour, such as .*but got 'whitish'"),
        ({"test": 0}, r"`dataset\.test` must be"),
        ({"binarise": "once"}, r"`dataset\.binarise` must be none, static or dynamic, but got 'once'"),
    ],
)
def test_bad_settings_of_a_folder_are_refused_before_any_reading(change: dict[str, object], message: str) -> None:
    good = {"name": "own", "source": "me", "path": "x", "size": 5, "channels": 3, "valid": 2, "test": 3}
    with pytest.raises(ValueError, match=message):
        FolderImages(**{**good, "background": "white", "broken_images": "skip", "binarise": "none", **change})


def idx(array: np.ndarray) -> bytes:
    """The IDX format of MNIST: 0, 0, type (8: unsigned byte), number of axes, each length big-endian, the bytes."""
    lengths = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


@pytest.fixture
def kmnist(home: Path) -> TorchvisionImages:
    raw = home / "KMNIST" / "raw"
    raw.mkdir(parents=True)
    for split, n, first in (("train", 31, 0), ("t10k", 7, 100)):
        image = np.zeros((n, 28, 28), dtype=np.uint8)
        image[:, 0, 0] = first + np.arange(n)
        (raw / f"{split}-images-idx3-ubyte").write_bytes(idx(image))
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(idx(np.arange(n, dtype=np.uint8) % 10))
    return TorchvisionImages("kmnist", "example.org", "$HWSWEEP_DATA", "KMNIST", valid=5, binarise="none")


def test_the_official_test_split_stays_the_test_split(kmnist: TorchvisionImages) -> None:
    splits = kmnist.splits(0)
    assert splits.test["image"][:, 0, 0, 0].tolist() == list(range(100, 107))
    assert splits.test["label"].tolist() == list(range(7))
    drawn = torch.cat([splits.train["image"], splits.valid["image"]])
    assert (len(splits.train["label"]), len(splits.valid["label"]), tuple(drawn.shape)) == (26, 5, (31, 1, 28, 28))
    assert drawn[:, 0, 0, 0].sort().values.tolist() == list(range(31))
    assert kmnist.inventory().n_examples == 38


def test_a_damaged_torchvision_file_is_reported(kmnist: TorchvisionImages) -> None:
    labels = kmnist.path / "raw" / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-3])
    with pytest.raises(DataError, match=r"KMNIST cannot be read.*fetch kmnist"):
        kmnist.splits(0)
    (kmnist.path / "raw" / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte is missing"):
        kmnist.inventory()


def test_an_unknown_torchvision_data_set_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`dataset\.variant` must be MNIST, FashionMNIST or KMNIST, but got EMNIST"):
        TorchvisionImages("emnist", "", "$HWSWEEP_DATA", "EMNIST", valid=5, binarise="none")


def test_a_failed_torchvision_fetch_leaves_nothing_and_names_the_embedded_data_set(
    home: Path, upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import KMNIST

    monkeypatch.setattr(KMNIST, "mirrors", [f"{upstream.address}/"])
    upstream.content = b"not what the checksum says"
    with pytest.raises(DataError, match=r"(?s)could not download it.*corrupted.*dataset=tibetan_strokes"):
        configured("kmnist", "$HWSWEEP_DATA").fetch()
    assert [path for path in home.iterdir() if path.suffix != ".lock"] == []


@pytest.mark.skipif(not (REAL / "tibetan_mnist").exists(), reason="HWSWEEP_DATA has no tibetan_mnist")
def test_the_real_tibetan_digits_have_the_known_covariance() -> None:
    splits = configured("tibetan_mnist", str(REAL / "tibetan_mnist" / "TibetanMNIST.npz")).splits(0)
    images = torch.cat([part["image"] for part in (splits.train, splits.valid, splits.test)])
    assert tuple(images.shape) == (17_768, 1, 28, 28)
    eigenvalues = np.linalg.eigvalsh(np.cov(images.reshape(-1, 784).numpy().T / 255.0, bias=True))
    # DESIGN.md, section 4, to the digits given there
    assert eigenvalues[-1] == pytest.approx(11.512, abs=6e-4)
    assert eigenvalues.sum() == pytest.approx(90.70, abs=6e-3)


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "anime_faces").exists(), reason="HWSWEEP_DATA has no anime_faces")
def test_the_second_start_on_5000_faces_takes_less_than_a_fifth_of_a_second() -> None:
    dataset = configured("anime_faces", str(REAL / "anime_faces" / "images"))
    first = dataset.splits(0).digest()
    seconds = []
    for _ in range(3):  # the best of three: other programs share the machine
        begin = time.perf_counter()
        splits = dataset.splits(0)
        seconds.append(time.perf_counter() - begin)
    assert splits.digest() == first
    assert min(seconds) < 0.2
