# SPDX-License-Identifier: Apache-2.0
"""The grammar of ``hf://`` and ``github://``: files of a hub's repositories, and release assets.

``hf://[models/|datasets/|spaces/]ORG/REPO[@REVISION]/PATH`` is huggingface_hub's own grammar; the
path is written as it is, not percent-encoded. ``github://OWNER/REPO@TAG/ASSET`` is zoo's. And how
any address is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlsplit, urlunsplit

__all__ = ["HubFile", "ReleaseAsset", "is_hosted", "parse_hosted", "shown_address"]

_SCHEME = re.compile(r"(hf|github)://", re.IGNORECASE)
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REVISION = r"refs/(?:pr/[0-9]+|convert/[A-Za-z0-9_.-]+)|[^/@?#\s]+"
_HUB = re.compile(
    rf"hf://(?:(models|datasets|spaces)/)?(?!(?:models|datasets|spaces)/)({_PART}/{_PART})(?:@({_REVISION}))?(?:/(.*))?",
    re.IGNORECASE | re.DOTALL,
)
_RELEASE = re.compile(
    rf"github://({_PART}/{_PART})@([^/@?#\s]+)(?:/(.*))?", re.IGNORECASE | re.DOTALL
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_UNFIT = re.compile(r"[?#\\\x00-\x1f\x7f]")  # a query, a fragment, or a control character
_MAIN = "main"


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository on a hub.

    Attributes:
        kind: ``models``, ``datasets`` or ``spaces``.
        repo: ``ORG/REPO``.
        revision: Commit, branch, tag or ``refs/pr/1``; ``main`` if the address names none.
        path: Path inside the repository, not encoded; empty for the whole repository.
    """

    kind: str
    repo: str
    revision: str
    path: str

    @property
    def is_pinned(self) -> bool:
        """Return whether the revision is a whole commit, which always has the same files."""
        return _COMMIT.fullmatch(self.revision) is not None

    @property
    def page(self) -> str:
        """Return the path of the repository's page on its hub."""
        return self.repo if self.kind == "models" else f"{self.kind}/{self.repo}"

    @property
    def address(self) -> str:
        """Return the ``hf://`` address."""
        is_plain = re.fullmatch(r"refs/(?:pr|convert)/[^/]+", self.revision) is not None
        revision = self.revision if is_plain else quote(self.revision, safe="")
        return f"hf://{self.page}@{revision}" + (f"/{self.path}" if self.path else "")

    def at(self, revision: str) -> HubFile:
        """Return the same file at another revision.

        Args:
            revision: Commit, branch or tag.
        """
        return replace(self, revision=revision)


@dataclass(frozen=True, slots=True)
class ReleaseAsset:
    """A file of a release on GitHub.

    Attributes:
        repo: ``OWNER/REPO``.
        tag: Tag of the release.
        name: Name of the asset; empty for the whole release.
    """

    repo: str
    tag: str
    name: str

    @property
    def address(self) -> str:
        """Return the ``github://`` address."""
        return f"github://{self.repo}@{quote(self.tag, safe='')}" + (
            f"/{self.name}" if self.name else ""
        )


def is_hosted(address: str) -> bool:
    """Return whether an address starts with ``hf://`` or ``github://``.

    Args:
        address: A URL.
    """
    return _SCHEME.match(address) is not None


def parse_hosted(address: str, *, is_base: bool = False) -> HubFile | ReleaseAsset:
    """Return what an ``hf://`` or ``github://`` address names.

    Args:
        address: The address.
        is_base: Whether it names the repository or a folder in it, as a mirror does.

    Raises:
        ValueError: It does not follow the grammar; the message is the expected form.

    Example:
        >>> parse_hosted("hf://acme/unet@main/unet.safetensors").revision
        'main'
    """
    is_hub = address[:3].lower() == "hf:"
    found = (_HUB if is_hub else _RELEASE).fullmatch(address)
    path = found.groups()[-1] or "" if found else ""
    if found is None or not (_is_path(path) or (is_base and not path)):
        message = "hf://ORG/REPO@REVISION/FILE" if is_hub else "github://OWNER/REPO@TAG/ASSET"
        raise ValueError(message)
    if is_hub:
        revision = unquote(found[3]) if found[3] else _MAIN
        return HubFile((found[1] or "models").lower(), found[2], revision, path)
    if "/" in path:
        message = "github://OWNER/REPO@TAG/ASSET, without folders"
        raise ValueError(message)
    return ReleaseAsset(found[1], unquote(found[2]), path)


def _is_path(path: str) -> bool:
    """Return whether a text is a path inside a repository that stays inside."""
    return bool(path) and _UNFIT.search(path) is None and not {"", ".", ".."} & {*path.split("/")}


def shown_address(address: str) -> str:
    """Return an address for messages, without user name, password or token.

    Args:
        address: A URL, possibly invalid.
    """
    try:
        parts = urlsplit(address)
    except ValueError:  # invalid, but may still contain a password
        return f"{address.partition('//')[0]}//..."
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
