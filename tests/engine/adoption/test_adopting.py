# SPDX-License-Identifier: Apache-2.0
"""Living weights: fetched from a hub on loopback, judged, converted once, pinned."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import zoo
from zoo.cli import main
from zoo.errors import DownloadError
from zoo.weights.lock import read_pins

pytestmark = pytest.mark.mm


@pytest.mark.parametrize("form", ["pth", "model", "wrapped", "safetensors", "pkl"])
def test_row_with_a_full_digest_is_adopted_unasked_from_every_form(
    foreign: Any, source_bytes: Callable[[str], bytes], tiny_weights: dict[str, Any], form: str
) -> None:
    """The converted file has equal tensors under the model's names, and a record that opens."""
    from safetensors.torch import load_file

    file = f"model.{form}" if form in ("safetensors", "pkl") else "pytorch_model.bin"
    foreign.list(foreign.row(source_bytes(form), file))

    path = zoo.download("tiny_other")
    model = zoo.load("tiny_other", device="cpu")

    found = load_file(path)
    assert found.keys() == {name.removeprefix("net.") for name in tiny_weights}
    assert all(found[name.removeprefix("net.")].equal(v) for name, v in tiny_weights.items())
    assert model.model.classes == ("sky", "road", "car")
    assert path.parent.name == read_pins()["tiny_other"].sha256


def test_adopted_weights_need_no_network_again(
    foreign: Any, source_bytes: Callable[[str], bytes]
) -> None:
    foreign.list(foreign.row(source_bytes("pth")))
    first = zoo.download("tiny_other")
    asked = len(foreign.hub.asked)

    assert zoo.download("tiny_other", offline=True) == first
    assert len(foreign.hub.asked) == asked


def test_emptied_cache_is_filled_with_the_pinned_bytes(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path
) -> None:
    import shutil

    foreign.list(foreign.row(source_bytes("pth")))
    first = zoo.download("tiny_other").read_bytes()
    lock = (tmp_path / "zoo.lock").read_text()
    shutil.rmtree(tmp_path / "cache")

    assert zoo.download("tiny_other").read_bytes() == first
    assert (tmp_path / "zoo.lock").read_text() == lock


@pytest.mark.parametrize("kind", ["sha256_prefix", "md5_prefix", "revision"])
def test_row_without_a_full_digest_asks_to_be_pinned_once(
    foreign: Any, source_bytes: Callable[[str], bytes], kind: str
) -> None:
    data = source_bytes("pth")
    digits = {"sha256_prefix": hashlib.sha256(data).hexdigest()[:8]}
    digits["md5_prefix"] = hashlib.md5(data, usedforsecurity=False).hexdigest()[:6]
    known = {kind: digits[kind]} if kind in digits else {}
    foreign.list(foreign.row(data, sha256=None, size_bytes=None, **known))

    with pytest.raises(DownloadError) as caught:
        zoo.download("tiny_other")
    asked = len(foreign.hub.asked)
    result = CliRunner().invoke(main, ["download", "tiny_other", "--pin"])

    assert asked == 0
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("zoo download tiny_other --pin")
    assert result.exit_code == 0, result.output
    pin = read_pins()["tiny_other"]
    assert (pin.judge, pin.source_sha256) == (kind, hashlib.sha256(data).hexdigest())
    assert zoo.download("tiny_other").is_file()


def test_record_states_where_the_weights_came_from(
    foreign: Any, source_bytes: Callable[[str], bytes]
) -> None:
    from zoo.engine.checkpoints.published import read_record

    row = foreign.row(source_bytes("pth"))
    foreign.list(row)

    record = read_record(zoo.download("tiny_other"))

    assert dict(record.provenance) == {
        "source_sha256": row["sha256"],
        "source_address": row["urls"][0],
        "converter": f"{foreign.name}.other_unet",
        "converter_version": 1,
        "facts": "the card of acme/unet",
    }
    assert (record.licence, record.data_licence) == ("Apache-2.0", "CC-BY-4.0")
    assert record.palette == ((0, 0, 9), (0, 9, 0), (9, 0, 0))
    assert json.loads(record.to_json())["trained_with"] == "tiny_unet"


