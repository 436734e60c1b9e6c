# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import CheckpointError, ConfigError

pytestmark = pytest.mark.mm

# Kills itself in the middle of writing the second checkpoint.
_KILLED = """
import os, signal, sys
import torch
import mmengine.runner.checkpoint as module
from zoo.engine.resuming import safe_saving as saving
from zoo.engine.resuming.safe_saving import safe_saving

class Half:
    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGKILL)

folder = sys.argv[1]
with safe_saving():
    module.save_checkpoint({"state_dict": {"w": torch.ones(3)}}, folder + "/epoch_1.pth")
    print("first", flush=True)
    big = {"w": torch.zeros(100_000), "then": Half()}
    module.save_checkpoint({"state_dict": big}, folder + "/epoch_1.pth")
"""


def test_save_when_killed_halfway_leaves_the_older_checkpoint_whole(tmp_path: Path) -> None:
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    script = tmp_path / "killed.py"
    script.write_text(_KILLED)

    ended = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert ended.stdout == "first\n"
    assert load_checkpoint(tmp_path / "epoch_1.pth").state_dict["w"].tolist() == [1, 1, 1]
    assert (
        tmp_path / ".epoch_1.pth.part"
    ).exists()  # what a kill leaves; the next save replaces it


def test_save_on_a_full_disk_keeps_the_older_file_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.engine.resuming.safe_saving import open_atomically

    path = tmp_path / "epoch_1.pth"
    path.write_bytes(b"older")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError) as raised, open_atomically(path) as stream:
        stream.write(b"newer")

    assert raised.value.message == (
        "cannot write 'epoch_1.pth': No space left on device; the previous file is untouched."
    )
    assert path.read_bytes() == b"older"
    assert [path] == list(tmp_path.iterdir())


_FULL = """
import resource, signal
import mmengine.runner.checkpoint as module
import torch
from zoo.engine.resuming.safe_saving import safe_saving
from zoo.errors import CheckpointError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
with safe_saving():
    for count in (75_000, 90_000, 1_000_000):
        try:
            module.save_checkpoint({"w": torch.zeros(count)}, "iter_1.pth")
        except CheckpointError as error:
            print(error.message)
"""


@pytest.mark.slow
def test_save_beyond_what_the_disk_takes_gives_the_system_s_reason(tmp_path: Path) -> None:
    """torch's writer itself tells of a position in its C++ code; a limit of size as the disk."""
    ended = subprocess.run(
        [sys.executable, "-c", _FULL], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    reason = os.strerror(errno.EFBIG)
    line = f"cannot write 'iter_1.pth': {reason}; the previous file is untouched.\n"
    assert ended.stdout == line * 3
    assert not list(tmp_path.iterdir())


def test_config_that_cannot_be_written_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is resumed writes it again, and half of it would make the work dir useless."""
    from mmengine.config import Config

    from zoo.engine.resuming.safe_saving import safe_saving

    path = tmp_path / "unet.py"
    path.write_text("a = 1\n")
    with safe_saving():
        Config({"a": 2}).dump(str(path))
        assert Config.fromfile(path).a == 2

        def full(handle: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(CheckpointError):
            Config({"a": 3}).dump(str(path))

    assert Config.fromfile(path).a == 2
    assert [path] == list(tmp_path.iterdir())


def test_save_to_a_device_without_room_is_a_checkpoint_error(tmp_path: Path) -> None:
    """torch's own writer hides the reason in a RuntimeError."""
    import torch

    from zoo.engine.resuming import safe_saving as saving

    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"[Ss]pace|write"):
        saving._write({"w": torch.zeros(1000)}, Full())  # type: ignore[arg-type]


