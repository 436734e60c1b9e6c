# SPDX-License-Identifier: Apache-2.0
"""``--pretrained URL#sha256=...``: read, refused, and fetched in the place of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty_server import FaultyServer
from http_faults import gives_other_bytes

from zoo.engine.config.pretrained import map_pretrained
from zoo.engine.config.pretrained_url import PretrainedURL, is_url, read_url
from zoo.errors import ConfigError, HashMismatchError
from zoo.weights import cache_folder, fetch_address

DIGITS = "0123456789abcdef" * 4
ADDRESS = "https://host.org/v/vgg16.pth"
HINT = (
    "append #sha256=... (`sha256sum FILE` of a copy that you trust), "
    "or download it and pass the file."
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)


def _refuse(address: str, sha256: str) -> Path:
    pytest.fail(f"{address} was fetched")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ADDRESS, True),
        ("torchvision://vgg16", True),
        ("file:/a.pth", True),
        ("none", False),
        ("a/https/b.pth", False),
        ("a#sha256=b.pth", False),
        (Path("/a.pth"), False),
        (None, False),
    ],
)
def test_is_url_tells_addresses_from_files(choice: Any, expected: bool) -> None:
    assert is_url(choice) is expected


@pytest.mark.parametrize("digits", [DIGITS, DIGITS.upper()])
@pytest.mark.parametrize(
    "address",
    [
        ADDRESS,
        "http://10.0.0.1:8000/a?b=c",
        "file:///a%20b.h5",
        "hf://acme/unet@main/x.pth",
        "hf://datasets/a/b/x y.pth",
        "github://a/b@v1/x.pth",
    ],
)
def test_read_url_parts_address_and_digest(address: str, digits: str) -> None:
    assert read_url(f"{address}#sha256={digits}") == PretrainedURL(address, DIGITS)


@pytest.mark.parametrize("text", [ADDRESS, f"{ADDRESS}#"])
def test_read_url_without_a_digest_says_how_to_state_it(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_url(text)

    assert str(raised.value).splitlines() == [
        f"cannot fetch pretrained weights from '{ADDRESS}': it has no digest.",
        "where: --pretrained",
        f"HINT: {HINT}",
    ]


@pytest.mark.parametrize(
    ("fragment", "hint"),
    [
        (DIGITS, f"did you mean #sha256={DIGITS}?"),
        (f"sha256:{DIGITS.upper()}", f"did you mean #sha256={DIGITS}?"),
        (f"SHA256={DIGITS}", f"did you mean #sha256={DIGITS}?"),
        (f"sha256={DIGITS}0", HINT),
        ("sha256=397923af", HINT),
        ("md5=" + "0" * 32, HINT),
    ],
)
def test_read_url_with_a_malformed_digest_offers_the_near_form(fragment: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_url(f"{ADDRESS}#{fragment}")

    assert raised.value.message == (
        f"cannot fetch pretrained weights from '{ADDRESS}': its digest is '{fragment}', "
        "expected #sha256= and 64 hex digits."
    )
    assert raised.value.hint == hint


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("s3://bucket/a.pth", "it starts with s3:, expected https, http, file, hf or github."),
        (
            "torchvision://vgg16",
            "it starts with torchvision:, expected https, http, file, hf or github.",
        ),
        ("https:///a.pth", "it names no host."),
        ("file://folder/a.pth", "expected file:///folder/file.pth, with a full path."),
        ("file:a.pth", "expected file:///folder/file.pth, with a full path."),
        ("https://[1/a.pth", "their address is malformed (Invalid IPv6 URL)."),
    ],
)
def test_read_url_that_zoo_cannot_ask_says_why(address: str, found: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_url(f"{address}#sha256={DIGITS}")

    assert raised.value.message.startswith("cannot fetch pretrained weights")
    assert raised.value.message.endswith(found)
    assert raised.value.where == "--pretrained"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:secret@host.org/a.pth?token=secret", "https://host.org/a.pth"),
        ("file:///home/me/a.pth", "a.pth"),
    ],
)
def test_shown_of_a_url_has_its_digest_and_nothing_private(address: str, shown: str) -> None:
    assert PretrainedURL(address, DIGITS).shown == f"{shown}#sha256={DIGITS}"


@pytest.mark.parametrize("wanted", ["user://vgg16", "torchvision://vgg16", ADDRESS, None])
def test_map_pretrained_to_a_url_answers_what_the_config_wants(
    server: FaultyServer, payload: bytes, wanted: str | None
) -> None:
    """As with a file: in the place of the address, or as ``load_from`` where there is none."""
    server.files["/vgg16.h5"] = payload
    url = f"{server.address}/vgg16.h5#sha256={hashlib.sha256(payload).hexdigest()}"
    config: dict[str, Any] = {"model": {"pretrained": wanted}}

    map_pretrained(config, url, fetch_address)

    path = Path(config["model"]["pretrained"] if wanted else config["load_from"])
    assert path.parent.parent == cache_folder()
    assert path.name == "vgg16.h5"
    assert path.read_bytes() == payload


def test_map_pretrained_to_a_url_of_other_bytes_leaves_the_config(
    server: FaultyServer, payload: bytes
) -> None:
    server.files["/a.pth"] = payload
    server.faults["/a.pth"] = [None, gives_other_bytes]
    url = f"{server.address}/a.pth#sha256={hashlib.sha256(payload).hexdigest()}"
    config: dict[str, Any] = {"model": {"pretrained": "user://a"}}

    with pytest.raises(HashMismatchError):
        map_pretrained(config, url, fetch_address)

    assert config == {"model": {"pretrained": "user://a"}}


def test_map_pretrained_to_a_url_for_several_sets_fetches_none() -> None:
    config = {"model": {"pretrained": "user://a"}, "load_from": "user://b"}

    with pytest.raises(ConfigError, match="cannot use one file for 2 sets of weights"):
        map_pretrained(config, f"{ADDRESS}#sha256={DIGITS}", _refuse)


def test_map_pretrained_to_a_url_without_a_digest_fetches_nothing() -> None:
    with pytest.raises(ConfigError, match="it has no digest"):
        map_pretrained({"model": {}}, ADDRESS, _refuse)


@pytest.mark.mm
def test_read_config_with_a_url_fetches_nothing_of_itself(
    squares_config: Path, server: FaultyServer
) -> None:
    """Only who passes ``fetch`` has it fetched, as ``zoo train`` does."""
    from zoo.engine.config.reading import read_config

    with pytest.raises(ConfigError, match="reading a config downloads nothing, expected a file"):
        read_config(squares_config, pretrained=f"{server.address}/a.pth#sha256={DIGITS}")

    assert server.asked == []


@pytest.mark.mm
@pytest.mark.usefixtures("squares")
def test_training_starts_from_the_weights_of_a_url(
    squares_config: Path,
    squares_data: Path,
    server: FaultyServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Callable[..., Any],
) -> None:
    """One step at a rate of nearly nothing keeps them; the record has the address and digest."""
    import torch
    from click.testing import CliRunner

    from zoo.cli import main
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    monkeypatch.chdir(tmp_path)
    given = {name: tensor.clone() for name, tensor in build().state_dict().items()}
    torch.save(given, "donor.pth")
    data = Path("donor.pth").read_bytes()
    server.files["/donor.pth"] = data
    url = f"{server.address}/donor.pth#sha256={hashlib.sha256(data).hexdigest()}"
    words = ["train", str(squares_config), "--data", str(squares_data), "--work-dir", "run"]
    words += ["--pretrained", url, "--cfg-options", "train_cfg.max_iters=1"]
    words += ["train_cfg.val_interval=9", "optim_wrapper.optimizer.lr=1e-9"]

    result = CliRunner().invoke(main, words)

    assert result.exit_code == 0, result.output
    assert f"downloading {server.address}/donor.pth, {len(data) / 1e6:.1f} MB, to " in result.stderr
    after = load_checkpoint(Path("run/iter_1.pth")).state_dict
    name = "backbone.encoder.0.0.convs.0.conv.weight"
    assert torch.allclose(after[name], given[name], atol=1e-6)
    assert url in Path("run/squares.py").read_text()


@pytest.fixture
def build(squares_config: Path) -> Callable[[], Any]:
    """Return a function that builds the squares' model from another seed than its run's."""

    def make() -> Any:
        import torch
        from mmengine.config import Config
        from mmengine.registry import MODELS, init_default_scope

        torch.manual_seed(1)
        init_default_scope("mmseg")
        return MODELS.build(Config.fromfile(squares_config).model)

    return make


@pytest.mark.mm
@pytest.mark.usefixtures("squares")
@pytest.mark.parametrize(
    ("fragment", "found"),
    [("", "it has no digest."), (f"#sha256={DIGITS}", "not found (404)")],
)
def test_train_from_a_url_that_does_not_give_it_exits_1_with_one_message(
    squares_config: Path,
    squares_data: Path,
    server: FaultyServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fragment: str,
    found: str,
) -> None:
    from click.testing import CliRunner

    from zoo.cli import main

    monkeypatch.chdir(tmp_path)
    url = f"{server.address}/gone.pth{fragment}"
    words = ["train", str(squares_config), "--data", str(squares_data), "--pretrained", url]

    result = CliRunner().invoke(main, words)

    assert result.exit_code == 1
    assert found in result.stderr
    assert result.stderr.count("error: ") == 1
    assert "Traceback" not in result.stderr
    assert not Path("work_dirs").exists()
