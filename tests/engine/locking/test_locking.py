# SPDX-License-Identifier: Apache-2.0
"""A team's lock: what it holds, and what ``zoo sync`` says of each difference."""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from weights_rows import weights_row

from zoo.catalog import forget_catalog
from zoo.engine.adoption.adopting import Way
from zoo.engine.adoption.obtaining import download
from zoo.engine.locking.locking import lock
from zoo.engine.locking.syncing import State, sync
from zoo.errors import ConfigError, DownloadError, UnknownNameError
from zoo.weights import fetch_address, find_weights_file
from zoo.weights.by_name import find_weights
from zoo.weights.lock import Accepted, Pin, accept_licence, add_pins, read_pins

pytestmark = pytest.mark.mm

_NUMBERS = itertools.count()
_CONFIG = "model = dict(type='zoo.{plugin}.ReefLoss', depth={depth})\nwork_dir = 'out'\n"
_ROWS = """
[[loss]]
name = "ReefLoss"
target = "zoo_{plugin}.loss:ReefLoss"

[[converter]]
name = "rename"
version = 1
target = "zoo_{plugin}.converters:convert"

[[config]]
name = "reef_net"
file = "reef_net.py"
"""
_CONVERTER = "def convert(state_dict):\n    return {f'x.{k}': v for k, v in state_dict.items()}\n"


