"""A web server on loopback that can be told to misbehave, and a cache folder of one's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwsweep.data.locations._user_cache", lambda: tmp_path / "cache")


@dataclass
class Upstream:
    """What the server serves, how it misbehaves, and what it was asked."""

    address: str
    content: bytes = b""
    ranges: bool = True
    status: int | None = None  # answer everything with this
    sent_before_cut: list[int] = field(default_factory=list)  # one entry a connection; then no more cuts
    range_shift: int = 0  # claim another range than the one asked for
    asked: list[str | None] = field(default_factory=list)  # the Range header of each request


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """A real server in a thread."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("hwsweep.data.download.PAUSE_SECONDS", 0.0)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            asked = self.headers["Range"]
            served.asked.append(asked)
            if served.status:
                return self.send_error(served.status)
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and served.ranges else 0
            n_bytes = len(served.content)
            if start and start >= n_bytes:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{n_bytes}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start + served.range_shift}-{n_bytes - 1}/{n_bytes}")
            self.send_header("Content-Length", str(n_bytes - start))
            self.end_headers()
            limit = served.sent_before_cut.pop(0) if served.sent_before_cut else n_bytes
            self.wfile.write(served.content[start : start + limit])
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Upstream(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        server.shutdown()
        thread.join()
