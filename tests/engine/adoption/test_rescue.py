# SPDX-License-Identifier: Apache-2.0
"""From an old checkpoint on disk to a name that predicts: equal tensors, nothing changed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.catalog import forget_catalog, read_catalog
from zoo.errors import CheckpointError, DownloadError, UnsafeCheckpointError

pytestmark = pytest.mark.mm

CONFIG = "mmseg::cgnet/cgnet_fcn_4xb8-60k_cityscapes-512x1024.py"
COLUMNS = "name task tasks config architecture datasets metrics memory_gb url sha256_prefix note"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))


@pytest.fixture
def write_index(write_plugin: Callable[..., Path]) -> Callable[..., Any]:
    """Return a function that indexes files under names, and gives what `rescue` takes."""
    from zoo.weights.legacy import legacy_rows
    from zoo.weights.rescue import LegacyIndex

    def write(**files: Path) -> Any:
        rows = []
        for name, path in files.items():
            digits = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
            url = f"https://example.org/v0.5/{name}_2020-{digits}.pth"
            facts = [CONFIG, [], [], [], None, url, digits, None]
            rows.append([name, "semantic", ["semantic"], *facts])
        index = {"format": 1, "licence": "MIT", "data_licence": "not stated"}
        index |= {"columns": COLUMNS.split(), "rows": rows}  # type: ignore[dict-item]
        package = write_plugin("olds", '[[legacy_index]]\nfile = "__init__.py"\n')
        (package / "__init__.py").write_text(json.dumps(index))
        forget_catalog()
        return LegacyIndex(legacy_rows(read_catalog())[0])

    return write


def _old(path: Path, meta: Any = None, **options: Any) -> Path:
    """Write a checkpoint as mmsegmentation 0.x did, with tied weights, halves and an optimizer."""
    import torch

    shared = torch.arange(6.0).reshape(2, 3)
    weights = {"b.weight": shared.T, "a.weight": shared, "tied": shared, "n": torch.tensor(3)}
    weights["h"] = torch.tensor([float("nan"), 1.0]).half()
    state = {"state": {0: {"exp_avg": torch.ones(600)}}, "param_groups": []}
    known = {"CLASSES": ("road", "car"), "PALETTE": [[1, 2, 3], [4, 5, 6]], "config": "exit(1)"}
    path.parent.mkdir(parents=True, exist_ok=True)
    tree = {"meta": meta or known, "state_dict": weights, "optimizer": state}
    torch.save(tree, path, **options)
    return path


def _rescued(*args: Any, **kwargs: Any) -> list[Any]:
    from zoo.engine.adoption.rescue import rescue

    return list(rescue(*args, **kwargs))


@pytest.mark.parametrize("new_form", [False, True], ids=["older form", "zip"])
def test_renamed_file_is_adopted_with_equal_tensors(
    tmp_path: Path, write_index: Callable[..., Any], new_form: bool
) -> None:
    """The optimizer stays behind, classes and colours come along, the source is as it was."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.weights import cached_file
    from zoo.weights.lock import read_pins

    path = _old(tmp_path / "disk" / "my backup", _use_new_zipfile_serialization=new_form)
    data, status = path.read_bytes(), path.stat()

    (done,) = _rescued([tmp_path / "disk"], write_index(unet_old=path))

    assert (done.state, done.names) == ("adopted", ("unet_old",))
    assert done.dropped == ("meta", "optimizer")
    assert done.size_bytes == len(data) > done.converted_bytes
    assert path.read_bytes() == data
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    pin = read_pins()["unet_old"]
    converted = cached_file(pin.sha256)
    assert converted is not None
    assert hashlib.sha256(converted.read_bytes()).hexdigest() == pin.sha256 == done.sha256
    assert pin.source_sha256 == hashlib.sha256(data).hexdigest()
    old, new = load_checkpoint(path), load_checkpoint(converted)
    assert set(old.state_dict) == set(new.state_dict)
    for name, value in old.state_dict.items():
        found = new.state_dict[name]
        assert value.dtype == found.dtype
        assert torch.equal(value.nan_to_num(7.0), found.nan_to_num(7.0))
    assert (new.classes, new.palette) == (("road", "car"), ((1, 2, 3), (4, 5, 6)))


