"""A web server on loopback that fails on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Upstream:
    """What the server sends, how it fails, and the requests that it got."""

    address: str
    content: bytes = b""
    ranges: bool = True
    status: int | None = None  # the answer to every request
    sent_before_cut: list[int] = field(default_factory=list)  # one entry a connection; then no more cuts
    range_shift: int = 0  # send another range than the requested one
    requests: list[str | None] = field(default_factory=list)  # the Range header of each one


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """A real server in a thread."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("hwsweep.data.download.PAUSE_SECONDS", 0.0)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            requested = self.headers["Range"]
            served.requests.append(requested)
            if served.status:
                return self.send_error(served.status)
            start = int(requested.removeprefix("bytes=").removesuffix("-")) if requested and served.ranges else 0
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