def test_old_checkpoints_are_removed_only_after_the_new_one_is_written(
    toy_runner: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``max_keep_ckpts=1`` a failing save leaves the last good one and its note."""
    from zoo.engine.resuming import safe_saving as saving

    hook = {"type": "CheckpointHook", "interval": 1, "max_keep_ckpts": 1, "save_best": "acc"}
    write = saving._write

    def fail_at_epoch_3(checkpoint: dict[str, Any], stream: Any) -> None:
        if checkpoint["meta"]["epoch"] == 3:
            raise OSError(28, "No space left on device")
        write(checkpoint, stream)

    monkeypatch.setattr(saving, "_write", fail_at_epoch_3)
    runner = toy_runner("run", default_hooks={"checkpoint": hook})
    with saving.safe_saving(), pytest.raises(CheckpointError, match=r"cannot write 'epoch_3\.pth'"):
        runner.train()

    folder = tmp_path / "run"
    assert {"best_acc_epoch_2.pth", "epoch_2.pth"} == {p.name for p in folder.glob("*.pth")}
    assert str(folder / "epoch_2.pth") == (folder / "last_checkpoint").read_text()
    assert list(folder.glob(".*.part")) == []


def test_max_keep_ckpts_when_all_goes_well_keeps_as_many(
    toy_runner: Callable[..., Any], tmp_path: Path
) -> None:
    from zoo.engine.resuming.safe_saving import safe_saving

    hook = {"type": "CheckpointHook", "interval": 1, "max_keep_ckpts": 2, "save_best": "acc"}
    with safe_saving():
        toy_runner("run", default_hooks={"checkpoint": hook}).train()

    found = {path.name for path in (tmp_path / "run").glob("*.pth")}
    assert {"best_acc_epoch_4.pth", "epoch_3.pth", "epoch_4.pth"} == found


@pytest.mark.parametrize(
    ("named", "hint"),
    [("acx", "did you mean acc?"), (["acc", "x"], "use one of these, or 'auto'.")],
)
def test_best_by_what_is_not_measured_lists_what_is(
    toy_runner: Callable[..., Any], tmp_path: Path, named: Any, hint: str
) -> None:
    """After the first validation, when the epoch's checkpoint is on the disk."""
    from zoo.engine.resuming.safe_saving import safe_saving

    rules = ["greater"] * (1 if isinstance(named, str) else len(named))
    hook = {"type": "CheckpointHook", "interval": 1, "save_best": named, "rule": rules}
    runner = toy_runner("run", default_hooks={"checkpoint": hook})
    with safe_saving(), pytest.raises(ConfigError) as caught:
        runner.train()

    last = named if isinstance(named, str) else named[-1]
    assert caught.value.message == (
        f"cannot select the best checkpoint by {last!r}: validation measured acc."
    )
    assert (caught.value.where, caught.value.hint) == (
        "default_hooks.checkpoint.save_best",
        hint,
    )
    assert (tmp_path / "run/epoch_1.pth").is_file()


def test_validation_does_not_move_the_random_numbers_of_training(
    toy_runner: Callable[..., Any], tmp_path: Path
) -> None:
    """How often a run validates changes nothing in its weights."""
    import torch

    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.resuming.safe_saving import safe_saving

    for name, interval in (("often", 1), ("never", 100)):
        train = {"by_epoch": True, "max_epochs": 3, "val_interval": interval}
        with safe_saving():
            toy_runner(name, train_cfg=train).train()

    often, never = (load_checkpoint(tmp_path / n / "epoch_3.pth") for n in ("often", "never"))
    assert torch.equal(often.state_dict["layer.weight"], never.state_dict["layer.weight"])


def test_safe_saving_when_left_puts_everything_back() -> None:
    import mmengine.hooks.checkpoint_hook as hook_module
    import mmengine.runner.runner as runner_module

    from zoo.engine.resuming.safe_saving import safe_saving

    before = runner_module.save_checkpoint
    with safe_saving():
        assert runner_module.save_checkpoint is not before

    assert runner_module.save_checkpoint is before
    assert not hasattr(hook_module, "open")


def test_random_state_when_malformed_is_a_checkpoint_error() -> None:
    from zoo.engine.random_state import set_random_state

    with pytest.raises(CheckpointError, match="cannot restore the random state"):
        set_random_state({"torch": "no tensor"})