def test_checkpoint_of_openmmlab_is_adopted_without_a_converter(
    foreign: Any, tiny_weights: dict[str, Any], tmp_path: Path
) -> None:
    """As zoo rescue takes it: the file's own classes count, the optimizer is left out."""
    import torch

    weights = {name.removeprefix("net."): value for name, value in tiny_weights.items()}
    meta = {"dataset_meta": {"classes": ["heaven", "street", "auto"], "palette": [[1, 2, 3]] * 3}}
    stream = io.BytesIO()
    torch.save({"state_dict": weights, "meta": meta, "optimizer": {}, "message_hub": {}}, stream)
    data = stream.getvalue()
    known = {"sha256": None, "sha256_prefix": hashlib.sha256(data).hexdigest()[:8]}
    foreign.list(foreign.row(data, "unet-0123.pth", converter=None, **known))

    result = CliRunner().invoke(main, ["download", "tiny_other", "--pin"])
    model = zoo.load("tiny_other", device="cpu").model

    assert result.exit_code == 0, result.output
    assert model.classes == ("heaven", "street", "auto")
    assert model.palette == ((1, 2, 3),) * 3
    assert read_pins()["tiny_other"].converter is None


def test_pin_takes_the_file_of_the_new_revision_that_a_row_names(
    foreign: Any, source_bytes: Callable[[str], bytes]
) -> None:
    """Of a file without a digest, the address is all that tells it from the one pinned before."""
    unsaid = {"sha256": None, "size_bytes": None}
    foreign.list(foreign.row(source_bytes("pth"), **unsaid))
    pin = ["download", "tiny_other", "--pin"]
    CliRunner().invoke(main, pin)
    before = read_pins()["tiny_other"]
    foreign.list(foreign.row(source_bytes("model"), **unsaid))

    result, again = CliRunner().invoke(main, pin), CliRunner().invoke(main, pin)

    after = read_pins()["tiny_other"]
    assert result.exit_code == again.exit_code == 0, result.output
    assert after.source_sha256 == hashlib.sha256(source_bytes("model")).hexdigest()
    assert after.source_sha256 != before.source_sha256
    assert "is pinned already" in again.stderr


@pytest.mark.parametrize("name", ["..", "a%00.pth", "%0a.pth", "x.part", "a" * 300, "w%5Cx.pth"])
def test_source_whose_address_ends_in_no_file_name_is_kept_under_the_name_of_its_row(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path, name: str
) -> None:
    row = foreign.row(source_bytes("pth"), urls=[f"https://acme.example.invalid/{name}"])
    foreign.list(row)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "tiny_other.pth").write_bytes(source_bytes("pth"))

    path = zoo.download("tiny_other", mirrors=[str(mirror)], offline=True)

    assert path.name == "tiny_other.safetensors"


@pytest.mark.parametrize("digest", ["sha256", "sha256_prefix"])
def test_login_and_signature_of_an_address_are_in_no_error_and_no_record(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path, digest: str
) -> None:
    data = source_bytes("pth")
    digits = hashlib.sha256(data).hexdigest()
    known = {"sha256": None, digest: digits if digest == "sha256" else digits[:8]}
    url = "https://somebody:secret@acme.example.invalid/model.pth?signature=secret"
    foreign.list(foreign.row(data, urls=[url], **known))
    (tmp_path / "model.pth").write_bytes(data)
    words = ["download", "tiny_other", "--offline"]

    plain = CliRunner().invoke(main, words)
    pinned = CliRunner().invoke(main, [*words, "--pin", "--mirror", str(tmp_path)])

    assert (plain.exit_code, pinned.exit_code) == (1, 0), pinned.output
    assert "acme.example.invalid/model.pth" in plain.output
    assert "secret" not in plain.output + pinned.output + (tmp_path / "zoo.lock").read_text()
    assert b"secret" not in zoo.download("tiny_other").read_bytes()
