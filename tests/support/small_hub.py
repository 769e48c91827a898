"""A model hub in a thread of this process: enough of its protocol for the real client to list, fetch and resume."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


@dataclass
class SmallHub:
    """What the hub holds. models: name -> folder. gated: names that want a token. cut: file -> bytes after which its
    first download breaks off. lies: files whose checksum is announced wrongly. asked: (method, path, range) as they
    came."""

    models: dict[str, Path]
    gated: set[str] = field(default_factory=set)
    cut: dict[str, int] = field(default_factory=dict)
    lies: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    address: str = ""

    def entry(self, path: Path) -> dict[str, Any]:
        """A file as the hub's tree lists it; weights are kept in large file storage."""
        data = path.read_bytes() + (b"!" if path.name in self.lies else b"")
        oid = hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()
        entry: dict[str, Any] = {"type": "file", "path": path.name, "oid": oid, "size": path.stat().st_size}
        if path.suffix == ".safetensors":
            sha = hashlib.sha256(data).hexdigest()
            entry["lfs"] = {"oid": sha, "size": path.stat().st_size, "pointerSize": 130}
        return entry


@contextmanager
def serve(hub: SmallHub) -> Iterator[SmallHub]:
    """The hub, listening at `hub.address` inside the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append((self.command, path, self.headers.get("Range")))
            words = path.removeprefix("/api/models").strip("/").split("/")
            name = "/".join(words[:2])
            if name not in hub.models or len(words) < 4:  # among them what the client asks besides models
                return self._refuse(404, "RepoNotFound")
            kind, revision = words[2:4]
            if revision not in ("main", COMMIT):
                return self._refuse(404, "RevisionNotFound")
            if name in hub.gated and self.headers.get("Authorization") != "Bearer let-me-in" and kind == "resolve":
                return self._refuse(403, "GatedRepo")
            folder = hub.models[name]
            files = sorted(path for path in folder.iterdir() if path.is_file())
            if kind == "revision":
                listed = [{"rfilename": path.name} for path in files]
                return self._json({"_id": "1", "id": name, "sha": COMMIT, "siblings": listed})
            if kind == "tree":
                return self._json([hub.entry(path) for path in files])
            file = folder / words[4]
            if not file.is_file():
                return self._refuse(404, "EntryNotFound")
            return self._file(file, body)

        def _refuse(self, code: int, word: str) -> None:
            self.send_response(code)
            self.send_header("X-Error-Code", word)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _json(self, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _file(self, file: Path, body: bool) -> None:
            data, entry = file.read_bytes(), hub.entry(file)
            wanted = self.headers.get("Range")
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            self.send_response(206 if wanted else 200)
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("ETag", f'"{entry.get("lfs", entry)["oid"]}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            if not body:
                return
            if (end := hub.cut.pop(file.name, None)) is not None:
                self.wfile.write(data[start:end])
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
                return
            self.wfile.write(data[start:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
