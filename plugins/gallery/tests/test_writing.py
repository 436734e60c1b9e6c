# SPDX-License-Identifier: Apache-2.0
"""The folder of a site: equal bytes, whole or not at all, and never over what others wrote."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zoo_gallery
from hostile_zoo import run_gallery
from site_pages import tree
from zoo_gallery.site_folder import write_site

from zoo.errors import DataError

Site = Any
FILES = [("index.html", b"one"), ("plugins/a/index.html", b"two")]


@pytest.mark.slow
def test_gallery_when_written_again_elsewhere_has_equal_bytes(site: Site, tmp_path: Path) -> None:
    """Another folder, other plugins' times, another time zone and seed of hashes: the same site."""
    moved = shutil.copytree(site.root, tmp_path / "elsewhere", symlinks=True)
    for path in moved.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    outside = moved / "plain" / "cards" / "link.png"
    outside.unlink()
    outside.symlink_to(moved / "outside.png")
    env = {**site.env, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "5", "LC_ALL": "C"}

    done = run_gallery(tmp_path / "out" / "deep" / "site", env, moved)

    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "out" / "deep" / "site") == tree(site.folder)


def test_gallery_when_written_over_an_earlier_one_replaces_all_of_it(tmp_path: Path) -> None:
    """What is no longer there goes, and nothing is left beside the folder."""
    out = tmp_path / "site"
    write_site(out, FILES)

    write_site(out, [("index.html", b"three"), ("list-2.html", b"four")])

    kept = set(tree(out)) - {"gallery.json"}
    assert kept == {"index.html", "list-2.html"}
    assert (out / "index.html").read_bytes() == b"three"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def _foreign(out: Path) -> dict[str, Any]:
    """Return what others may have left in a folder, by name: a function each that leaves it."""
    return {
        "file": lambda: (out / "notes.txt").write_text("mine"),
        "hidden": lambda: (out / ".git").write_text("mine"),
        "nested": lambda: (out / "plugins" / "a" / "notes.txt").write_text("mine"),
        "empty folder": lambda: (out / "mine").mkdir(),
        "edited": lambda: (out / "index.html").write_text("mine"),
        "link": lambda: (out / "link").symlink_to(out / "index.html"),
        "link to a folder": lambda: (out / "link").symlink_to(out / "plugins"),
        "pipe": lambda: os.mkfifo(out / "pipe"),
        "no list": lambda: (out / "gallery.json").unlink(),
        "broken list": lambda: (out / "gallery.json").write_text("{"),
        "other list": lambda: (out / "gallery.json").write_text('{"format": 2, "files": {}}'),
        "list of all": lambda: (out / "gallery.json").write_text('{"format": 1, "files": []}'),
        "list of null": lambda: (out / "gallery.json").write_text(
            '{"format": 1, "files": {"index.html": null}}'
        ),
        "replaced by a link": lambda: _relink(out / "index.html"),
    }


def _relink(path: Path) -> None:
    moved = path.with_name("moved")
    path.rename(moved)
    path.symlink_to(moved)


@pytest.mark.parametrize("kind", sorted(_foreign(Path())))
def test_gallery_when_others_left_something_there_is_refused_and_changes_nothing(
    tmp_path: Path, kind: str
) -> None:
    """Whatever an earlier run did not write, or did not write so, stays."""
    out = tmp_path / "site"
    write_site(out, FILES)
    _foreign(out)[kind]()
    before = _listing(tmp_path)

    with pytest.raises(DataError) as caught:
        write_site(out, FILES)

    assert "cannot write the gallery into 'site': it holds " in str(caught.value)
    assert "HINT: give another --out, or move that away first." in str(caught.value)
    assert _listing(tmp_path) == before


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    stats = [(path, path.lstat()) for path in sorted(folder.rglob("*"))]
    return [(str(path), status.st_mtime_ns, status.st_ino) for path, status in stats]


def test_gallery_when_a_folder_of_somebody_is_there_names_what_it_holds(tmp_path: Path) -> None:
    """Three names, and how many more."""
    out = tmp_path / "home"
    out.mkdir()
    for name in "abcde":
        (out / name).write_text("mine")

    with pytest.raises(DataError, match=r"it holds 'a', 'b', 'c' and 2 more, expected nothing"):
        write_site(out, FILES)


def test_gallery_when_a_file_is_there_is_refused(tmp_path: Path) -> None:
    """A file is no folder."""
    (tmp_path / "site").write_text("mine")

    with pytest.raises(DataError, match=r"'site' is a file, expected a folder"):
        write_site(tmp_path / "site", FILES)
    assert (tmp_path / "site").read_text() == "mine"


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_gallery_when_stopped_half_way_leaves_what_was_there(
    tmp_path: Path, kind: type[BaseException], is_there: bool
) -> None:
    """The earlier site, or nothing; and no folder beside it."""
    out = tmp_path / "site"
    if is_there:
        write_site(out, FILES)
    before = _listing(tmp_path) if is_there else []

    def files() -> Iterator[tuple[str, bytes]]:
        yield "index.html", b"new"
        raise kind

    with pytest.raises(kind):
        write_site(out, files())

    assert [each[0] for each in _listing(tmp_path)] == [each[0] for each in before]
    assert not is_there or (out / "index.html").read_bytes() == b"one"


KILLED = """
import os, signal, sys
from pathlib import Path
from zoo_gallery.site_folder import write_site

def stop(event, values):
    if event == "os.rename" and str(values[1]) == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(stop)
write_site(Path(sys.argv[1]), [("index.html", b"killed")])
"""


