# SPDX-License-Identifier: Apache-2.0
"""The hub of the tests against huggingface_hub's own client, and zoo against that client."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from loopback_hub import LoopbackHub

from zoo.errors import DownloadError
from zoo.manifest.addresses import HubFile, parse_hosted
from zoo.weights.fetching.host_statements import ask_host
from zoo.weights.hub.endpoint import resolve_address

client = pytest.importorskip("huggingface_hub")
TOKEN = "hf_token"


@pytest.fixture
def commit(hub: LoopbackHub, payload: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    hub.tokens = {TOKEN: {"acme/gated"}, "hf_other": set()}
    hub.add("acme/gated", {"x": payload}, is_gated=True)
    hub.add("datasets/acme/closed", {"x": payload}, is_private=True)
    return hub.add("acme/unet", {"a folder/x+y.pth": payload, "small.json": b"{}"})


@pytest.mark.parametrize("path", ["a folder/x+y.pth", "small.json"])
@pytest.mark.parametrize("is_branch", [True, False])
def test_hub_of_the_tests_serves_the_client_and_states_the_same(
    hub: LoopbackHub, commit: str, payload: bytes, tmp_path: Path, path: str, is_branch: bool
) -> None:
    revision = "main" if is_branch else commit
    url = client.hf_hub_url("acme/unet", path, revision=revision, endpoint=hub.endpoint)

    got = client.hf_hub_download(
        "acme/unet", path, revision=revision, endpoint=hub.endpoint, cache_dir=tmp_path
    )
    theirs = client.get_hf_file_metadata(url, endpoint=hub.endpoint)
    ours = ask_host(f"hf://acme/unet@{revision}/{path}")

    assert Path(got).read_bytes() == (b"{}" if path == "small.json" else payload)
    assert (ours.size_bytes, ours.commit) == (theirs.size, theirs.commit_hash)
    assert ours.sha256 == (None if path == "small.json" else theirs.etag)
    assert theirs.etag != hashlib.sha256(b"{}").hexdigest()


@pytest.mark.parametrize(
    ("name", "path", "revision", "token", "error"),
    [
        ("acme/gated", "x", "main", False, "GatedRepoError"),
        ("acme/gated", "x", "main", "hf_other", "HfHubHTTPError"),
        ("acme/none", "x", "main", False, "RepositoryNotFoundError"),
        ("acme/unet", "none", "main", False, "EntryNotFoundError"),
        ("acme/unet", "small.json", "dev", False, "RevisionNotFoundError"),
    ],
)
def test_hub_of_the_tests_refuses_the_client_as_the_real_one(
    hub: LoopbackHub,
    commit: str,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    path: str,
    revision: str,
    token: str | bool,
    error: str,
) -> None:
    """The client raises its own class for each, and zoo an error too."""
    url = client.hf_hub_url(name, path, revision=revision, endpoint=hub.endpoint)
    if token:
        monkeypatch.setenv("HF_TOKEN", str(token))

    with pytest.raises(getattr(client.errors, error)):
        client.get_hf_file_metadata(url, token=token, endpoint=hub.endpoint)
    with pytest.raises(DownloadError, match=name):
        ask_host(f"hf://{name}@{revision}/{path}")


@pytest.mark.parametrize(
    "address",
    [
        *("hf://acme/unet@main/a b/c+d%20.pth", "hf://datasets/a/b@refs/pr/3/x", "hf://a/b/c"),
        *("hf://spaces/a/b@feature%2Fx/y", "hf://models/a/b@v1.0/ü.pth"),
    ],
)  # fmt: skip
def test_address_means_the_same_url_as_to_the_client(hub: LoopbackHub, address: str) -> None:
    file = parse_hosted(address)
    kind = {"models": None, "datasets": "dataset", "spaces": "space"}

    assert isinstance(file, HubFile)
    theirs = client.hf_hub_url(
        file.repo,
        file.path,
        repo_type=kind[file.kind],
        revision=file.revision,
        endpoint=hub.endpoint,
    )
    assert resolve_address(file) == theirs
    if hasattr(client, "parse_hf_uri"):
        parsed = client.parse_hf_uri(address)
        assert (parsed.id, parsed.revision or "main", parsed.path_in_repo) == (
            file.repo,
            file.revision,
            file.path,
        )
