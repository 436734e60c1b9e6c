# SPDX-License-Identifier: Apache-2.0
"""All or nothing: whatever ends a run, no half folder stands under the final name."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from zoo.data import check_places, staged_folder, write_file
from zoo.errors import DataError


def _hold_folder(out: Path, *, lines: str = "time.sleep(60)", setup: str = "") -> str:
    """Return a program that opens a staged folder, writes to it and says so, then runs lines."""
    return textwrap.dedent(
        f"""
        import resource, sys, time
        from pathlib import Path
        from zoo.data import staged_folder, write_file
        {setup}
        with staged_folder(Path({str(out)!r})) as folder:
            write_file(folder / "a" / "x", b"half")
            print("ready", flush=True)
            {lines}
        """
    )


@contextmanager
def _run(program: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", program]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def test_staged_folder_when_block_ends_then_it_appears_whole(tmp_path: Path) -> None:
    """Nothing but the folder and the parents that it needed is left."""
    out = tmp_path / "a" / "b"

    with staged_folder(out) as folder:
        write_file(folder / "images" / "x", b"1")
        assert not out.exists()

    assert os.listdir(out) == ["images"]
    assert os.listdir(out.parent) == ["b"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_staged_folder_when_block_raises_then_nothing_left(
    tmp_path: Path, error: type[BaseException]
) -> None:
    """Made parents go too, and the exception comes through."""

    def run() -> None:
        with staged_folder(tmp_path / "a" / "b") as folder:
            write_file(folder / "x", b"1")
            raise error

    with pytest.raises(error):
        run()

    assert os.listdir(tmp_path) == []


def test_staged_folder_when_out_is_empty_folder_then_used(tmp_path: Path) -> None:
    """What `mkdir` made beforehand is in nobody's way."""
    with staged_folder(tmp_path / "out") as folder:
        (folder / "first").touch()
    (tmp_path / "out" / "first").unlink()

    with staged_folder(tmp_path / "out") as folder:
        (folder / "second").touch()

    assert os.listdir(tmp_path / "out") == ["second"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_staged_folder_when_out_holds_something_then_refused(tmp_path: Path, kind: str) -> None:
    """Nothing of anyone's is overwritten."""
    out = tmp_path / "out"
    kept = out / "kept" if kind == "folder" else out
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(b"mine")

    with pytest.raises(DataError, match="expected nothing there"), staged_folder(out):
        pass

    assert kept.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["out"]


def test_staged_folder_when_another_run_is_first_then_refused(tmp_path: Path) -> None:
    """Of two runs at a time, one wins and the other leaves nothing."""
    out = tmp_path / "out"
    wanted = pytest.raises(DataError, match="found a folder that holds files")
    with wanted, staged_folder(out), staged_folder(out) as other:
        (other / "first").touch()

    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(out) == ["first"]


def test_staged_folder_when_killed_then_next_run_cleans_up(tmp_path: Path) -> None:
    """SIGKILL leaves a hidden folder; it goes as soon as someone prepares there again."""
    out = tmp_path / "out"
    with _run(_hold_folder(out)) as process:
        process.kill()
        process.wait()
    left = os.listdir(tmp_path)

    with staged_folder(out) as folder:
        (folder / "x").touch()

    assert len(left) == 1
    assert left[0].startswith(".out.staging-")
    assert os.listdir(tmp_path) == ["out"]


def test_staged_folder_when_other_run_lives_then_left_alone(tmp_path: Path) -> None:
    """Only what no process holds is taken away."""
    with _run(_hold_folder(tmp_path / "out")):
        before = set(os.listdir(tmp_path))
        with staged_folder(tmp_path / "out"):
            assert before <= set(os.listdir(tmp_path))


def test_staged_folder_when_there_are_no_locks_then_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems have none: what may be another run's is left alone."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    other = tmp_path / ".out.staging-00000000"
    (other / "content").mkdir(parents=True)
    (other / "lock").touch()

    with staged_folder(tmp_path / "out") as folder:
        (folder / "x").touch()

    assert sorted(os.listdir(tmp_path)) == [other.name, "out"]


# Name of a folder or file beside the output -> what is in it; "/" ends a folder, "->" is a link.
OF_OTHERS = {
    "a name of another length": (".out.staging-1234567", "lock content/"),
    "a name of other digits": (".out.staging-2024copy", "lock content/"),
    "a name in capitals": (".out.staging-ABCDEF01", "lock content/"),
    "a file beside the content": (".out.staging-0123abcd", "lock content/ notes.txt"),
    "no lock": (".out.staging-0123abcd", "content/"),
    "a folder as the lock": (".out.staging-0123abcd", "lock/ content/"),
    "a file as the content": (".out.staging-0123abcd", "lock content"),
    "a link as the content": (".out.staging-0123abcd", "lock content->"),
    "nothing": (".out.staging-0123abcd", ""),
}


@pytest.mark.parametrize(("name", "entries"), OF_OTHERS.values(), ids=OF_OTHERS)
def test_staged_folder_when_others_keep_a_folder_of_like_name_then_left_alone(
    tmp_path: Path, name: str, entries: str
) -> None:
    """Only what a killed run can have left is taken away."""
    folder, aside = tmp_path / name, tmp_path / "aside"
    for each in (folder, aside):
        each.mkdir()
    for entry in entries.split():
        if entry.endswith("/"):
            (folder / entry / "mine").mkdir(parents=True)
        elif entry.endswith("->"):
            (folder / entry.removesuffix("->")).symlink_to(aside)
        else:
            (folder / entry).touch()
    before = sorted(folder.rglob("*"))

    with staged_folder(tmp_path / "out") as staging:
        (staging / "x").touch()

    assert folder.is_dir()
    assert sorted(folder.rglob("*")) == before


def test_staged_folder_when_killed_after_its_content_is_in_place_then_cleaned_up(
    tmp_path: Path,
) -> None:
    """A lock that nobody holds is all that is left of a run that was done."""
    left = tmp_path / ".out.staging-0123abcd"
    left.mkdir()
    (left / "lock").touch()

    with staged_folder(tmp_path / "out") as folder:
        (folder / "x").touch()

    assert os.listdir(tmp_path) == ["out"]


def test_staged_folder_when_a_link_or_a_file_has_its_name_then_left_alone(tmp_path: Path) -> None:
    """Nor what a link of that name points to."""
    target = tmp_path / "target"
    (target / "content").mkdir(parents=True)
    (target / "lock").touch()
    (tmp_path / ".out.staging-0123abcd").symlink_to(target)
    (tmp_path / ".out.staging-0123abce").touch()
    before = sorted(tmp_path.rglob("*"))

    with staged_folder(tmp_path / "out") as folder:
        (folder / "x").touch()

    out = tmp_path / "out"
    assert sorted(set(tmp_path.rglob("*")) - {out, out / "x"}) == before


def test_staged_folder_when_interrupted_then_nothing_left(tmp_path: Path) -> None:
    """Ctrl-C, as the terminal sends it."""
    with _run(_hold_folder(tmp_path / "new" / "out")) as process:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=120)

    assert os.listdir(tmp_path) == []