class Team:
    """A third party's plugin with weights on a mirror, a project folder, and two machines."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.mirror, self.project = folder, folder / "mirror", folder / "project"
        self.name = f"reef{next(_NUMBERS)}"  # a package is imported once for each process
        self.package = folder / "plugins" / self.name / f"zoo_{self.name}"
        self.lock = self.project / "zoo.lock"
        self._set = monkeypatch.setenv
        for each in (self.package, self.project, self.mirror):
            each.mkdir(parents=True)
        served = [self._serve(name, seed) for seed, name in enumerate(("p", "s", "p"))]
        self.plain, self.source, self.newer = served
        self.write()
        monkeypatch.setenv("ZOO_PLUGIN_PATH", str(folder / "plugins"))
        monkeypatch.setenv("ZOO_LOCK", str(self.lock))
        monkeypatch.setenv("ZOO_OFFLINE", "1")  # a mirror that is a folder still serves
        for name in ("ZOO_FROZEN", "ZOO_MIRRORS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(self.project)
        self.sit_at("first")

    def _serve(self, name: str, seed: int) -> bytes:
        import numpy as np
        from safetensors.numpy import save

        tensor = np.random.default_rng(seed).normal(size=(3, 4)).astype(np.float32)
        data = save({"weight": tensor})
        place = self.mirror / hashlib.sha256(data).hexdigest() / f"{name}.safetensors"
        place.parent.mkdir()
        place.write_bytes(data)
        return data

    def write(self, *, version: str = "0.1.0", depth: int = 3, plain: bytes | None = None) -> None:
        """Write the plugin."""
        header = f'[plugin]\nname = "{self.name}"\nversion = "{version}"\napi = 1\n'
        header += 'summary = "reefs"\nlicense = "MIT"\n'
        rows = _ROWS.format(plugin=self.name)
        kind = {"task": "backbone", "parameters": 12}
        own = {"config": "reef_net", "urls": _at("p")}
        rows += weights_row("reef_plain", plain or self.plain, **kind, **own)
        own = {"config": "", "urls": _at("s"), "converter": "rename"}
        living = weights_row("reef_living", self.source, **kind, **own)
        rows += living.replace('config = ""\n', "")
        for file, text in {
            "zoo_plugin.toml": header + rows,
            "__init__.py": "import zoo\n",
            "loss.py": "class ReefLoss:\n    pass\n",
            "converters.py": _CONVERTER,
            "reef_net.py": _CONFIG.format(plugin=self.name, depth=depth),
        }.items():
            (self.package / file).write_text(text)
        forget_catalog()

    def sit_at(self, machine: str) -> None:
        """Continue on another machine: it has the project and the plugin, and an empty cache."""
        self._set("ZOO_CACHE", str(self.folder / machine / "cache"))
        self._set("XDG_CONFIG_HOME", str(self.folder / machine / "settings"))
        forget_catalog()

    def write_lock(self, *names: str) -> dict[str, str]:
        """Lock names; return the change of each row."""
        return {each.name: each.change for each in lock(names, self.way)}

    def states(self, *, frozen: bool = False) -> dict[str, State]:
        """Sync; return the state of each row."""
        found = sync(self.way, frozen=frozen)
        assert len({(each.kind, each.name) for each in found}) == len(found)
        return {each.name: each for each in found}

    @property
    def way(self) -> Way:
        """Return where files come from."""
        return Way(mirrors=(str(self.mirror),))

    @property
    def document(self) -> dict[str, Any]:
        """Return the lock."""
        found: dict[str, Any] = json.loads(self.lock.read_text("utf-8"))
        return found


def _at(name: str) -> list[str]:
    return [f"https://example.invalid/{name}.safetensors"]


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    """Return a team whose plugin is found alone."""
    return Team(tmp_path, monkeypatch)


def test_lock_holds_weights_and_all_that_they_need(team: Team) -> None:
    """The config, its plugin, and for converted weights both digests and the converter."""
    changes = team.write_lock("reef_plain", "reef_living")

    config = f"{team.name}.reef_net"
    assert changes == dict.fromkeys(("reef_plain", "reef_living", config, team.name), "added")
    found = team.document
    assert found["format"] == 2
    assert [row["name"] for row in found["weights"]] == ["reef_living", "reef_plain"]
    living, plain = found["weights"]
    digests = [hashlib.sha256(data).hexdigest() for data in (team.source, team.plain)]
    assert [living["source_sha256"], plain["source_sha256"]] == digests
    assert plain["sha256"] == digests[1]
    assert living["sha256"] != digests[0]
    assert (living["converter"], living["converter_version"]) == (f"{team.name}.rename", 1)
    assert [row["name"] for row in found["configs"]] == [config]
    assert [(row["name"], row["version"]) for row in found["plugins"]] == [(team.name, "0.1.0")]


def test_lock_is_equal_wherever_and_in_whatever_order_it_is_written(team: Team) -> None:
    """Bytes do not depend on machine, order or repetition, and name no place on a disk."""
    team.write_lock("reef_living", "reef_plain")
    first = team.lock.read_bytes()
    assert set(team.write_lock().values()) == {"kept"}
    assert team.lock.read_bytes() == first

    team.sit_at("second")
    team.lock.unlink()
    for name in ("reef_plain", "reef_living"):
        team.write_lock(name)

    assert team.lock.read_bytes() == first
    assert str(team.folder).encode() not in first
    assert str(Path.home()).encode() not in first


def test_sync_brings_another_machine_to_the_lock(team: Team) -> None:
    """What is missing is fetched and converted, to the same bytes; a second time, nothing is."""
    team.write_lock("reef_plain", "reef_living")
    locked = team.lock.read_bytes()
    team.sit_at("second")

    first, second = team.states(frozen=True), team.states(frozen=True)

    weights = {"reef_plain", "reef_living"}
    assert {name: first[name].state for name in weights} == dict.fromkeys(weights, "fetched")
    assert {each.state for each in second.values()} == {"ok"}
    for pin in read_pins().values():
        path = find_weights_file(find_weights(pin.name))
        assert hashlib.sha256(path.read_bytes()).hexdigest() == pin.sha256
        assert path.is_relative_to(team.folder / "second")
    assert team.lock.read_bytes() == locked


def _other_version(team: Team) -> None:
    team.write(version="0.2.0")


def _edited(team: Team) -> None:
    (team.package / "loss.py").write_text("class ReefLoss:\n    depth = 2\n")


def _added(team: Team) -> None:
    (team.package / "facts.json").write_text("{}")


def _removed(team: Team) -> None:
    shutil.rmtree(team.package.parent)
    forget_catalog()


def _changed_config(team: Team) -> None:
    team.write(depth=4)


def _other_bytes(team: Team) -> None:
    team.write(plain=team.newer)


def _lost_mirror(team: Team) -> None:
    for folder in team.mirror.iterdir():
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("change", "name", "state", "found", "fix"),
    [
        (_other_version, "PLUGIN", "differs", "version 0.2.0 is here, 0.1.0 is lock", "pip instal"),
        (_edited, "PLUGIN", "differs", "version 0.1.0, but its files differ", "zoo lock PLUGIN"),
        (_added, "PLUGIN", "differs", "version 0.1.0, but its files differ", "zoo lock PLUGIN"),
        (_removed, "PLUGIN", "missing", "version 0.1.0 is locked", 'pip install "mmzoo-PLUGIN=='),
        (_removed, "reef_plain", "missing", "no weights named", 'pip install "mmzoo-PLUGIN=='),
        (_changed_config, "PLUGIN.reef_net", "differs", "its content", "zoo lock PLUGIN.reef_net"),
        (_other_bytes, "reef_plain", "differs", "lists the sha256", "zoo lock PLUGIN.reef_plain"),
        (
            _lost_mirror,
            "reef_plain",
            "missing",
            "cannot download p.safetensors",
            "set --mirror",
        ),
    ],
)
def test_each_difference_is_told_with_what_mends_it(
    team: Team, change: Callable[[Team], None], name: str, state: str, found: str, fix: str
) -> None:
    """Nothing is changed for it: neither the lock, nor what is here."""
    team.write_lock("reef_plain")
    locked = team.lock.read_bytes()
    team.sit_at("second")
    change(team)

    states = team.states()

    told = states[name.replace("PLUGIN", team.name)]
    assert (told.state, told.holds) == (state, False)
    assert found in str(told.found)
    assert str(told.fix).startswith(fix.replace("PLUGIN", team.name))
    assert team.lock.read_bytes() == locked


@pytest.mark.parametrize("change", [_edited, _changed_config, _other_bytes])
def test_command_that_is_told_mends_the_difference(
    team: Team, change: Callable[[Team], None]
) -> None:
    """`zoo lock NAME` of each difference; then a frozen sync finds none."""
    team.write_lock("reef_plain")
    change(team)

    for each in team.states().values():
        if not each.holds:
            assert each.fix is not None
            assert each.fix.startswith("zoo lock ")
            team.write_lock(*each.fix.split()[2:])

    assert {each.state for each in team.states(frozen=True).values()} <= {"ok", "fetched"}


def test_what_machines_add_to_a_package_does_not_differ(team: Team) -> None:
    """Compiled Python, hidden files and tests are no part of a plugin."""
    team.write_lock("reef_plain")
    for file in ("__pycache__/loss.pyc", ".cache/x", ".hidden", "tests/test_it.py", "_c.so"):
        (team.package / file).parent.mkdir(exist_ok=True)
        (team.package / file).write_bytes(b"x")

    assert team.states(frozen=True)[team.name].state == "ok"


def test_row_that_the_lock_lacks_is_added_but_not_when_frozen(team: Team) -> None:
    """A lock of weights alone, as adopting writes it, lacks their config and plugins."""
    team.write_lock("reef_plain")
    pins = read_pins()
    team.lock.unlink()
    add_pins(pins.values())
    before = team.lock.read_bytes()
    names = {team.name, f"{team.name}.reef_net"}

    frozen = team.states(frozen=True)
    assert {name: frozen[name].state for name in names} == dict.fromkeys(names, "not locked")
    assert frozen[team.name].fix == "zoo lock"
    assert team.lock.read_bytes() == before
    thawed = team.states()
    assert {name: thawed[name].state for name in names} == dict.fromkeys(names, "locked")
    assert {each.state for each in team.states(frozen=True).values()} == {"ok"}


def test_config_of_the_project_is_locked_by_its_path(team: Team) -> None:
    """With the plugins of its types; a base that changes changes it."""
    (team.project / "configs").mkdir()
    (team.project / "configs" / "base.py").write_text("work_dir = 'a'\n")
    mine = team.project / "configs" / "mine.py"
    mine.write_text(f"_base_ = 'base.py'\nmodel = dict(type='zoo.{team.name}.ReefLoss')\n")

    changes = team.write_lock("configs/mine.py")

    assert changes == {"configs/mine.py": "added", team.name: "added"}
    assert team.states(frozen=True)["configs/mine.py"].state == "ok"
    (team.project / "configs" / "base.py").write_text("work_dir = 'b'\n")
    assert team.states()["configs/mine.py"].state == "differs"
    mine.unlink()
    assert team.states()["configs/mine.py"].state == "missing"


def test_lock_of_a_config_holds_the_plugins_of_its_bases(team: Team) -> None:
    """Another machine must have them to read it, though no type of theirs is left in it."""
    (team.package / "part.py").write_text("depth = 3\nwork_dir = 'a'\nsteps = [dict(type='A')]\n")
    manifest = team.package / "zoo_plugin.toml"
    row = '\n[[base]]\nname = "part"\nfile = "part.py"\npart = "schedule"\n'
    manifest.write_text(manifest.read_text() + row)
    forget_catalog()
    text = "_base_ = 'zoo::part'\nsteps = dict(_edit_=True, A=dict(b={}))\n"
    (team.project / "mine.py").write_text(text.format(1))

    changes = team.write_lock("mine.py")

    assert changes == {"mine.py": "added", team.name: "added"}
    assert team.states(frozen=True)["mine.py"].state == "ok"
    (team.project / "mine.py").write_text(text.format(2))
    assert team.states()["mine.py"].state == "differs"


def test_config_that_names_its_folder_is_the_same_elsewhere(team: Team) -> None:
    """mmengine puts the folder of a config in place of ``{{ fileDirname }}``."""
    text = "model = dict(path='{{ fileDirname }}/x')\n"
    (team.project / "mine.py").write_text(text)
    team.write_lock("mine.py")
    moved = team.folder / "elsewhere"
    shutil.move(team.project, moved)
    team._set("ZOO_LOCK", str(moved / "zoo.lock"))

    assert team.states(frozen=True)["mine.py"].state == "ok"


@pytest.mark.parametrize(
    "name", ["../outside.py", "{folder}/outside.py", "linked.py", "mmseg::{folder}/outside.py"]
)
def test_row_of_a_config_outside_the_project_runs_nothing(team: Team, name: str) -> None:
    """A lock comes with a project, and may name any file; only the project's are run."""
    text = "from pathlib import Path\n_ran = Path({ran!r}).touch()\nmodel = dict()\n"
    ran = team.folder / "ran"
    outside = team.folder / "outside.py"
    outside.write_text(text.format(ran=str(ran)))
    (team.project / "linked.py").symlink_to(outside)
    name = name.format(folder=team.folder)
    row = {"name": name, "sha256": "0" * 64}
    team.write_lock("reef_plain")
    team.lock.write_text(json.dumps({**team.document, "configs": [row]}))

    found = team.states(frozen=True)[name]

    assert found.state == "differs"
    assert "is not run" in found.found
    assert not ran.exists()


