# SPDX-License-Identifier: Apache-2.0
"""A hub on loopback that speaks the protocol of huggingface.co, for tests of whole downloads.

    with LoopbackHub() as hub:
        commit = hub.add("acme/unet", {"unet.safetensors": data})
        os.environ["HF_ENDPOINT"] = hub.endpoint
        address = f"hf://acme/unet@{commit}/unet.safetensors"

Large files (``lfs_bytes`` and more) are redirected to a second port, the CDN, by signed addresses
that expire after ``signed_s``; the headers state sha256, size and commit. Small files are served
by the hub itself behind a redirect without a host, and only their git digest is stated. A gated
or private repository wants a token of ``tokens``. `hub.asked` and `hub.cdn.asked` list every
request with its headers; `hub.cdn` is a `FaultyServer`, whose faults apply.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from faulty_server import Asked, FaultyServer, Handler

__all__ = ["LoopbackHub", "Repository"]

_RESOLVE = re.compile(r"/((?:datasets/|spaces/)?[^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_CACHED = re.compile(r"/api/resolve-cache/(models|datasets|spaces)/([^/]+/[^/]+)/([^/]+)/(.+)")
_KEY = b"loopback"


@dataclass(slots=True)
class Repository:
    """One repository.

    Attributes:
        commits: Commit -> path -> bytes.
        branches: Branch or tag -> commit.
        is_gated: Whether a token with access is wanted, and the repository is known to all.
        is_private: Whether it is hidden from those without access.
        renamed_to: Its new name, or None.
    """

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    is_gated: bool = False
    is_private: bool = False
    renamed_to: str | None = None


@dataclass(slots=True)
class LoopbackHub:
    """Serves ``repositories`` on 127.0.0.1 while it is entered as a context.

    Attributes:
        repositories: ``ORG/REPO``, ``datasets/ORG/REPO`` or ``spaces/ORG/REPO`` -> repository.
        tokens: Token -> the gated and private repositories that it may read.
        lfs_bytes: Files of this size and more are on the CDN.
        signed_s: Seconds until an address of the CDN expires.
        signed_uses: How often an address of the CDN may be used, or None for any number.
        stated: Headers that replace what the hub states, such as ``X-Linked-Etag``.
        refusals: Status and headers of the next answers of the hub, before it behaves.
        asked: Every request to the hub so far.
        cdn: The server of the large files.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    tokens: dict[str, set[str]] = field(default_factory=dict)
    lfs_bytes: int = 1000
    signed_s: float = 60.0
    signed_uses: int | None = None
    stated: dict[str, str] = field(default_factory=dict)
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    cdn: FaultyServer = field(default_factory=FaultyServer)
    _used: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _server: Any = None
    _thread: Any = None

    def __enter__(self) -> Self:
        self.cdn.admits = self._admits
        self.cdn.__enter__()
        self._server = _Server(("127.0.0.1", 0), _HubHandler)
        self._server.owner = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.cdn.__exit__()

    @property
    def endpoint(self) -> str:
        """Return what to set ``HF_ENDPOINT`` to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(
        self,
        name: str,
        files: dict[str, bytes],
        *,
        branch: str = "main",
        is_gated: bool = False,
        is_private: bool = False,
    ) -> str:
        """Commit files to a repository, made if missing, and return the commit.

        Args:
            name: ``ORG/REPO``, after ``datasets/`` or ``spaces/`` for those.
            files: Path -> bytes.
            branch: The branch that moves to the commit.
            is_gated: Of a new repository, whether it is gated.
            is_private: Of a new repository, whether it is private.
        """
        new = Repository(is_gated=is_gated, is_private=is_private)
        repository = self.repositories.setdefault(name, new)
        digest = hashlib.sha1(f"{name} {len(repository.commits)}".encode(), usedforsecurity=False)
        for path, data in sorted(files.items()):
            digest.update(path.encode() + hashlib.sha256(data).digest())
        commit = digest.hexdigest()
        repository.commits[commit] = dict(files)
        repository.branches[branch] = commit
        return commit

    def signed(self, path: str) -> str:
        """Return an address of the CDN that is valid for ``signed_s``.

        Args:
            path: Path on the CDN.
        """
        expires, number = time.time() + self.signed_s, len(self.asked)
        text = f"{path} {expires} {number}"
        signature = hmac.new(_KEY, text.encode(), "sha256").hexdigest()
        query = f"Expires={expires}&Number={number}&Signature={signature}"
        return f"{self.cdn.address}{quote(path)}?{query}"

    def _admits(self, handler: Handler) -> bool:
        """Return whether the CDN serves a request: it is signed, and in time."""
        parts = urlsplit(handler.asked.target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        text = f"{unquote(parts.path)} {query.get('Expires')} {query.get('Number')}"
        wanted = hmac.new(_KEY, text.encode(), "sha256").hexdigest()
        self._used[wanted] += 1
        is_fresh = self.signed_uses is None or self._used[wanted] <= self.signed_uses
        is_signed = query.get("Signature") == wanted
        return is_signed and is_fresh and float(query["Expires"]) > time.time()


class _Server(ThreadingHTTPServer):
    owner: LoopbackHub
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing, as clients are expected to hang up or to be killed."""


