# SPDX-License-Identifier: Apache-2.0
"""The grammar of ``hf://`` and ``github://``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.manifest.addresses import HubFile, ReleaseAsset, is_hosted, parse_hosted

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PART = st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True)
PATH = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/?#\\"), min_size=1)
    .filter(lambda part: part not in (".", "..")),
    min_size=1,
    max_size=3,
).map("/".join)  # fmt: skip
REVISION = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("hf://acme/unet@main/a/b.pth", HubFile("models", "acme/unet", "main", "a/b.pth")),
        ("hf://acme/unet/b.pth", HubFile("models", "acme/unet", "main", "b.pth")),
        ("hf://models/acme/unet@v1/b", HubFile("models", "acme/unet", "v1", "b")),
        ("hf://datasets/a/b@v1.0/c", HubFile("datasets", "a/b", "v1.0", "c")),
        (f"hf://spaces/a/b@{COMMIT}/c", HubFile("spaces", "a/b", COMMIT, "c")),
        ("hf://a/b@refs/pr/3/c/d", HubFile("models", "a/b", "refs/pr/3", "c/d")),
        ("hf://a/b@feature%2Fx/c", HubFile("models", "a/b", "feature/x", "c")),
        ("HF://a/b@v/c d@e.pth", HubFile("models", "a/b", "v", "c d@e.pth")),
        ("github://a/b@v1/x.pth", ReleaseAsset("a/b", "v1", "x.pth")),
    ],
)
def test_parse_hosted_reads_each_form(address: str, file: HubFile | ReleaseAsset) -> None:
    assert is_hosted(address)
    assert parse_hosted(address) == file
    assert parse_hosted(file.address) == file


@pytest.mark.parametrize(
    "address",
    [
        *("hf://", "hf://a", "hf://a/b", "hf://a/b/", "hf://a/b@v", "hf://a/b@v/", "hf://a/b@/c"),
        *("hf://a/b@v//c", "hf://a/b@v/c/", "hf://a/b@v/../c", "hf://a/b@v/c/./d", "hf://a/b@v w/"),
        *("hf://a/b@v/c?d", "hf://a/b@v/c#d", "hf://a/b@v/c\\d", "hf://a/b@v/c\nd", "hf://.a/b@v/c"),
        *("hf://a/b-@v/c", "hf://datasets/a@v/c", "hf://datasets/a/b.pth", "hf://a b/c@v/d"),
        *("hf://user:password@a/b@v/c", f"hf://{'a' * 97}/b@v/c"),
        *("github://a/b/c", "github://a/b@v", "github://a/b@v/", "github://a/b@v/c/d"),
    ],
)  # fmt: skip
def test_parse_hosted_refuses_anything_else_with_the_form_that_it_expects(address: str) -> None:
    with pytest.raises(ValueError, match=r"(hf|github)://\w+/REPO@"):
        parse_hosted(address)


@given(PART, PART, REVISION, PATH, st.sampled_from(["models", "datasets", "spaces"]))
def test_address_of_a_hub_file_reads_back(
    org: str, name: str, revision: str, path: str, kind: str
) -> None:
    """Whatever git and the hub allow in names of revisions and files."""
    if org in ("models", "datasets", "spaces"):
        return
    file = HubFile(kind, f"{org}/{name}", revision, path)

    assert parse_hosted(file.address) == file


@pytest.mark.parametrize(
    ("revision", "is_pinned"),
    [(COMMIT, True), (COMMIT[:39], False), ("main", False), (COMMIT.upper(), False)],
)
def test_only_a_whole_commit_is_pinned(revision: str, is_pinned: bool) -> None:
    assert HubFile("models", "a/b", revision, "c").is_pinned is is_pinned