def test_config_outside_the_project_is_refused(team: Team) -> None:
    outside = team.folder / "outside.py"
    outside.write_text("model = dict()\n")

    with pytest.raises(ConfigError, match="not below the folder of the lock"):
        team.write_lock(str(outside))

    assert not team.lock.exists()


def test_unknown_name_offers_near_ones_and_locks_nothing(team: Team) -> None:
    with pytest.raises(UnknownNameError, match=r"no weights named 'reef_plian'") as raised:
        team.write_lock("reef_plain", "reef_plian")

    assert "reef_plain" in raised.value.near
    assert not team.lock.exists()


def test_path_of_a_config_that_is_not_there_is_told(team: Team) -> None:
    with pytest.raises(UnknownNameError, match=r"no config file 'configs/mien\.py'"):
        team.write_lock("configs/mien.py")


def test_lock_holds_no_secret_of_an_address(team: Team) -> None:
    """A signed address or one with a password is written without both."""
    toml = team.package / "zoo_plugin.toml"
    secret = "https://ann:hunter2@example.invalid/p.safetensors?sig=swordfish"
    toml.write_text(toml.read_text().replace(_at("p")[0], secret))
    forget_catalog()

    team.write_lock("reef_plain")

    assert team.document["weights"][0]["address"] == _at("p")[0]
    assert b"hunter2" not in team.lock.read_bytes()
    assert b"swordfish" not in team.lock.read_bytes()