def test_renamed_file_too_large_to_be_kept_is_adopted_alike(
    tmp_path: Path, write_index: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read a second time then."""
    path = _old(tmp_path / "disk" / "my backup")
    index = write_index(unet_old=path)
    (kept,) = _rescued([path], index)
    monkeypatch.setattr("zoo.weights.rescue._KEPT_BYTES", 100)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "other"))
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "other.lock"))

    (done,) = _rescued([path], index)

    assert done.state == "adopted"
    assert done == kept


def test_second_rescue_keeps_what_is_there(tmp_path: Path, write_index: Callable[..., Any]) -> None:
    """A damaged file beside it, of the same digest and of another name, does not count."""
    path = _old(tmp_path / "disk" / "a.pth")
    index = write_index(unet_old=path)
    (first,) = _rescued([path], index)
    cached = list((tmp_path / "cache").rglob("*.safetensors"))
    before = cached[0].stat().st_mtime_ns
    cached[0].with_name("a.safetensors").write_bytes(b"torn")

    (second,) = _rescued([path], index)
    cached[0].write_bytes(b"torn")
    (third,) = _rescued([path], index)

    assert (first.state, second.state, third.state) == ("adopted", "kept", "adopted")
    assert first.sha256 == second.sha256 == third.sha256
    assert before < cached[0].stat().st_mtime_ns
    assert hashlib.sha256(cached[0].read_bytes()).hexdigest() == first.sha256


def test_mirror_serves_another_user_by_the_shared_lock(
    tmp_path: Path, write_index: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file that two rows list lies there under both names."""
    from zoo.engine.adoption.obtaining import download

    path = _old(tmp_path / "disk" / "a.pth")
    mirror = tmp_path / "mirror"

    (done,) = _rescued([path], write_index(unet_old=path, fcn_old=path), mirror_out=mirror)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "other"))
    monkeypatch.setenv("ZOO_LOCK", str(mirror / "zoo.lock"))
    monkeypatch.setenv("ZOO_MIRRORS", str(mirror))
    fetched = [download(name) for name in done.names]

    assert done.names == ("unet_old", "fcn_old")
    assert {hashlib.sha256(file.read_bytes()).hexdigest() for file in fetched} == {done.sha256}
    assert all(file.is_relative_to(tmp_path / "other") for file in fetched)


def test_damaged_file_of_a_mirror_is_replaced(
    tmp_path: Path, write_index: Callable[..., Any]
) -> None:
    path, mirror = _old(tmp_path / "disk" / "a.pth"), tmp_path / "mirror"
    index = write_index(unet_old=path)
    _rescued([path], index, mirror_out=mirror)
    (copy,) = mirror.rglob("*.safetensors")
    copy.write_bytes(b"torn")

    (done,) = _rescued([path], index, mirror_out=mirror)

    assert done.state == "kept"
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == done.sha256


def test_dry_run_writes_nothing(tmp_path: Path, write_index: Callable[..., Any]) -> None:
    path = _old(tmp_path / "disk" / "a.pth")

    (done,) = _rescued([path], write_index(unet_old=path), dry_run=True)

    assert (done.state, done.names) == ("found", ("unet_old",))
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "zoo.lock").exists()


