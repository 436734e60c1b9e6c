# SPDX-License-Identifier: Apache-2.0
"""Weights of VGG-16 from files, against a VGG-16 written down by hand."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
torch = pytest.importorskip("torch")

from zoo.errors import CheckpointError, ConfigError, IncompatibleError  # noqa: E402

# Where torchvision's vgg16 and vgg16_bn keep their convolutions, block by block.
PLAIN = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
NORMED = ((0, 3), (7, 10), (14, 17, 20), (24, 27, 30), (34, 37, 40))
WIDTHS = (4, 8, 16, 32, 32)
Weights = dict[str, Any]


def _torchvision_weights(places: Any, *, norm: bool) -> Weights:
    """Return a state dict with torchvision's names, narrow, its classifier included."""
    generator = torch.Generator().manual_seed(0)
    found: Weights = {"classifier.0.weight": torch.zeros(2, 2), "classifier.6.bias": torch.zeros(2)}
    before = 3
    for block, width in zip(places, WIDTHS, strict=True):
        for at in block:
            scale = (2 / (9 * before)) ** 0.5
            found[f"features.{at}.weight"] = scale * torch.randn(
                width, before, 3, 3, generator=generator
            )
            found[f"features.{at}.bias"] = 0.1 * torch.randn(width, generator=generator)
            if norm:
                for name in ("weight", "bias", "running_mean", "running_var"):
                    value = torch.rand(width, generator=generator) + 0.5
                    found[f"features.{at + 1}.{name}"] = value
                found[f"features.{at + 1}.num_batches_tracked"] = torch.tensor(7)
            before = width
    return found


def _forward(weights: Weights, places: Any, x: Any, *, norm: bool) -> list[Any]:
    """Return the five maps before the poolings, by torch's functions alone."""
    call = torch.nn.functional
    maps = []
    for block in places:
        x = call.max_pool2d(x, 2, 2) if maps else x
        for at in block:
            here = f"features.{at}"
            x = call.conv2d(x, weights[f"{here}.weight"], weights[f"{here}.bias"], padding=1)
            if norm:
                after = f"features.{at + 1}"
                names = ("running_mean", "running_var", "weight", "bias")
                x = call.batch_norm(x, *[weights[f"{after}.{name}"] for name in names])
            x = x.clamp(min=0)
        maps.append(x)
    return maps


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Any]:
    """Return a function: a file, or weights to write into one -> an encoder filled with it."""

    def build(file: Path | Any, **settings: Any) -> Any:
        from zoo_vgg_unet.vgg import VGG16Encoder

        prefix = settings.pop("prefix", None)
        if not isinstance(file, Path):
            torch.save(file, tmp_path / "vgg.pth")
            file = tmp_path / "vgg.pth"
        init_cfg = {"type": "Pretrained", "checkpoint": str(file), "prefix": prefix}
        encoder = VGG16Encoder(base_channels=4, init_cfg=init_cfg, **settings)
        encoder.init_weights()
        return encoder.eval()

    return build


@pytest.mark.parametrize("norm", [False, True])
def test_torchvision_weights_when_loaded_give_what_a_plain_vgg_gives(
    load: Callable[..., Any], norm: bool
) -> None:
    places = NORMED if norm else PLAIN
    weights = _torchvision_weights(places, norm=norm)
    image = torch.randn(2, 3, 48, 37)

    found = load(weights, norm_cfg={"type": "BN"} if norm else None)(image)

    expected = _forward(weights, places, image, norm=norm)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("prefix", ["backbone.encoder.", ""])
@pytest.mark.parametrize("parallel", ["module.", ""])
def test_weights_within_a_checkpoint_are_found_by_their_prefix(
    load: Callable[..., Any], prefix: str, parallel: str
) -> None:
    """As training of a whole model writes them, and DistributedDataParallel."""
    weights = _torchvision_weights(PLAIN, norm=False)
    whole = {f"{parallel}{prefix}{name}": value for name, value in weights.items()}

    encoder = load({"state_dict": {**whole, f"{parallel}head.x": torch.ones(1)}}, prefix=prefix)

    assert torch.equal(encoder.features[28].weight, weights["features.28.weight"])


