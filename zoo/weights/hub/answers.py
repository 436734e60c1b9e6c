# SPDX-License-Identifier: Apache-2.0
"""What the hub states about a file in the headers of its answers.

Checked against huggingface_hub 1.x (``file_download.py``): the answer of
``<endpoint>/ORG/REPO/resolve/REVISION/PATH`` states the commit, and for a large file also its
sha256 and size, before it redirects to a signed address of a CDN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["HubAnswer", "merged_answers", "read_hub_answer"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SIZE = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class HubAnswer:
    """What the hub states about a file in the headers of one answer.

    Attributes:
        sha256: Digest of the file, which the hub knows of large files only; or None.
        size_bytes: Size, or None.
        commit: Commit that the revision means, or None.
    """

    sha256: str | None
    size_bytes: int | None
    commit: str | None


def read_hub_answer(headers: Mapping[str, str]) -> HubAnswer:
    """Return what the hub states in the headers of an answer; anything malformed counts as absent.

    Args:
        headers: Headers of the answer, whose names compare without case.
    """
    etag = headers.get("X-Linked-Etag", "").strip().removeprefix("W/").strip('"').lower()
    size, commit = headers.get("X-Linked-Size", "").strip(), headers.get("X-Repo-Commit", "")
    return HubAnswer(
        sha256=etag if _DIGEST.fullmatch(etag) else None,
        size_bytes=int(size) if _SIZE.fullmatch(size) else None,
        commit=commit.lower() if _COMMIT.fullmatch(commit.lower()) else None,
    )


def merged_answers(answers: Sequence[HubAnswer]) -> HubAnswer:
    """Return the first value of each that the hub stated on the way through its redirects.

    Args:
        answers: What its answers stated, in order.
    """
    return HubAnswer(
        sha256=next((each.sha256 for each in answers if each.sha256), None),
        size_bytes=next((each.size_bytes for each in answers if each.size_bytes is not None), None),
        commit=next((each.commit for each in answers if each.commit), None),
    )
