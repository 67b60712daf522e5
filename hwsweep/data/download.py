"""One file from the web: resumed where it broke off, checked, and only then put under its name."""

from __future__ import annotations

import errno
import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from filelock import FileLock

from hwsweep.data import DataError
from hwsweep.data.locations import EMBEDDED
from hwsweep.data.progress import progress

ATTEMPTS = 5
PAUSE_SECONDS = 1.0  # before the second attempt; doubles with each further one
TIMEOUT_SECONDS = 30.0  # without a single byte
CHUNK_BYTES = 1 << 16
RETRIED_STATUS = {408, 429, 500, 502, 503, 504}
GIT_BLOB = "git-blob-sha1"


def download(url: str, target: Path, checksum: str) -> None:
    """Nothing comes back; `target` then holds what `url` serves, and it matches `checksum`.

    A broken download leaves `target`.part behind, and the next call goes on from there.

    Args:
        checksum: `algorithm:hex digits`; the algorithm is one of hashlib's, or git-blob-sha1, which is what
            git calls the content and what its web pages show.

    Raises:
        DataError: bad address or checksum, no network, no space, or the content is not what was expected.
    """
    algorithm, _, expected = checksum.partition(":")
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"only http and https addresses are fetched, but got {url}")
    if not expected or algorithm not in {GIT_BLOB, *hashlib.algorithms_guaranteed}:
        raise DataError(f"a checksum reads `sha256:<hex>`, `md5:<hex>` or `{GIT_BLOB}:<hex>`, but got {checksum!r}")
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if target.exists():  # another process was faster
                return
            _transfer(url, part)
            _verify(part, algorithm, expected, url)
            part.replace(target)
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror or error}") from error


def file_checksum(path: Path, algorithm: str) -> str:
    """Hex digits of the file's checksum under `algorithm` (see `download`)."""
    digest = hashlib.new("sha1" if algorithm == GIT_BLOB else algorithm, usedforsecurity=False)
    if algorithm == GIT_BLOB:
        digest.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _verify(part: Path, algorithm: str, expected: str, url: str) -> None:
    if (found := file_checksum(part, algorithm)) != expected.lower():
        n_bytes = part.stat().st_size
        part.unlink()  # going on from wrong bytes would never end well
        raise DataError(
            f"{url} served {n_bytes:,} bytes with {algorithm} {found}, but {expected} was expected: deleted. "
            "Run the command again; if it says the same, upstream has changed its file"
        )


def _transfer(url: str, part: Path) -> None:
    """Complete `part`, over several connections if they are cut."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        try:
            return _continue(url, part)
        except urllib.error.HTTPError as error:
            if error.code not in RETRIED_STATUS:
                raise DataError(f"{url}: the server answered {error.code} {error.reason}") from error
            reason: Exception = error
        except urllib.error.URLError as error:  # raised while connecting
            if not isinstance(error.reason, ConnectionResetError):
                raise _unreachable(url, part, error.reason) from error
            reason = error
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason = error
    raise DataError(
        f"{url}: the connection broke {ATTEMPTS} times, last with: {reason}. {_kept(part)}; "
        "run the command again to go on from there"
    )


def _continue(url: str, part: Path) -> None:
    """One connection: append what is missing from `part`, or start afresh if the server cannot resume."""
    response = _connect(url, part)
    if response is None:
        return
    with response:
        resumed = response.status == 206
        start = part.stat().st_size if resumed else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            part.open("ab" if resumed else "wb", buffering=0) as file,
            progress(urlsplit(url).path.rpartition("/")[2], "bytes", total, start) as advance,
        ):
            while chunk := response.read1(CHUNK_BYTES):
                _append(file, chunk, part)
                advance(len(chunk))
    if total is not None and (n_bytes := part.stat().st_size) < total:
        raise ConnectionError(f"closed after {n_bytes:,} of {total:,} bytes")


def _connect(url: str, part: Path) -> http.client.HTTPResponse | None:
    """The answer that holds what follows on `part`, or everything; None if nothing is missing."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "hwsweep"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(url, headers=headers)
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416 or not start:
            raise
        if error.headers.get("Content-Range", "") == f"bytes */{start}":  # only the check was missing
            return None
        part.unlink()  # longer than the file: not a beginning of it
        return _connect(url, part)
    sent = response.headers.get("Content-Range", "")
    if response.status == 206 and not sent.startswith(f"bytes {start}-"):
        response.close()
        part.unlink()
        raise ConnectionError(f"asked for the bytes from {start:,}, the server sent {sent or 'others'}")
    return response


def _append(file: BinaryIO, chunk: bytes, part: Path) -> None:
    rest = memoryview(chunk)
    try:
        while rest:  # an unbuffered file may take less than it was given
            rest = rest[file.write(rest) :]
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(f"cannot write {part}: {error.strerror or error}") from error
        free = shutil.disk_usage(part.parent).free
        raise DataError(
            f"no space left for {part} ({free:,} bytes free). {_kept(part)}; make room and run the command again "
            "to go on from there, or let HWSWEEP_DATA name a folder on a larger disk"
        ) from error


def _unreachable(url: str, part: Path, reason: object) -> DataError:
    kept = f" {_kept(part)}." if part.exists() else ""
    by_hand = f"copy the file to {part.with_suffix('')} yourself"
    return DataError(f"cannot reach {urlsplit(url).netloc} ({reason}).{kept} Offline? Then {by_hand}; {EMBEDDED}")


def _kept(part: Path) -> str:
    return f"{part.stat().st_size if part.exists() else 0:,} bytes are kept in {part}"