def test_first_lock_without_names_holds_what_is_here(team: Team) -> None:
    """All plugins, and the weights whose files are on this machine."""
    download("reef_plain", mirrors=[str(team.mirror)])

    changes = team.write_lock()

    assert changes == dict.fromkeys((team.name, "reef_plain", f"{team.name}.reef_net"), "added")


def test_rows_that_are_not_here_are_kept(team: Team) -> None:
    """A lock is also that of others, who have more plugins."""
    team.write_lock("reef_plain")
    other = dict(team.document["plugins"][0], name="of_others")
    document = team.document
    document["plugins"].append(other)
    team.lock.write_text(json.dumps(document))

    changes = team.write_lock()

    assert changes["of_others"] == "not here"
    assert other in team.document["plugins"]


def test_licences_and_pins_of_others_are_kept(team: Team) -> None:
    """Each part of zoo that writes the file keeps what the others wrote."""
    accept_licence(Accepted("reef_living", team.name, "CC-BY-NC-4.0"))
    pin = Pin("old", "index", "a" * 64, 1, "b" * 64, 1, 1)
    add_pins([pin])

    team.write_lock("reef_plain")
    add_pins([Pin("older", "index", "c" * 64, 1, "d" * 64, 1, 1)])

    found = team.document
    assert [row["name"] for row in found["weights"]] == ["old", "older", "reef_plain"]
    assert [row["licence"] for row in found["licences"]] == ["CC-BY-NC-4.0"]
    assert [row["name"] for row in found["plugins"]] == [team.name]


