# SPDX-License-Identifier: Apache-2.0
"""Writing an index: numbers rise, versions follow, keys stay secret, others can verify it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import stat
import struct
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from weights_rows import weights_row

from zoo.errors import SourceError
from zoo.weights.sources.lookup import find_scoped
from zoo.weights.sources.published_files import rows_of_file
from zoo.weights.sources.publishing import IndexChange, write_index
from zoo.weights.sources.signing import make_key, read_fingerprint
from zoo.weights.sources.updating import add_source, update_source

RECORD: dict[str, Any] = {
    "name": "unet_road",
    "task": "semantic",
    "classes": {"$tuple": ["ground", "road"]},
    "trained_with": "unet_small",
    "parameters": 4,
    "licence": "Apache-2.0",
    "data_licence": "CC0-1.0",
    "metrics": [
        {
            "name": "mIoU",
            "value": 0.5,
            "dataset": "roads",
            "split": "val",
            "labels": "true",
            "protocol": "README",
            "images": 7,
        }
    ],
}


def _file(path: Path, record: dict[str, Any] | None = None, data: bytes = b"") -> Path:
    """Write a ``.safetensors`` without tensors, with a record in its header."""
    held = {} if record is None else {"__metadata__": {"zoo": json.dumps(record)}}
    header = json.dumps(held).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Return a new private key."""
    make_key(tmp_path / "acme")
    return tmp_path / "acme"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return the folder of the source, which is not there yet."""
    return tmp_path / "site"


def _list(site: Path, key: Path | None, file: Path, **changes: Any) -> Any:
    rows = rows_of_file(file, site)
    return write_index(site, IndexChange(rows=rows, **{"name": "acme", **changes}), key)


def test_key_is_readable_by_its_owner_alone_and_never_replaced(tmp_path: Path) -> None:
    """Losing a key means losing the source."""
    public = make_key(tmp_path / "keys" / "acme")
    before = (tmp_path / "keys" / "acme").read_bytes()

    with pytest.raises(SourceError, match="File exists"):
        make_key(tmp_path / "keys" / "acme")

    assert (tmp_path / "keys" / "acme").read_bytes() == before
    assert read_fingerprint(str(tmp_path / "keys" / "acme.pub")) == public.fingerprint
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "keys" / "acme").stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_key_that_others_may_read_signs_nothing(site: Path, key: Path, tmp_path: Path) -> None:
    """The hint is the command that mends it."""
    key.chmod(0o640)

    with pytest.raises(SourceError, match="other users may read it") as caught:
        _list(site, key, _file(tmp_path / "unet_road.safetensors", RECORD))

    assert str(caught.value.hint) == f"chmod 600 {key}"
    assert not (site / "index.json").exists()


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_file_that_is_no_key_is_one_message(site: Path, tmp_path: Path, text: str) -> None:
    """Also the public key in place of the private one."""
    bad = tmp_path / "bad"
    bad.write_text(text)
    bad.chmod(0o600)

    with pytest.raises(SourceError, match="expected a private ed25519 key"):
        write_index(site, IndexChange(name="acme"), bad)
    with pytest.raises(SourceError, match="expected a public ed25519 key"):
        read_fingerprint(str(bad))


def test_missing_key_is_one_message(site: Path, tmp_path: Path) -> None:
    """For signing and for pinning."""
    for act in (
        lambda: write_index(site, IndexChange(name="acme"), tmp_path / "none"),
        lambda: read_fingerprint(str(tmp_path / "none")),
    ):
        with pytest.raises(SourceError, match="cannot read the key"):
            act()


def test_published_index_is_verified_by_others(site: Path, key: Path, tmp_path: Path) -> None:
    """By cryptography itself, over the bytes of the file; one more byte does not fit."""
    _list(site, key, _file(tmp_path / "unet_road.safetensors", RECORD))
    data = (site / "index.json").read_bytes()
    signature = json.loads((site / "index.json.sig").read_bytes())
    public: Any = load_pem_public_key(key.with_name("acme.pub").read_bytes())

    public.verify(base64.b64decode(signature["signature"]), data)
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(signature["signature"]), data + b"\n")
    raw = base64.b64decode(signature["key"])
    assert json.loads(data)["key"] == f"sha256:{hashlib.sha256(raw).hexdigest()}"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_published_index_is_verified_by_openssl(site: Path, key: Path, tmp_path: Path) -> None:
    """The command of docs/sources.md."""
    _list(site, key, _file(tmp_path / "unet_road.safetensors", RECORD))
    signature = json.loads((site / "index.json.sig").read_bytes())["signature"]
    (tmp_path / "signature.bin").write_bytes(base64.b64decode(signature))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", f"{key}.pub", "-rawin"]
    command += ["-in", str(site / "index.json"), "-sigfile", str(tmp_path / "signature.bin")]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_published_file_is_listed_as_its_record_says(site: Path, key: Path, tmp_path: Path) -> None:
    """And lies in the folder as on a mirror."""
    file = _file(tmp_path / "unet_road.safetensors", RECORD)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()

    _list(site, key, file)
    add_source(str(site))

    (found,) = find_scoped("acme/unet_road")
    row: Any = found.row
    assert (row.sha256, row.size_bytes) == (sha256, file.stat().st_size)
    assert (row.classes, row.config, row.parameters) == (("ground", "road"), "unet_small", 4)
    assert row.metrics[0].value == 0.5
    copy = site / sha256 / file.name
    assert copy.read_bytes() == file.read_bytes()
    assert row.urls == (copy.as_uri(),)


def test_each_index_has_the_next_number_and_a_new_date(site: Path, key: Path) -> None:
    """So that it is taken for an update, also without a change."""
    now = datetime.now(UTC)

    first = write_index(site, IndexChange(name="acme", days=10), key)
    second = write_index(site, IndexChange(), key)

    assert (first.sequence, second.sequence) == (1, 2)
    assert timedelta(days=9) < first.expires - now < timedelta(days=11)
    assert timedelta(days=364) < second.expires - now < timedelta(days=366)


def test_what_an_index_says_is_kept(site: Path, key: Path, tmp_path: Path) -> None:
    """Unless it is said anew."""
    homepage = "https://acme.example/zoo"
    file = _file(tmp_path / "unet_road.safetensors", RECORD)
    _list(site, key, file, homepage=homepage, licence="CC-BY-4.0")

    index = write_index(site, IndexChange(licence="CC0-1.0"), key)

    assert (index.name, index.homepage, index.licence) == ("acme", homepage, "CC0-1.0")
    assert len(index.rows) == 1


def test_another_file_of_one_name_is_its_next_version(
    site: Path, key: Path, tmp_path: Path
) -> None:
    """The same file again is no new version, and takes what its record says now."""
    first = _file(tmp_path / "1" / "unet_road.safetensors", RECORD)
    second = _file(tmp_path / "2" / "unet_road.safetensors", RECORD, b"more")

    for file in (first, second, second, first):
        index = _list(site, key, file)

    digests = {row.version: row.sha256 for row in index.rows}  # type: ignore[union-attr]
    assert digests == {
        1: hashlib.sha256(first.read_bytes()).hexdigest(),
        2: hashlib.sha256(second.read_bytes()).hexdigest(),
    }


def test_withdrawn_and_deprecated_rows_are_marked(site: Path, key: Path, tmp_path: Path) -> None:
    """One version, or all."""
    for number in (1, 2):
        _list(site, key, _file(tmp_path / f"{number}.safetensors", RECORD, b"x" * number))
    change = IndexChange(yanked={"unet_road@1": "wrong labels"}, successors={"unet_road": "new"})

    index = write_index(site, change, key)

    assert [(row.version, row.yanked) for row in index.rows] == [(1, "wrong labels"), (2, None)]
    assert {row.successor for row in index.rows} == {"new"}
    with pytest.raises(SourceError, match="no such row"):
        write_index(site, IndexChange(yanked={"unet_road@7": "x"}), key)


def test_signed_index_is_not_replaced_by_an_unsigned_one(site: Path, key: Path) -> None:
    """Users would refuse it."""
    write_index(site, IndexChange(name="acme"), key)
    before = (site / "index.json").read_bytes()

    with pytest.raises(SourceError, match="it was signed"):
        write_index(site, IndexChange(), None)

    assert (site / "index.json").read_bytes() == before


def test_source_is_not_renamed(site: Path, key: Path) -> None:
    """Users would refuse that too."""
    write_index(site, IndexChange(name="acme"), key)

    with pytest.raises(SourceError, match="cannot rename"):
        write_index(site, IndexChange(name="beta"), key)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (IndexChange(), "its source has no name"),
        (IndexChange(name="Acme"), "cannot name a source"),
        (IndexChange(name="loss"), "cannot name a source"),
        (IndexChange(name="acme", homepage="http://acme.example"), "homepage is"),
        (IndexChange(name="acme", rows=[{"name": "x"}]), "lacks the key"),
    ],
)
def test_index_that_nobody_could_read_is_not_written(
    site: Path, key: Path, change: IndexChange, match: str
) -> None:
    """It is read back as users read it before anything is written."""
    with pytest.raises(SourceError, match=match):
        write_index(site, change, key)

    assert not (site / "index.json").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"shelf": 1}', '{"shelf": {"weights": {}}}'])
def test_file_that_is_no_index_is_not_replaced(site: Path, key: Path, text: str) -> None:
    """It may be somebody's."""
    site.mkdir()
    (site / "index.json").write_text(text)

    with pytest.raises(SourceError, match=r"cannot read index\.json"):
        write_index(site, IndexChange(name="acme"), key)

    assert (site / "index.json").read_text() == text


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("x.safetensors", b"", "has no record"),
        ("x.safetensors", struct.pack("<Q", 2) + b"{}", "has no record"),
        ("x.toml", b"[plugin]\nname = 'x'\n", "it lists no weights"),
        ("x.toml", b"weights = 1\n", "it lists no weights"),
        ("x.json", b'{"weights": []}', "it lists no weights"),
        ("x.json", b"{", "it is not JSON"),
    ],
)
def test_file_without_rows_is_one_message(
    site: Path, tmp_path: Path, name: str, data: bytes, match: str
) -> None:
    """It names the file and what can be listed."""
    (tmp_path / name).write_bytes(data)

    with pytest.raises(SourceError, match=match) as caught:
        rows_of_file(tmp_path / name, site)

    assert caught.value.hint
    assert not site.exists()


