"""Download of one file: a broken download is resumed, and the file gets its name after its checksum is verified."""

from __future__ import annotations

import errno
import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from hwsweep.data import DataError
from hwsweep.data.data_files import EMBEDDED
from hwsweep.data.progress_bar import progress_bar
from hwsweep.files import make_once

ATTEMPTS = 5
PAUSE_SECONDS = 1.0  # before the second attempt; doubles with each further one
TIMEOUT_SECONDS = 30.0  # without a single byte
CHUNK_BYTES = 1 << 16
RETRIED_STATUS = {408, 429, 500, 502, 503, 504}
GIT_BLOB = "git-blob-sha1"


def download(url: str, target: Path, checksum: str) -> None:
    """Write the content of `url` to `target` after its checksum is verified.

    A broken download leaves `target`.part; the next call resumes it.

    Args:
        checksum: `algorithm:hex digits`. The algorithm is one of hashlib's, or git-blob-sha1, the hash that git and
            its web pages show for a file.

    Raises:
        DataError: bad address or checksum, no network, no space, or other content than expected.
    """
    algorithm, _, expected = checksum.partition(":")
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"an address must begin with http:// or https://, but got {url}")
    if not expected or algorithm not in {GIT_BLOB, *hashlib.algorithms_guaranteed}:
        raise DataError(f"a checksum must be `sha256:<hex>`, `md5:<hex>` or `{GIT_BLOB}:<hex>`, but got {checksum!r}")
    part = target.with_name(target.name + ".part")

    def make(path: Path) -> None:
        _transfer(url, part)
        _verify(part, algorithm, expected, url)
        part.replace(path)

    try:
        make_once(target, make)
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
    if (actual := file_checksum(part, algorithm)) != expected.lower():
        n_bytes = part.stat().st_size
        part.unlink()  # wrong bytes cannot be resumed
        raise DataError(
            f"{url} must have {algorithm} {expected}, but sent {n_bytes:,} bytes with {actual}. They are deleted. "
            "Run the command again; if the message is the same, upstream has changed its file"
        )


def _transfer(url: str, part: Path) -> None:
    """Complete `part`, over several connections if they break."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        try:
            return _resume(url, part)
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
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise _disk_full(part) from error
    raise DataError(
        f"{url}: the connection broke {ATTEMPTS} times, the last time with: {reason}. {_progress(part)}; "
        "run the command again to resume"
    )


def _resume(url: str, part: Path) -> None:
    """One connection: append the missing bytes to `part`, or start again if the server cannot resume."""
    response = _connect(url, part)
    if response is None:
        return
    with response:
        resumed = response.status == 206
        start = part.stat().st_size if resumed else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            part.open("ab" if resumed else "wb") as file,
            progress_bar(urlsplit(url).path.rpartition("/")[2], "bytes", total, start) as advance,
        ):
            while chunk := response.read1(CHUNK_BYTES):
                file.write(chunk)
                advance(len(chunk))
    if total is not None and (n_bytes := part.stat().st_size) < total:
        raise ConnectionError(f"closed after {n_bytes:,} of {total:,} bytes")


def _connect(url: str, part: Path) -> http.client.HTTPResponse | None:
    """The response with the bytes after `part`, or with all bytes; None if `part` is complete."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "hwsweep"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(url, headers=headers)
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416 or not start:
            raise
        if error.headers.get("Content-Range", "") == f"bytes */{start}":  # complete; only the check is missing
            return None
        part.unlink()  # longer than the file, so it is not its beginning
        return _connect(url, part)
    content_range = response.headers.get("Content-Range", "")
    if response.status == 206 and not content_range.startswith(f"bytes {start}-"):
        response.close()
        part.unlink()
        raise ConnectionError(f"the server must send the bytes from {start:,}, but sent {content_range or 'others'}")
    return response


def _disk_full(part: Path) -> DataError:
    return DataError(
        f"no space left for {part} ({shutil.disk_usage(part.parent).free:,} bytes free). {_progress(part)}; make room "
        "and run the command again to resume, or let HWSWEEP_DATA name a folder on a larger disk"
    )


def _unreachable(url: str, part: Path, reason: object) -> DataError:
    progress = f" {_progress(part)}." if part.exists() else ""
    by_hand = f"copy the file to {part.with_suffix('')} yourself"
    return DataError(
        f"cannot reach {urlsplit(url).netloc} ({reason}).{progress} Offline? Then {by_hand}, or {EMBEDDED}"
    )


def _progress(part: Path) -> str:
    return f"{part.stat().st_size if part.exists() else 0:,} bytes are in {part}"