class _HubHandler(BaseHTTPRequestHandler):
    """Answer as huggingface.co does."""

    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        hub = self.server.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = urlsplit(self.path).path
        hub.asked.append(Asked(path, headers, 0, method=self.command, target=self.path))
        if hub.refusals:
            status, told = hub.refusals.pop(0)
            self._answer(status, told)
            return
        cached = _CACHED.fullmatch(path)
        if cached is not None:
            kind = "" if cached[1] == "models" else f"{cached[1]}/"
            self._resolve(f"{kind}{cached[2]}", cached[3], unquote(cached[4]), is_cached=True)
            return
        found = _RESOLVE.fullmatch(path)
        if found is None:
            self._answer(404, {})
            return
        self._resolve(found[1], unquote(found[2]), unquote(found[3]))

    do_HEAD = do_GET

    def _resolve(self, name: str, revision: str, path: str, *, is_cached: bool = False) -> None:
        hub = self.server.owner
        repository = hub.repositories.get(name)
        if not self._may_read(name, repository) or repository is None:
            return
        if repository.renamed_to is not None:
            where = f"/{repository.renamed_to}/resolve/{quote(revision, safe='')}/{quote(path)}"
            self._answer(307, {"Location": where})
            return
        commit = repository.branches.get(revision, revision)
        if commit not in repository.commits:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        data = repository.commits[commit].get(path)
        if data is None:
            self._refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
            return
        self._serve(name, commit, path, data, is_cached=is_cached)

    def _may_read(self, name: str, repository: Repository | None) -> bool:
        """Answer 401, 403 or 404 and return False unless the sender may read a repository."""
        hub = self.server.owner
        login = self.headers.get("Authorization")
        token = (login or "").removeprefix("Bearer ")
        if login is not None and token not in hub.tokens:
            self._refuse(401, None, "Invalid credentials in Authorization header")
            return False
        has_access = name in hub.tokens.get(token, ())
        if repository is None or (repository.is_private and not has_access):
            self._refuse(401 if login is None else 404, "RepoNotFound", "Repository not found")
            return False
        if repository.is_gated and not has_access:
            text = f"Access to model {name} is restricted."
            self._refuse(401 if login is None else 403, "GatedRepo", text)
            return False
        return True

    def _serve(self, name: str, commit: str, path: str, data: bytes, *, is_cached: bool) -> None:
        hub = self.server.owner
        told = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if len(data) >= hub.lfs_bytes:
            sha256 = hashlib.sha256(data).hexdigest()
            told |= {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(data))}
            hub.cdn.files.setdefault(f"/repos/{sha256}", data)
            location = hub.signed(f"/repos/{sha256}")
            self._answer(302, {**told, "Location": location, **hub.stated})
            return
        blob = hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False)
        told["ETag"] = f'"{blob.hexdigest()}"'
        if is_cached:
            self._answer(200, {**told, **hub.stated}, data)
            return
        kinded = name if name.count("/") == 2 else f"models/{name}"
        location = f"/api/resolve-cache/{kinded}/{commit}/{quote(path)}"
        told |= {"X-Linked-Etag": told["ETag"], "X-Linked-Size": str(len(data))}
        self._answer(307, {**told, "Location": location, **hub.stated})

    def _refuse(
        self, status: int, code: str | None, text: str, told: dict[str, str] | None = None
    ) -> None:
        headers = {"X-Error-Message": text, **(told or {})}
        if code is not None:
            headers["X-Error-Code"] = code
        self._answer(status, headers, text.encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        given = {"Content-Type": "text/plain", "Content-Length": str(len(body)), **headers}
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
