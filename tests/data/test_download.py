from __future__ import annotations

import errno
import hashlib
import io
import random
import socket
import time
from pathlib import Path

import pytest

from hwsweep.data import DataError
from hwsweep.data.download import ATTEMPTS, download, file_checksum

CONTENT = random.Random(0).randbytes(300_007)
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def target(tmp_path: Path, upstream) -> Path:
    upstream.content = CONTENT
    return tmp_path / "data" / "digits" / "file.npz"


def part_of(target: Path) -> Path:
    return target.with_name("file.npz.part")


def test_a_whole_file_arrives_under_its_name_and_leaves_no_part(upstream, target: Path) -> None:
    download(f"{upstream.address}/file.npz", target, SHA256)
    assert target.read_bytes() == CONTENT
    assert not part_of(target).exists()


def test_a_connection_cut_twice_is_resumed_where_it_broke(upstream, target: Path) -> None:
    upstream.sent_before_cut = [100_003, 50_021]
    download(upstream.address, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert upstream.requests == [None, "bytes=100003-", "bytes=150024-"]


def test_a_part_left_by_an_earlier_call_is_continued(upstream, target: Path) -> None:
    target.parent.mkdir(parents=True)
    part_of(target).write_bytes(CONTENT[:12_345])
    download(upstream.address, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert upstream.requests == ["bytes=12345-"]


def test_a_server_that_ignores_range_makes_it_start_afresh(upstream, target: Path) -> None:
    upstream.ranges = False
    upstream.sent_before_cut = [100_003]
    download(upstream.address, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert upstream.requests == [None, "bytes=100003-"]


def test_a_server_that_sends_another_range_is_not_believed(upstream, target: Path) -> None:
    target.parent.mkdir(parents=True)
    part_of(target).write_bytes(CONTENT[:12_345])
    upstream.range_shift = 1
    download(upstream.address, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert upstream.requests == ["bytes=12345-", None]


@pytest.mark.parametrize("surplus", [b"", b"more"])
def test_a_part_that_is_already_complete_or_too_long_ends_well(upstream, target: Path, surplus: bytes) -> None:
    target.parent.mkdir(parents=True)
    part_of(target).write_bytes(CONTENT + surplus)
    download(upstream.address, target, SHA256)
    assert target.read_bytes() == CONTENT


def test_a_connection_that_always_breaks_gives_up_and_keeps_what_it_has(upstream, target: Path) -> None:
    upstream.sent_before_cut = [11] * ATTEMPTS
    with pytest.raises(DataError, match=rf"broke {ATTEMPTS} times.*55 bytes are in .*run the command again"):
        download(upstream.address, target, SHA256)
    assert part_of(target).read_bytes() == CONTENT[: 11 * ATTEMPTS]
    assert not target.exists()


def test_wrong_content_is_deleted_and_reported(upstream, target: Path) -> None:
    upstream.content = b"<html>please log in</html>"
    found = hashlib.sha256(upstream.content).hexdigest()
    with pytest.raises(
        DataError, match=f"must have sha256 {SHA256[7:]}, but sent 26 bytes with {found}. They are deleted"
    ):
        download(upstream.address, target, SHA256)
    assert not target.exists()
    assert not part_of(target).exists()


def test_a_full_disk_keeps_the_part_and_the_next_call_goes_on(
    upstream, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        def write(self, data) -> int:
            if not (room := 100_003 - self.tell()):
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data[:room])

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda path, mode: io.BufferedWriter(Full(path, mode)))
        with pytest.raises(DataError, match=r"no space left.*100,003 bytes are in .*make room"):
            download(upstream.address, target, SHA256)
    assert part_of(target).read_bytes() == CONTENT[:100_003]
    download(upstream.address, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert upstream.requests == [None, "bytes=100003-"]


def test_a_missing_page_is_reported_at_once(upstream, target: Path) -> None:
    upstream.status = 404
    with pytest.raises(DataError, match="answered 404"):
        download(upstream.address, target, SHA256)
    assert len(upstream.requests) == 1


def test_a_request_to_an_overloaded_server_is_repeated(upstream, target: Path) -> None:
    upstream.status = 503
    with pytest.raises(DataError, match="503"):
        download(upstream.address, target, SHA256)
    assert len(upstream.requests) == ATTEMPTS


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("host", [f"127.0.0.1:{closed_port()}", "nowhere.invalid"], ids=["closed port", "no host"])
def test_a_missing_network_is_reported_at_once_and_names_the_embedded_data_set(target: Path, host: str) -> None:
    begin = time.monotonic()
    with pytest.raises(DataError, match=rf"cannot reach {host}.*python -m hwsweep dataset=tibetan_strokes"):
        download(f"http://{host}/file.npz", target, SHA256)
    # retrying would pause 1 + 2 + 4 + 8 seconds (not here: the pause is 0), asking a resolver again costs up to 5 each
    assert time.monotonic() - begin < 5


def test_only_web_addresses_and_known_checksums_are_accepted(target: Path) -> None:
    with pytest.raises(DataError, match="must begin with http:// or https://"):
        download("file:///etc/hostname", target, SHA256)
    with pytest.raises(DataError, match="a checksum must be"):
        download("https://example.org/file", target, "554c2a4336abc43646fcce4f16014d065909047e")
    assert not target.parent.exists()


def test_the_git_blob_checksum_is_what_git_itself_prints(tmp_path: Path) -> None:
    file = tmp_path / "test.txt"
    file.write_bytes(b"test content\n")
    # `echo 'test content' | git hash-object --stdin`, as in Pro Git, chapter 10.2
    assert file_checksum(file, "git-blob-sha1") == "d670460b4b4aece5915caf5c68d12f560a9fe3e4"


def test_progress_is_printed_in_plain_lines_without_a_terminal(
    upstream, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download(f"{upstream.address}/file.npz", target, SHA256)
    assert capsys.readouterr().err.splitlines() == [
        "file.npz: 0 of 300,007 bytes",
        "file.npz: 300,007 of 300,007 bytes",
    ]