def test_full_disk_stops_with_one_message_and_keeps_what_was_adopted(
    tmp_path: Path, write_index: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next file would meet the same, and no checkpoint is at fault."""
    from zoo.engine.adoption.rescue import rescue
    from zoo.weights.lock import read_pins

    paths = [
        _old(tmp_path / "disk" / f"{name}.pth", meta={"CLASSES": [name]}) for name in ("a", "b")
    ]
    done = rescue(paths, write_index(first=paths[0], second=paths[1]))
    adopted = next(done)

    def refuse(_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("zoo.files._sync_folder", refuse)
    with pytest.raises(DownloadError) as raised:
        next(done)

    assert str(raised.value) == (
        "cannot write into the cache: No space left on device; what was adopted before is kept.\n"
        f"where: {tmp_path / 'cache' / 'weights'}\n"
        "HINT: free some space there, or name another with ZOO_CACHE, and run it again."
    )
    assert adopted.state == "adopted"
    assert list(read_pins()) == ["first"]
    assert [path.name for path in (tmp_path / "cache" / "weights").iterdir()] == [adopted.sha256]


def test_rescue_that_is_stopped_lists_what_it_adopted(
    tmp_path: Path, write_index: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from zoo.cli import main

    paths = [
        _old(tmp_path / "disk" / f"{name}.pth", meta={"CLASSES": [name]}) for name in ("a", "b")
    ]
    write_index(first=paths[0], second=paths[1])

    def refuse_the_second(folder: Path) -> None:
        is_converting = folder.name.startswith(".rescue-")  # not the lock of what was adopted
        if is_converting and [*(tmp_path / "cache" / "weights").glob(f"{'?' * 64}/*.safetensors")]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("zoo.files._sync_folder", refuse_the_second)

    done = CliRunner().invoke(main, ["rescue", str(tmp_path / "disk"), "--json"])

    assert done.exit_code == 1
    assert [row["names"] for row in json.loads(done.stdout)] == [["first"]]
    assert "error: cannot write into the cache: No space left on device" in done.stderr
    assert "refused" not in done.stderr


def test_rescue_removes_what_a_killed_one_left(
    tmp_path: Path, write_index: Callable[..., Any]
) -> None:
    """A folder of one that lives stays."""
    from zoo.weights.staging import staging_folder

    path = _old(tmp_path / "disk" / "a.pth")
    cache = tmp_path / "cache" / "weights"
    with staging_folder() as living:
        (cache / ".rescue-killed").mkdir(parents=True)
        (cache / ".rescue-killed" / "converted.safetensors").write_bytes(b"x" * 1000)
        (cache / ".rescue-killed.lock").write_text("")

        (done,) = _rescued([path], write_index(unet_old=path))

        assert {entry.name for entry in cache.iterdir()} == {
            str(done.sha256),
            living.name,
            f"{living.name}.lock",
        }
    assert [entry.name for entry in cache.iterdir()] == [done.sha256]


def test_rescue_of_a_pipe_is_refused_at_once(
    tmp_path: Path, write_index: Callable[..., Any]
) -> None:
    path = _old(tmp_path / "disk" / "a.pth")
    pipe = tmp_path / "some.fifo"
    os.mkfifo(pipe)

    with pytest.raises(DownloadError) as raised:
        _rescued([pipe], write_index(unet_old=path))

    assert "found a pipe or a device, expected a file or a folder." in raised.value.message


class _Evil:
    """Pickles as a call that makes the canary."""

    def __init__(self, canary: Path) -> None:
        self.code = f"open({str(canary)!r}, 'w').close()"

    def __reduce__(self) -> Any:
        return eval, (self.code,)


def test_match_that_is_hostile_is_refused_and_the_next_adopted(
    tmp_path: Path, write_index: Callable[..., Any]
) -> None:
    """Eight digits can be forged, so a match is trusted no more than any file."""
    from zoo.weights.lock import read_pins

    evil = _old(tmp_path / "disk" / "a.pth", meta={"x": _Evil(tmp_path / "canary")})
    good = _old(tmp_path / "disk" / "b.pth")

    refused, adopted = _rescued([tmp_path / "disk"], write_index(bad=evil, good=good))

    assert (refused.state, adopted.state) == ("refused", "adopted")
    assert "it asks for 'builtins.eval'" in refused.reason
    assert not (tmp_path / "canary").exists()
    assert list(read_pins()) == ["good"]
    assert [path.name for path in (tmp_path / "cache" / "weights").iterdir()] == [adopted.sha256]


def test_match_that_is_trusted_by_its_digest_is_adopted(
    tmp_path: Path, write_index: Callable[..., Any]
) -> None:
    from zoo.engine.checkpoints.pickles import trusting

    path = _old(tmp_path / "disk" / "a.pth", meta={"x": _Evil(tmp_path / "canary")})
    index = write_index(unet_old=path)

    with trusting([hashlib.sha256(path.read_bytes()).hexdigest()]):
        (done,) = _rescued([path], index)

    assert done.state == "adopted"
    assert (tmp_path / "canary").exists()


def test_conversion_of_one_file_gives_equal_bytes(tmp_path: Path) -> None:
    from zoo.engine.checkpoints.convert import convert_checkpoint

    path = _old(tmp_path / "a.pth")

    targets = [tmp_path / f"{number}.safetensors" for number in range(4)]
    made = [convert_checkpoint(path, target, facts={"b": "1", "a": "2"}) for target in targets]

    assert len({each.sha256 for each in made}) == 1
    assert made[0].tensors == 5
    assert made[0].parameters == 6 + 6 + 6 + 2


@pytest.mark.parametrize(
    ("tree", "error", "message"),
    [
        ({"state_dict": {}}, CheckpointError, "found an empty dict"),
        ([1, 2], CheckpointError, "found a list, expected tensors by name"),
        ({"a": _Evil(Path("x"))}, UnsafeCheckpointError, "it asks for 'builtins.eval'"),
    ],
)
def test_conversion_of_what_holds_no_weights_leaves_no_file(
    tmp_path: Path, tree: Any, error: type[Exception], message: str
) -> None:
    import torch

    from zoo.engine.checkpoints.convert import convert_checkpoint

    torch.save(tree, tmp_path / "a.pth")

    with pytest.raises(error, match=message):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors", facts={})

    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


@pytest.mark.slow
def test_rescued_name_predicts_through_upstreams_config(
    tmp_path: Path, write_index: Callable[..., Any]
) -> None:
    """A checkpoint of an upstream model, as mmengine writes it, gives the model's own logits."""
    import torch
    from mmengine.logging import MessageHub
    from mmengine.registry import MODELS, init_default_scope
    from mmseg.datasets import CityscapesDataset

    from zoo.engine.config.reading import read_config
    from zoo.engine.prediction.model import open_model
    from zoo.engine.stepping.memory_format import put_channels_last

    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(read_config(CONFIG, pretrained="none").model).eval()
    hub = MessageHub.get_instance("rescue")
    hub.update_scalar("loss", 0.5)
    meta = {"dataset_meta": dict(CityscapesDataset.METAINFO), "iter": 60000, "cfg": "exit(1)"}
    tree = {"meta": meta, "state_dict": model.state_dict(), "message_hub": hub.state_dict()}
    (tmp_path / "disk").mkdir()
    torch.save(tree, tmp_path / "disk" / "renamed.pth")
    (done,) = _rescued([tmp_path / "disk"], write_index(cgnet=tmp_path / "disk" / "renamed.pth"))

    opened = open_model("cgnet", device="cpu")

    assert done.state == "adopted"
    put_channels_last(model)  # as for prediction: sums in the same order
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(image), opened.module(image))
    assert opened.classes == tuple(CityscapesDataset.METAINFO["classes"])
    assert opened.palette[0] == tuple(CityscapesDataset.METAINFO["palette"][0])