def test_safetensors_when_loaded_equal_the_pickle(load: Callable[..., Any], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    weights = _torchvision_weights(PLAIN, norm=False)
    save_file(weights, tmp_path / "vgg.safetensors")

    encoder = load(tmp_path / "vgg.safetensors")

    assert torch.equal(encoder.features[5].bias, weights["features.5.bias"])


def test_encoder_of_fewer_blocks_leaves_the_deeper_weights_out(load: Callable[..., Any]) -> None:
    weights = _torchvision_weights(PLAIN, norm=False)
    image = torch.randn(1, 3, 32, 32)

    found = load(weights, num_blocks=3)(image)

    expected = _forward(weights, PLAIN, image, norm=False)[:3]
    torch.testing.assert_close(list(found), expected)


def test_init_weights_of_a_whole_model_keeps_the_file(tmp_path: Path, build_unet: Any) -> None:
    """mmengine initialises parents first; the encoder's file has the last word."""
    weights = _torchvision_weights(PLAIN, norm=False)
    torch.save(weights, tmp_path / "vgg.pth")
    unet = build_unet({"init_cfg": {"type": "Pretrained", "checkpoint": str(tmp_path / "vgg.pth")}})

    unet.init_weights()

    assert torch.equal(unet.encoder.features[0].weight, weights["features.0.weight"])
    assert unet.stages[0].convs[0].conv.weight.std() > 0


def _without(weights: Weights, *names: str) -> Weights:
    return {name: value for name, value in weights.items() if name not in names}


def _wide(weights: Weights) -> Weights:
    return {**weights, "features.2.weight": torch.zeros(4, 5, 3, 3)}


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (
            lambda one: _without(one, "features.0.bias", "features.28.weight"),
            ["2 missing of 26 entries.", "missing: features.0.bias; features.28.weight"],
        ),
        (
            lambda one: {**one, "features.30.weight": torch.zeros(1)},
            ["1 unexpected of 26 entries.", "unexpected: features.30.weight"],
        ),
        (_wide, ["mis-shaped: features.2.weight (4, 5, 3, 3), expected (4, 4, 3, 3)"]),
        (
            lambda one: {"layer1.0.conv1.weight": torch.zeros(1)},
            ["26 missing, 1 unexpected", "features.10.weight; features.10.bias; and 16 more"],
        ),
        (
            lambda one: _torchvision_weights(NORMED, norm=True),
            ["unexpected: features.1.weight; features.1.bias; features.1.running_mean"],
        ),
    ],
)
def test_weights_of_another_architecture_are_listed(
    load: Callable[..., Any], change: Callable[[Weights], Weights], lines: list[str]
) -> None:
    with pytest.raises(CheckpointError) as caught:
        load(change(_torchvision_weights(PLAIN, norm=False)))

    text = str(caught.value)
    assert text.startswith("weights do not fit VGG16Encoder: ")
    for line in lines:
        assert line in text
    assert "where: " in text
    assert "vgg.pth" in text


def test_weights_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    from zoo_vgg_unet.pretrained import load_vgg16
    from zoo_vgg_unet.vgg import VGG16Encoder

    torch.save(_wide(_torchvision_weights(PLAIN, norm=False)), tmp_path / "vgg.pth")
    encoder = VGG16Encoder(base_channels=4)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}

    with pytest.raises(CheckpointError):
        load_vgg16(encoder, tmp_path / "vgg.pth")

    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


class _Canary:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("import pathlib; pathlib.Path('canary').touch()",))


def test_pickle_that_runs_code_is_refused(
    load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("evil.pth").write_bytes(pickle.dumps({"features.0.weight": _Canary()}))

    with pytest.raises(CheckpointError, match=r"cannot load the checkpoint 'evil\.pth'"):
        load(tmp_path / "evil.pth")

    assert not Path("canary").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vgg.pth", b"not weights"),
        ("vgg.pth", b""),
        ("vgg.pth", b"abc"),
        ("vgg.pth", b"q."),
        ("vgg.safetensors", b"not weights"),
        ("vgg.h5", b"not weights"),
        ("none.pth", None),
        ("none.safetensors", None),
        ("none.h5", None),
    ],
)
def test_file_that_cannot_be_read_is_named(
    load: Callable[..., Any], tmp_path: Path, name: str, content: bytes | None
) -> None:
    if name.endswith(".h5"):
        pytest.importorskip("h5py")
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(
        CheckpointError, match=f"cannot read the (weights|checkpoint) '{name}': "
    ) as caught:
        load(tmp_path / name)

    assert f"where: {tmp_path / name}" in str(caught.value)


def test_file_with_a_flipped_bit_is_refused(load: Callable[..., Any], tmp_path: Path) -> None:
    """A sign that turned on the disk is another weight; torch itself does not look."""
    path = tmp_path / "vgg.pth"
    weights = _torchvision_weights(PLAIN, norm=False)
    torch.save({**weights, "features.0.bias": torch.ones(64)}, path)
    data = bytearray(path.read_bytes())
    data[data.index(b"\0\0\x80\x3f" * 64) + 3] ^= 0x80
    path.write_bytes(data)
    assert -1 in torch.load(path, weights_only=True)["features.0.bias"]

    with pytest.raises(CheckpointError, match="is damaged"):
        load(path)


def test_file_without_tensors_is_refused(load: Callable[..., Any]) -> None:
    with pytest.raises(CheckpointError, match="has no tensors whose names start with 'x'"):
        load(_torchvision_weights(PLAIN, norm=False), prefix="x")


@pytest.mark.parametrize(
    "address", ["https://example.org/vgg16.pth", "torchvision://vgg16", "s3://a/b"]
)
def test_address_is_never_fetched(address: str) -> None:
    from zoo_vgg_unet.vgg import VGG16Encoder

    init_cfg = {"type": "Pretrained", "checkpoint": address}
    encoder = VGG16Encoder(base_channels=4, init_cfg=init_cfg)

    with pytest.raises(ConfigError, match=f"cannot fetch pretrained weights '{address}'"):
        encoder.init_weights()


def test_keras_file_without_h5py_names_the_extra(
    load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)

    with pytest.raises(IncompatibleError, match="h5py is not installed") as caught:
        load(tmp_path / "vgg.h5")

    assert caught.value.requirement == "h5py>=3.11"
