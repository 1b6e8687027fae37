"""Web servers in the test's process: one that misbehaves as told, and a small hub."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """A server whose clients may leave at any time."""

    def handle_error(self, *_: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*_)


@contextlib.contextmanager
def serving(get: Answer, head: Answer | None = None) -> Iterator[str]:
    """The address of a server that answers by `get` and `head`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            get(self)

        def do_HEAD(self) -> None:
            head(self)

        def log_message(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(
    handler: BaseHTTPRequestHandler,
    content: bytes = b"",
    status: int = 200,
    headers: dict[str, str] | None = None,
    cut: int | None = None,
) -> None:
    """Answer with `content`, closing the connection after `cut` bytes of it."""
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command == "GET":
        handler.wfile.write(content[:cut])
    if cut is not None:
        handler.wfile.flush()
        handler.close_connection = True


def answer_range(
    handler: BaseHTTPRequestHandler, content: bytes, etag: str, cut: int | None = None
) -> None:
    """Answer as a file server does: the part that is asked for, if the file is still the same."""
    headers = {"ETag": etag, "Accept-Ranges": "bytes"}
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if asked is None or handler.headers.get("If-Range", etag) != etag:
        return answer(handler, content, 200, headers, cut)
    start = int(asked[1])
    if start >= len(content):
        return answer(handler, b"", 416, {"Content-Range": f"bytes */{len(content)}"})
    span = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
    return answer(handler, content[start:], 206, headers | span, cut)


class Hub:
    """What the hub answers for one repository at one revision, from the files of a folder.

    Files of more than 200 bytes count as large, with a SHA-256; smaller ones have git's blob id.
    """

    def __init__(self, kind: str, name: str, revision: str, folder: Path):
        self.kind, self.name, self.revision, self.folder = kind, name, revision, folder
        self.asked: list[str] = []
        """paths of the files that were asked for"""
        self.content: dict[str, bytes] = {}
        """of files that are served otherwise than they are listed"""
        self.failures: dict[str, int] = {}
        """how often a file is cut off in the middle before it comes whole"""

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request for the list of files or for a file."""
        if handler.path.startswith(f"/api/{self.kind}/{self.name}/tree/{self.revision}"):
            entries = [self._entry(path) for path in self._files()]
            return answer(handler, json.dumps(entries).encode())
        return self.file(handler)

    def file(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request for a file."""
        prefix = "/datasets" if self.kind == "datasets" else ""
        start = f"{prefix}/{self.name}/resolve/{self.revision}/"
        path = handler.path.removeprefix(start).partition("?")[0]
        if not handler.path.startswith(start) or path not in self._files():
            headers = {
                "X-Error-Code": "RevisionNotFound" if "/tree/" in handler.path else "EntryNotFound"
            }
            if self.name not in handler.path:
                headers = {"X-Error-Code": "RepoNotFound"}
            return answer(handler, b"{}", 404, headers)
        content = (self.folder / path).read_bytes()
        entry = self._entry(path)
        etag = entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]
        headers = {"X-Repo-Commit": self.revision, "ETag": f'"{etag}"'}
        if "lfs" in entry:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(content))}
        if handler.command == "HEAD":
            return answer(handler, content, 200, headers)
        self.asked.append(path)
        cut = None
        if self.failures.get(path, 0) > 0:
            self.failures[path] -= 1
            cut = len(content) // 2
        return answer(handler, self.content.get(path, content), 200, headers, cut)

    def _files(self) -> list[str]:
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return [path.relative_to(self.folder).as_posix() for path in paths]

    def _entry(self, path: str) -> dict:
        content = (self.folder / path).read_bytes()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry = {"type": "file", "path": path, "size": len(content), "oid": blob}
        if len(content) > 200:
            sha256 = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 130}
        return entry