def test_sync_without_a_lock_is_told(team: Team) -> None:
    with pytest.raises(DownloadError, match=r"cannot sync: there is no zoo\.lock"):
        team.states()


def test_frozen_refuses_what_the_lock_does_not_hold(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Download, use and adoption, even of files that are here; nothing is pinned."""
    mirrors = [str(team.mirror)]
    download("reef_living", mirrors=mirrors)
    team.lock.unlink()
    team.write_lock("reef_plain")
    before = team.lock.read_bytes()
    monkeypatch.setenv("ZOO_FROZEN", "1")

    assert download("reef_plain", mirrors=mirrors).is_file()
    with pytest.raises(DownloadError, match=r"'reef_living': ZOO_FROZEN is set, and zoo\.lock doe"):
        download("reef_living", mirrors=mirrors)
    with pytest.raises(DownloadError, match=r"cannot change zoo\.lock: ZOO_FROZEN is set"):
        team.write_lock("reef_living")
    with pytest.raises(DownloadError, match=r"cannot change zoo\.lock: ZOO_FROZEN is set"):
        accept_licence(Accepted("reef_plain", team.name, "MIT"))
    team.write(plain=team.newer)
    with pytest.raises(DownloadError, match=r"'reef_plain': .* pins other bytes of that name"):
        find_weights_file(find_weights("reef_plain"))
    assert team.lock.read_bytes() == before
    monkeypatch.setenv("ZOO_FROZEN", "0")
    assert download("reef_living", mirrors=mirrors).is_file()


def test_frozen_refuses_an_address_whose_digest_the_lock_does_not_hold(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `zoo train --pretrained URL` gives one; that of locked bytes is taken."""
    team.write_lock("reef_plain")
    monkeypatch.setenv("ZOO_FROZEN", "1")
    held, other = (hashlib.sha256(data).hexdigest() for data in (team.plain, team.source))
    places = {digest: next((team.mirror / digest).iterdir()).as_uri() for digest in (held, other)}

    assert fetch_address(places[held], held).read_bytes() == team.plain
    with pytest.raises(DownloadError, match="ZOO_FROZEN is set") as raised:
        fetch_address(places[other], other)

    assert raised.value.hint == "give the name of weights that the lock holds, or unset ZOO_FROZEN."


BAD = {
    "newer": ('{"format": 3, "weights": []}', "its format is 3", "update zoo"),
    "torn": ('{"format": 2, "weights": [', "it is not JSON", "fix it"),
    "two digests": (
        lambda document: document["weights"].append(dict(document["weights"][0], sha256="0" * 64)),
        "weights has two different rows of 'reef_plain'",
        "fix it",
    ),
    "short digest": (
        lambda document: document["plugins"][0].update(files_sha256="ab"),
        "row 1 of plugins: files_sha256 is 'ab'",
        "fix it",
    ),
    "no name for pip": (
        lambda document: document["plugins"][0].update(name='x"; touch y; "'),
        "a row of plugins: name is 'x\"; touch y; \"'",
        "fix it",
    ),
    "no version for pip": (
        lambda document: document["plugins"][0].update(version='1" --index-url "https://x'),
        "a row of plugins: version is '1\" --index-url \"https://x'",
        "fix it",
    ),
    "unknown section": (
        lambda document: document.update(notes=[]),
        "it has the unknown section 'notes'",
        "fix it",
    ),
    "no list": (
        lambda document: document.update(configs={}),
        "it has no list of configs",
        "fix it",
    ),
    "lacking key": (
        lambda document: document["configs"][0].pop("sha256"),
        "row 1 of configs has not the keys name, sha256",
        "fix it",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_lock_that_was_edited_badly_is_told_and_left_alone(team: Team, case: str) -> None:
    """By every command that reads it."""
    team.write_lock("reef_plain")
    change, message, hint = BAD[case]
    if callable(change):
        document = team.document
        change(document)
        change = json.dumps(document)
    team.lock.write_text(change)

    for run in (team.states, team.write_lock, lambda: team.write_lock("reef_plain")):
        with pytest.raises(DownloadError, match=r"cannot use zoo\.lock") as raised:
            run()
        assert message in raised.value.message
        assert str(raised.value.hint).startswith(hint)
    assert team.lock.read_text() == change


def test_lock_with_the_marks_of_a_merge_is_told_by_its_line(team: Team) -> None:
    """git leaves both sides in the file; rows of both, each once, are what is meant."""
    team.write_lock("reef_plain")
    lines = team.lock.read_text().splitlines(keepends=True)
    lines[3:3] = ["<<<<<<< HEAD\n", " {}\n", "=======\n", " {}\n", ">>>>>>> branch\n"]
    team.lock.write_text("".join(lines))

    with pytest.raises(DownloadError, match="marks of a merge") as raised:
        team.states()

    assert raised.value.where == f"{team.lock}:4"


@pytest.mark.skipif(shutil.which("git") is None, reason="git merges it")
def test_what_two_people_add_is_merged_by_git(team: Team) -> None:
    """Both started from one lock; nothing is left to resolve, and both rows are there."""
    pins = [Pin(name, "reef", "a" * 64, 1, "b" * 64, 1, 1) for name in "acegikm"]
    add_pins(pins[1:6])
    paths = []
    for name, pin in (("base", None), ("mine", pins[0]), ("yours", pins[6])):
        path = team.folder / f"{name}.lock"
        shutil.copy(team.lock, path)
        if pin is not None:
            add_pins([pin], path)
        paths.append(path)

    base, mine, yours = paths
    done = subprocess.run(["git", "merge-file", mine, base, yours], check=False)

    assert done.returncode == 0
    assert list(read_pins(mine)) == list("acegikm")


def _lock_one(folder: str, number: int) -> None:
    os.chdir(folder)
    from zoo.weights.lock_file.team import LockedPlugin, add_rows

    row = LockedPlugin(f"plugin{number}", "1", "a" * 64, "b" * 64)
    add_rows(Path(folder) / "zoo.lock", [row])


def test_processes_that_lock_at_once_lose_nothing(team: Team) -> None:
    """Every row of eight processes is in the file."""
    context = multiprocessing.get_context("fork")
    jobs = [context.Process(target=_lock_one, args=(str(team.project), n)) for n in range(8)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(60)

    assert [job.exitcode for job in jobs] == [0] * 8
    assert len(team.document["plugins"]) == 8
