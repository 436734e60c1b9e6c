# SPDX-License-Identifier: Apache-2.0
"""The user's repository, asked of a real git."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from zoo.engine.provenance.public_texts import public_address
from zoo.engine.provenance.repository import find_repository

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


def git(folder: Path, *words: str) -> str:
    names = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
    done = subprocess.run(
        ["git", *names, "-C", str(folder), *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a repository with one commit of a config and of a second file."""
    folder = tmp_path / "project"
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "a.py").write_text("x = 1\n")
    (folder / "b.txt").write_text("b\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_commit_is_that_of_the_folder_of_the_config(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that point git elsewhere, as in a hook, do not; nor does the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "no"))

    found = find_repository(folder / "configs" / "a.py")

    monkeypatch.delenv("GIT_DIR")
    assert found is not None
    assert (found.commit, found.is_dirty) == (git(folder, "rev-parse", "HEAD"), False)
    assert found.remote is None
    assert find_repository(None) is None
    monkeypatch.chdir(folder / "configs")
    assert find_repository(None) == found


@pytest.mark.parametrize(
    ("name", "text", "is_dirty"),
    [
        ("b.txt", "other\n", True),
        ("configs/a.py", "x = 2\n", True),
        ("work_dirs/log.txt", "new\n", False),
    ],
)
def test_change_of_a_tracked_file_is_dirty(
    folder: Path, name: str, text: str, is_dirty: bool
) -> None:
    """What a run itself leaves in the folder is none."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)

    found = find_repository(folder / "configs" / "a.py")

    assert found is not None
    assert found.is_dirty is is_dirty


def test_config_that_nobody_committed_is_dirty(folder: Path) -> None:
    """Its text stands in no commit."""
    (folder / "configs" / "new.py").write_text("x = 3\n")

    found = find_repository(folder / "configs" / "new.py")

    assert found is not None
    assert found.is_dirty is True


@pytest.mark.parametrize("name", ["bad", "a=b", "a\x0cb", "a\u2028b"])
def test_commands_of_a_repository_are_not_run(folder: Path, tmp_path: Path, name: str) -> None:
    """Hooks, a file system monitor and filters of contents name programs; none starts."""
    canary = tmp_path / "canary"
    script = tmp_path / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch {canary}\ncat\n")
    script.chmod(0o755)
    (folder / ".gitattributes").write_text(f"* filter={name} diff=bad\n")
    git(folder, "add", ".gitattributes")
    git(folder, "commit", "-q", "-m", "attributes")
    (folder / "b.txt").write_text("c\n")
    for hook in ("post-index-change", "fsmonitor-watchman", "pre-commit", "post-checkout"):
        shutil.copy(script, folder / ".git" / "hooks" / hook)
    for key in ("clean", "smudge", "process"):
        git(folder, "config", f"filter.{name}.{key}", str(script))
    git(folder, "config", "core.fsmonitor", str(script))
    for key in ("diff.bad.command", "diff.external", "diff.bad.textconv", "core.pager"):
        git(folder, "config", key, str(script))
    git(folder, "config", f"filter.{name}.required", "true")

    found = find_repository(folder / "configs" / "a.py")

    assert found is not None
    assert found.is_dirty is True
    assert not canary.exists()
    # Without the fences it would have run.
    subprocess.run(["git", "-C", str(folder), "status"], capture_output=True, check=False)
    assert canary.exists()


def test_partial_clone_fetches_nothing(folder: Path, tmp_path: Path) -> None:
    """What it lacks is fetched by a command that it names; the state is not known then."""
    canary = tmp_path / "canary"
    script = tmp_path / "ssh.sh"
    script.write_text(f"#!/bin/sh\ntouch {canary}\nexit 1\n")
    script.chmod(0o755)
    tree = git(folder, "rev-parse", "HEAD^{tree}")
    for key, value in (
        *(("core.repositoryformatversion", "1"), ("extensions.partialClone", "origin")),
        *(("remote.origin.url", "ssh://example.org/x.git"), ("remote.origin.promisor", "true")),
        ("core.sshCommand", str(script)),
    ):
        git(folder, "config", key, value)
    (folder / ".git" / "objects" / tree[:2] / tree[2:]).unlink()

    find_repository(folder / "configs" / "a.py")

    assert not canary.exists()
    subprocess.run(["git", "-C", str(folder), "status"], capture_output=True, check=False)
    assert canary.exists()


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://me:hunter2@example.org:8443/a/b.git", "https://example.org:8443/a/b.git"),
        ("https://oauth2:hunter2@example.org/a.git?x=hunter2#hunter2", "https://example.org/a.git"),
        ("ssh://git:hunter2@example.org/a.git", "ssh://example.org/a.git"),
        ("git@example.org:a/b.git", "example.org:a/b.git"),
        ("hunter2@example.org:a/b.git", "example.org:a/b.git"),
        ("/home/hunter2/b.git", "b.git"),
        ("file:///home/hunter2/b.git", "b.git"),
        ("../hunter2/b.git", "b.git"),
        ("https://[hunter2", ""),
    ],
)
def test_remote_is_kept_without_secrets(folder: Path, remote: str, expected: str) -> None:
    """User, password, query and folders of this machine are left out."""
    git(folder, "config", "remote.origin.url", remote)

    found = find_repository(folder / "configs" / "a.py")

    assert found is not None
    assert found.remote == expected == public_address(remote)


@pytest.mark.parametrize("kind", ["none", "empty", "no git"])
def test_folder_without_a_commit_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """No repository, one without a commit, or no git: no error."""
    (tmp_path / "a.py").write_text("")
    if kind == "empty":
        git(tmp_path, "init", "-q")
    if kind == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))

    assert find_repository(tmp_path / "a.py") is None