def _kill_before_the_new_site_is_in_place(out: Path) -> Path:
    """Replace a site in a process that dies between the renames; return what it left aside."""
    before = set(out.parent.iterdir())
    env = {**os.environ, "PYTHONPATH": str(Path(zoo_gallery.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", KILLED, out], env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = set(out.parent.iterdir()) - before
    return left


@pytest.mark.slow
def test_gallery_when_a_run_was_killed_between_the_renames_is_written_anew(tmp_path: Path) -> None:
    """What such a run left aside goes with the next one."""
    out = tmp_path / "site"
    write_site(out, FILES)
    left = _kill_before_the_new_site_is_in_place(out)
    assert not out.exists()
    assert (left / "before" / "index.html").read_bytes() == b"one"

    write_site(out, [("index.html", b"new")])

    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    assert (out / "index.html").read_bytes() == b"new"


@pytest.mark.slow
def test_gallery_when_others_wrote_into_what_a_killed_run_left_keeps_it(tmp_path: Path) -> None:
    """The earlier site is theirs from the first file that no run wrote."""
    out = tmp_path / "site"
    write_site(out, FILES)
    left = _kill_before_the_new_site_is_in_place(out)
    (left / "before" / "notes.txt").write_text("mine")

    write_site(out, FILES)

    assert tree(left / "before").keys() == {*tree(out), "notes.txt"}


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("holds", ["thesis.txt", "gallery.json", "lock", "content/thesis.txt"])
@pytest.mark.parametrize(
    "name", [".site.next", ".site.before", ".site.gallery-abcdefgh", ".site.gallery-0/before"]
)
def test_gallery_when_folders_of_others_are_beside_it_keeps_them(
    tmp_path: Path, name: str, holds: str, is_there: bool
) -> None:
    """Whatever they are called and hold, and whether a site is replaced or not."""
    out = tmp_path / "site"
    if is_there:
        write_site(out, FILES)
    beside = tmp_path / name / holds
    beside.parent.mkdir(parents=True)
    beside.write_text("mine")
    before = _listing(tmp_path / name)

    write_site(out, [("index.html", b"new")])

    assert (out / "index.html").read_bytes() == b"new"
    assert _listing(tmp_path / name) == before
    assert len(list(tmp_path.iterdir())) == 2


def test_gallery_when_a_copy_of_it_is_beside_it_keeps_the_copy(tmp_path: Path) -> None:
    """A copy that nobody changed belongs to whoever made it."""
    out = tmp_path / "site"
    write_site(out, FILES)
    names = (".site.next", ".site.before", ".site.previous", ".site.gallery-old")
    for name in names:
        shutil.copytree(out, tmp_path / name)

    write_site(out, [("index.html", b"new")])

    assert {path.name for path in tmp_path.iterdir()} == {"site", *names}
    assert all((tmp_path / name / "index.html").read_bytes() == b"one" for name in names)


@pytest.mark.parametrize("kind", ["file", "nested", "edited", "link to a folder", "empty folder"])
def test_gallery_when_others_write_while_it_is_rendered_is_refused_and_keeps_it(
    tmp_path: Path, kind: str
) -> None:
    """What was saved into the site after its first check is no less theirs."""
    out = tmp_path / "site"
    write_site(out, FILES)
    seen: list[Any] = []

    def files() -> Iterator[tuple[str, bytes]]:
        yield "index.html", b"new"
        _foreign(out)[kind]()
        seen.extend(_listing(out))

    with pytest.raises(DataError, match=r"cannot write the gallery into 'site': it holds "):
        write_site(out, files())

    assert _listing(out) == seen
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("kind", ["file", "nested", "edited"])
def test_gallery_when_others_write_between_check_and_rename_is_refused_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The site that was moved aside is moved back."""
    out = tmp_path / "site"
    write_site(out, FILES)
    waiting = [_foreign(out)[kind]]
    rename = os.rename

    def save_and_rename(source: Path, to: Path) -> None:
        if waiting and source == out:
            waiting.pop()()
        rename(source, to)

    monkeypatch.setattr(os, "rename", save_and_rename)
    with pytest.raises(DataError, match=r"cannot write the gallery into 'site': it holds '"):
        write_site(out, [("index.html", b"new")])

    assert waiting == []
    assert any(b"mine" in path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_gallery_when_the_folder_is_empty_is_written_there(tmp_path: Path) -> None:
    """As the option promises; a folder that holds an empty one is somebody's."""
    (tmp_path / "site").mkdir()
    (tmp_path / "theirs" / "empty").mkdir(parents=True)

    write_site(tmp_path / "site", FILES)
    with pytest.raises(DataError, match="it holds 'empty'"):
        write_site(tmp_path / "theirs", FILES)

    assert set(tree(tmp_path / "site")) == {*dict(FILES), "gallery.json"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site", "theirs"]


def test_gallery_when_out_is_a_link_replaces_what_it_leads_to(tmp_path: Path) -> None:
    """The link stays one."""
    write_site(tmp_path / "real", FILES)
    (tmp_path / "site").symlink_to(tmp_path / "real")

    write_site(tmp_path / "site", [("index.html", b"new")])

    assert (tmp_path / "site").is_symlink()
    assert (tmp_path / "real" / "index.html").read_bytes() == b"new"
    assert set(tree(tmp_path / "real")) == {"index.html", "gallery.json"}


@pytest.mark.slow
def test_command_when_the_folder_is_anothers_ends_with_1_and_a_way_out(
    site: Site, tmp_path: Path
) -> None:
    """One message and no traceback; the hint leads out."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "notes.txt").write_text("mine")

    refused = run_gallery(tmp_path / "site", site.env, site.root)
    done = run_gallery(tmp_path / "other", site.env, site.root)

    assert refused.returncode == 1
    assert "it holds 'notes.txt'" in refused.stderr
    assert "HINT: give another --out" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["notes.txt"]
    assert done.returncode == 0
