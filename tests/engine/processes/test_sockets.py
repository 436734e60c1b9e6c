# SPDX-License-Identifier: Apache-2.0
"""Sockets of multiprocessing where the folder for temporary files has a long path."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from zoo.engine.processes.sockets import shorten_socket_paths
from zoo.errors import ZooError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sockets have no paths")
LONG = "long" * 30
CODE = """
import multiprocessing, sys, tempfile
from multiprocessing.connection import Listener

def listen(sender):
    with Listener(None, "AF_UNIX") as listener:
        sender.send((listener.address, tempfile.gettempdir()))

if __name__ == "__main__":
    from zoo.engine.processes.sockets import shorten_socket_paths
    shorten_socket_paths()
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=listen, args=(sender,))
        process.start()
        print(*receiver.recv())
        process.join()
"""


def test_processes_of_each_start_method_listen_in_a_short_folder_that_goes_with_them(
    tmp_path: Path,
) -> None:
    """Only their sockets go there; a process that is started finds it too."""
    (tmp_path / LONG).mkdir()
    (tmp_path / "code.py").write_text(CODE)

    done = subprocess.run(
        [sys.executable, tmp_path / "code.py"],
        env={**os.environ, "TMPDIR": str(tmp_path / LONG)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [str(tmp_path / LONG)] * 3 == [temporary for _, temporary in lines]
    assert all(len(socket) <= 103 and not os.path.exists(socket) for socket, _ in lines)
    assert not any(Path(socket).parent.exists() for socket, _ in lines)
    assert list((tmp_path / LONG).iterdir()) == []


def test_short_folder_for_temporary_files_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked for: no other folder need be there."""
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")

    shorten_socket_paths(())

    assert tempfile.tempdir == "/tmp"


def test_no_short_folder_is_one_message_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders that are not there, or are long themselves, do not serve."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / LONG))
    # Multiprocessing keeps the folder that it chose for an earlier test.
    monkeypatch.delitem(multiprocessing.current_process()._config, "tempdir", raising=False)  # type: ignore[attr-defined]

    with pytest.raises(ZooError) as caught:
        shorten_socket_paths(("/nowhere", str(tmp_path / LONG)))

    length = len(str(tmp_path / LONG))
    assert f"the folder for temporary files has a path of {length} bytes" in str(caught.value)
    assert "export TMPDIR=FOLDER, with a short path that you may write to." in str(caught.value)
    assert tempfile.tempdir == str(tmp_path / LONG)


@pytest.mark.slow
@pytest.mark.mm
def test_training_with_data_workers_runs_where_temporary_files_have_long_paths(
    tmp_path: Path,
    env_of_zoo: dict[str, str],
    squares_folder: Path,
    squares_data: Path,
    squares_text: str,
) -> None:
    """A worker hands over each batch through a socket."""
    (tmp_path / LONG).mkdir()
    config = tmp_path / "squares.py"
    config.write_text(squares_text)
    found = {"ZOO_PLUGINS": "squares", "ZOO_PLUGIN_PATH": str(squares_folder)}

    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("zoo"), "train", config, "--data", squares_data),
            *("--work-dir", tmp_path / "run", "--cfg-options", "train_cfg.max_iters=2"),
            "train_dataloader.num_workers=1",
        ],
        env=env_of_zoo | found | {"TMPDIR": str(tmp_path / LONG)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