def test_rows_of_other_hosts_are_listed_as_they_are(site: Path, key: Path, tmp_path: Path) -> None:
    """From a manifest's tables, or from a shelf, whose lists of classes are spelled out."""
    (tmp_path / "rows.toml").write_text(weights_row("one") + weights_row("two", sha256="2" * 64))
    row = {**rows_of_file(tmp_path / "rows.toml", site)[0], "name": "three", "classes": "roads"}
    shelf = {"format": 1, "class_lists": {"roads": ["ground", "road"]}, "weights": [row]}
    (tmp_path / "shelf.json").write_text(json.dumps(shelf))

    _list(site, key, tmp_path / "rows.toml")
    index = _list(site, key, tmp_path / "shelf.json")

    assert [row.name for row in index.rows] == ["one", "two", "three"]
    assert index.rows[2].classes == ("ground", "road")


def test_what_was_published_updates_what_was_added(site: Path, key: Path, tmp_path: Path) -> None:
    """Publisher and user, by the code of both."""
    _list(site, key, _file(tmp_path / "unet_road.safetensors", RECORD))
    source = add_source(str(site), key=f"{key}.pub")
    _list(site, key, _file(tmp_path / "b.safetensors", {**RECORD, "name": "unet_field"}))

    result = update_source("acme")

    assert (source.sequence, result.source.sequence, result.source.rows) == (1, 2, 2)
