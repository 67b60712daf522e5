from __future__ import annotations

import os
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hwsweep.data import DataError
from hwsweep.data.image_cache import cached_images
from hwsweep.files import cache_folder

COLOURS = [(10 * i, 20 + i, 250 - i) for i in range(7)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven images of one colour each, in three formats and two folders; not images, beside them."""
    folder = tmp_path / "faces"
    (folder / "more").mkdir(parents=True)
    for i, (colour, suffix) in enumerate(zip(COLOURS, ["png", "PNG", "bmp", "png", "webp", "png", "png"], strict=True)):
        path = folder / ("more" if i > 4 else ".") / f"{i}.{suffix}"
        Image.new("RGB", (13, 17), colour).save(path, lossless=True)
    (folder / "readme.txt").write_text("not an image")
    (folder / "._0.png").write_text("what macOS leaves in archives")
    return folder


def zipped(folder: Path) -> Path:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as writer:
        for path in sorted(folder.rglob("*")):
            writer.write(path, path.relative_to(folder))
    return archive


def rewrite(path: Path, content: bytes) -> None:
    """Change the bytes behind an unchanged modification time."""
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_images_come_sorted_by_name_with_the_channels_first(folder: Path) -> None:
    images = cached_images(folder, 5, 3, "white", "refuse")
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, np.broadcast_to(np.array(COLOURS)[:, :, None, None], (7, 3, 5, 5)))


def test_grey_is_the_luma_of_itu_r_601(folder: Path) -> None:
    images = cached_images(folder, 5, 1, "white", "refuse")
    luma = np.array(COLOURS) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(images[:, 0, 2, 2], luma, atol=1)  # rounding


@pytest.mark.parametrize(("size", "middle"), [((31, 11), (10, 0, 21, 11)), ((11, 31), (0, 10, 11, 21))])
def test_images_are_cropped_to_the_middle_square(
    tmp_path: Path, size: tuple[int, int], middle: tuple[int, int, int, int]
) -> None:
    image = Image.new("RGB", size, "red")
    image.paste((0, 255, 0), middle)
    image.save(tmp_path / "a.png")
    images = cached_images(tmp_path, 11, 3, "white", "refuse")
    np.testing.assert_array_equal(images[0].transpose(1, 2, 0), np.full((11, 11, 3), (0, 255, 0)))


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    image = Image.new("L", (16, 16))
    image.paste(255, (0, 0, 8, 16))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # "the left side as stored is the top of the scene" (EXIF 2.3: row 0 is the right-hand side)
    image.save(tmp_path / "a.png", exif=exif)
    upright = cached_images(tmp_path, 16, 1, "white", "refuse")[0, 0]
    assert upright[0].min() == 255
    assert upright[-1].max() == 0


def test_a_zip_gives_the_same_as_the_folder_and_is_not_unpacked(folder: Path) -> None:
    expected = np.array(cached_images(folder, 5, 3, "white", "refuse"))
    archive = zipped(folder)
    before = sorted(folder.parent.iterdir())
    np.testing.assert_array_equal(cached_images(archive, 5, 3, "white", "refuse"), expected)
    assert sorted(folder.parent.iterdir()) == before


def test_the_second_call_maps_memory_and_decodes_nothing(folder: Path) -> None:
    cached_images(folder, 5, 3, "white", "refuse")
    rewrite(folder / "0.png", b"x" * (folder / "0.png").stat().st_size)  # would be refused if it were decoded
    images = cached_images(folder, 5, 3, "white", "refuse")
    assert isinstance(images, np.memmap)
    assert tuple(images[0, :, 0, 0]) == COLOURS[0]


def test_a_changed_folder_is_decoded_again(folder: Path) -> None:
    cached_images(folder, 5, 3, "white", "refuse")
    os.utime(folder / "0.png", ns=(0, 0))
    Image.new("RGB", (13, 17), (1, 2, 3)).save(folder / "0.png")
    assert tuple(cached_images(folder, 5, 3, "white", "refuse")[0, :, 0, 0]) == (1, 2, 3)
    (folder / "0.png").rename(folder / "more" / "9.png")
    assert tuple(cached_images(folder, 5, 3, "white", "refuse")[-1, :, 0, 0]) == (1, 2, 3)
    (folder / "more" / "9.png").unlink()
    assert len(cached_images(folder, 5, 3, "white", "refuse")) == 6


def test_another_setting_is_decoded_anew(folder: Path) -> None:
    shapes = [
        cached_images(folder, size, channels, "white", "refuse").shape for size, channels in [(5, 3), (7, 3), (5, 1)]
    ]
    assert shapes == [(7, 3, 5, 5), (7, 3, 7, 7), (7, 1, 5, 5)]


def test_many_at_once_decode_once(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        arrays = list(pool.map(lambda _: cached_images(folder, 5, 3, "white", "refuse"), range(8)))
    assert all(np.array_equal(array, arrays[0]) for array in arrays)
    assert capfd.readouterr().err.count("0 of 7 images") == 1


def break_two(folder: Path) -> None:
    (folder / "1.PNG").write_bytes((folder / "1.PNG").read_bytes()[:-30])
    (folder / "3.png").write_bytes(b"not a png at all")


def test_broken_images_are_refused_by_name_and_leave_nothing_behind(folder: Path) -> None:
    break_two(folder)
    with pytest.raises(DataError, match=r"2 of 7 .*1\.PNG \(.*3\.png \(.*dataset\.broken_images=skip"):
        cached_images(folder, 5, 3, "white", "refuse")
    assert [path.suffix for path in cache_folder("decoded").iterdir()] == [".lock"]


def test_broken_images_are_skipped_with_a_warning_that_names_them(folder: Path) -> None:
    break_two(folder)
    with pytest.warns(UserWarning, match=r"2 of 7 .*1\.PNG \(.*3\.png \(.*left out"):
        images = cached_images(folder, 5, 3, "white", "skip")
    good = [colour for i, colour in enumerate(COLOURS) if i not in (1, 3)]
    np.testing.assert_array_equal(images[:, :, 0, 0], good)
    with pytest.raises(DataError, match="2 of 7"):  # the cache of the one setting does not serve the other
        cached_images(folder, 5, 3, "white", "refuse")


def test_a_folder_of_broken_images_only_is_refused_even_when_skipping(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="1 of 1"):
        cached_images(tmp_path, 5, 3, "white", "skip")


def test_sixteen_bit_images_are_not_clipped_but_named(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 40_000, dtype=np.uint16)).save(tmp_path / "scan.png")
    with pytest.raises(DataError, match=r"scan\.png \(more than 8 bits"):
        cached_images(tmp_path, 4, 1, "white", "refuse")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize(("background", "seen"), [("white", 255), ("#00ff00", 150)])
def test_black_ink_on_transparency_stays_visible(tmp_path: Path, mode: str, background: str, seen: int) -> None:
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 4, 8))
    image.convert(mode).save(tmp_path / "ink.png", transparency=None if mode != "P" else 0)
    pixels = cached_images(tmp_path, 8, 1, background, "refuse")[0, 0]
    assert (pixels[:, :3].max(), pixels[:, 5:].min()) == (0, seen)  # luma of pure green: 0.587 * 255


def test_a_link_to_nothing_is_a_broken_image_and_linked_folders_are_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "more").rename(tmp_path / "elsewhere")
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(folder)
    assert len(cached_images(folder, 5, 3, "white", "refuse")) == 7
    (folder / "9.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"1 of 8 .*9\.png \(.*No such file"):
        cached_images(folder, 5, 3, "white", "refuse")


def test_a_large_image_is_decoded_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5 * 5)  # Pillow warns above it, and refuses twice as many
    Image.new("L", (6, 6), 200).save(tmp_path / "a.png")
    (image,) = cached_images(tmp_path, 3, 1, "black", "refuse")
    assert (np.asarray(image) == 200).all()


def test_an_encrypted_zip_says_that_it_is(folder: Path) -> None:
    archive = zipped(folder)
    content = bytearray(archive.read_bytes())
    for signature, flag in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # bit 0 of the flags: encrypted (APPNOTE 4.4.4)
        start = -1
        while (start := content.find(signature, start + 1)) >= 0:
            content[start + flag] |= 1
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"7 of 7 .*0\.png \(.*encrypted"):
        cached_images(archive, 5, 3, "white", "skip")


def test_hidden_files_and_those_of_systems_are_skipped_and_other_endings_counted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for hidden in (".thumbnails", "__MACOSX", "@eaDir"):
        (folder / hidden).mkdir()
        Image.new("RGB", (13, 17)).save(folder / hidden / "x.png")
    (folder / "Thumbs.db").write_bytes(b"of Windows")
    for source in (folder, zipped(folder)):
        caplog.clear()
        assert len(cached_images(source, 5, 3, "white", "refuse")) == 7
        assert "1 .txt; only images" in caplog.text


@pytest.mark.parametrize("name", ["../evil.png", "a/../../evil.png", "/evil.png", "..\\evil.png", "C:\\evil.png"])
def test_a_zip_whose_members_would_escape_is_refused(folder: Path, name: str) -> None:
    archive = zipped(folder)
    with zipfile.ZipFile(archive, "a") as writer:
        writer.writestr(zipfile.ZipInfo(name), b"payload")
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(DataError, match=r"evil\.png.* lies outside"):
        cached_images(archive, 5, 3, "white", "skip")
    assert sorted(folder.parent.rglob("*")) == before


def test_a_damaged_member_of_a_zip_is_named(folder: Path) -> None:
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as writer:
        writer.write(folder / "0.png", "0.png")
        writer.writestr("1.png", b"pixels" * 100)
    archive = folder.with_suffix(".zip")
    archive.write_bytes(archive.read_bytes().replace(b"pixelspixels", b"pixelsPIXELS", 1))
    with pytest.raises(DataError, match=r"1 of 2 .*1\.png \(Bad CRC-32"):
        cached_images(archive, 5, 3, "white", "refuse")


def test_pipes_are_skipped_and_folders_of_splits_are_said_to_be_one_set(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(folder / "pipe.png")  # reading it would wait for ever
    (folder / "link.png").symlink_to("pipe.png")
    for split in ("Train", "test"):
        (folder / split).mkdir()
        Image.new("RGB", (13, 17)).save(folder / split / "x.png")
    assert len(cached_images(folder, 5, 3, "white", "refuse")) == 9
    assert "Train, test are read as one set of images" in caplog.text


def test_a_path_without_images_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder or zip of images at"):
        cached_images(tmp_path / "nowhere", 5, 3, "white", "skip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no images in .*empty: looked for .*\.jpg"):
        cached_images(tmp_path / "empty", 5, 3, "white", "skip")
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match="neither a folder nor a readable zip"):
        cached_images(tmp_path / "a.zip", 5, 3, "white", "skip")


def test_unchanged_images_raise_no_warning_when_skipping(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(cached_images(folder, 5, 3, "white", "skip")) == 7
