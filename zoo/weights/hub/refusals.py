# SPDX-License-Identifier: Apache-2.0
"""Why the hub refuses a file, in the words of its error codes, and what to do about it.

The codes (``X-Error-Code``) and texts (``X-Error-Message``) are those that huggingface_hub 1.x
reads in ``utils/_http.py``. The hub answers 401 for what is private and for what does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from zoo.manifest.addresses import HubFile
from zoo.texts import shown
from zoo.weights.hub.endpoint import hub_endpoint

__all__ = ["find_refusal"]

_STATUSES = (401, 403, 404)
_BAD_TOKEN = "Invalid credentials in Authorization header"  # noqa: S105 - the hub's words
_DISABLED = "Access to this resource is disabled."


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A reason and a hint, which differ for a user with a token if ``known`` ones are given."""

    reason: str
    hint: str
    known_reason: str | None = None
    known_hint: str | None = None


_GATED = _Refusal(
    "the repository {repo} is gated",
    "accept its terms at {page}, then set HF_TOKEN to a token of that account.",
    "the repository {repo} is gated, and your token has no access",
    "ask for access at {page}, or set HF_TOKEN to a token of an account that has it.",
)
_NO_REPO = _Refusal(
    "there is no repository {repo}, or it is private",
    "check {page}; for a private one, set HF_TOKEN to a token that may read it.",
    "there is no repository {repo} that your token may read",
    "check {page}, and whether the token of HF_TOKEN may read it.",
)
_NO_REVISION = _Refusal(
    "the repository {repo} has no revision {revision}", "choose one of {page}/commits/main."
)
_NO_FILE = _Refusal(
    "the repository {repo} has no file {path} at revision {revision}",
    "choose a file of {page}/tree/{quoted}.",
)
_UNKNOWN_TOKEN = _Refusal(
    "the hub does not know your token",
    "set HF_TOKEN to a new one of {endpoint}/settings/tokens, or sign out for a public repository.",
)
_IS_DISABLED = _Refusal("the hub has disabled the repository {repo}", "look at {page} for why.")
_FORBIDDEN = _Refusal(
    "the hub refuses access to the repository {repo}",
    "look at {page} for what it asks for, and set HF_TOKEN to a token that may read it.",
)
_BY_CODE = {
    "GatedRepo": _GATED,
    "RepoNotFound": _NO_REPO,
    "RevisionNotFound": _NO_REVISION,
    "EntryNotFound": _NO_FILE,
}
_BY_TEXT = {_BAD_TOKEN: _UNKNOWN_TOKEN, _DISABLED: _IS_DISABLED}
_BY_STATUS = {401: _NO_REPO, 403: _FORBIDDEN}


def find_refusal(
    file: HubFile, status: int, headers: Mapping[str, str], *, has_token: bool
) -> tuple[str, str] | None:
    """Return why the hub refuses a file, and what to do about it; None if it does not.

    Args:
        file: The requested file.
        status: HTTP status.
        headers: Headers of the answer, whose names compare without case.
        has_token: Whether a token was sent.
    """
    if status not in _STATUSES:
        return None
    refusal = _BY_TEXT.get(headers.get("X-Error-Message", ""))
    refusal = refusal or _BY_CODE.get(headers.get("X-Error-Code", "")) or _BY_STATUS.get(status)
    if refusal is None:
        return None
    reason, hint = refusal.reason, refusal.hint
    if has_token:
        reason, hint = refusal.known_reason or reason, refusal.known_hint or hint
    words = {
        "repo": file.repo,
        "page": f"{hub_endpoint()}/{file.page}",
        "endpoint": hub_endpoint(),
        "revision": shown(file.revision),
        "quoted": quote(file.revision, safe=""),
        "path": shown(file.path),
    }
    return f"{reason.format(**words)} ({status})", hint.format(**words)