def test_staged_folder_when_disk_is_full_then_said_and_nothing_left(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the write fails halfway."""
    out = tmp_path / "out"
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    program = _hold_folder(out, lines='write_file(folder / "big.png", bytes(2000))', setup=limit)
    with _run(program) as process:
        _, told = process.communicate(timeout=120)

    last = told[told.index("zoo.errors.DataError") :].splitlines()
    assert last[0] == "zoo.errors.DataError: cannot write 'big.png': File too large."
    assert last[1].startswith("where: ")
    assert last[2] == "HINT: free some space, or give an --out on another disk."
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_write_file_when_device_is_full_then_no_space_named(tmp_path: Path) -> None:
    """ENOSPC itself, from the device that is always full."""
    (tmp_path / "x.png").symlink_to("/dev/full")

    with pytest.raises(DataError, match=r"cannot write 'x.png': No space left on device\."):
        write_file(tmp_path / "x.png", b"1")


def test_staged_folder_when_parent_cannot_be_written_then_refused() -> None:
    """Root is put aside for the time: it may write anywhere."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        if is_root:
            os.seteuid(65534)
        try:
            wanted = pytest.raises(DataError, match="Permission denied")
            with wanted as caught, staged_folder(Path(name, "sub", "out")):
                pass
        finally:
            if is_root:
                os.seteuid(0)
            Path(name).chmod(0o755)

    assert caught.value.hint == "give another --out."


@pytest.mark.parametrize(
    ("source", "out", "reason"),
    [
        ("raw", "raw", "it is the source itself"),
        ("raw", "raw/../raw/.", "it is the source itself"),
        ("raw", "link", "it is the source itself"),
        ("raw", "raw/prepared", "it is inside the source"),
        ("raw", "link/a/b", "it is inside the source"),
        ("raw/x.zip", "raw", "the source "),
    ],
)
def test_check_places_when_they_overlap_then_refused(
    tmp_path: Path, source: str, out: str, reason: str
) -> None:
    """Links and dots do not hide it."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "link").symlink_to("raw")

    with pytest.raises(DataError, match=reason) as caught:
        check_places(tmp_path / source, tmp_path / out)

    assert caught.value.hint == "give another --out, outside the source."


def test_check_places_when_beside_each_other_then_fine(tmp_path: Path) -> None:
    """A common beginning of two names is no overlap."""
    check_places(tmp_path / "raw", tmp_path / "raw2")
