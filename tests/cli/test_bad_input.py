# SPDX-License-Identifier: Apache-2.0
"""Bad plugins, names, configs and checkpoints through the installed command.

Each row is one message with a hint, exit 1, and nothing written, read over or left. Prepared data
has its rows with the plugins that prepare it.
"""

from __future__ import annotations

import pickle
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

Refused = Callable[..., str]
RunZoo = Callable[..., subprocess.CompletedProcess[str]]
WriteTiles = Callable[..., Path]

MANIFEST = """
[plugin]
name = "tiles"
version = "0.3.0"
api = 1
summary = "Roof tiles"
license = "MIT"

[[dataset]]
name = "TileDataset"
task = "semantic"
target = "zoo_tiles.dataset:TileDataset"
prepare = "zoo_tiles.prepare:prepare"
classes = ["background", "tile"]
labels = "true"
licence = "CC0-1.0"

[[model]]
name = "TileNet"
target = "zoo_tiles.parts:TileNet"

[[loss]]
name = "EdgeLoss"
target = "zoo_tiles.parts:EdgeLoss"

[[config]]
name = "unet_tiles-256"
file = "unet.py"
"""
PREPARE = ("data", "prepare", "tiles", "--source", "raw", "--out", "out")
PLUGINS = "tiles,slates,squares"


@pytest.fixture
def write_tiles(tmp_path: Path) -> WriteTiles:
    """Return a function that writes the plugin, and gives the folder to search for plugins."""

    def write(manifest: str = MANIFEST, name: str = "tiles", **modules: str) -> Path:
        package = tmp_path / "plugins" / name / "zoo_tiles"
        package.mkdir(parents=True)
        (package / "zoo_plugin.toml").write_text(manifest)
        (package / "unet.py").write_text("model = dict(type='zoo.tiles.TileNet')\n")
        for module, code in {"__init__": "import zoo\n", **modules}.items():
            (package / f"{module}.py").write_text(code)
        (tmp_path / "raw").mkdir(exist_ok=True)
        return tmp_path / "plugins"

    return write


BROKEN: dict[str, tuple[str, str, str, str]] = {
    # what of the manifest is replaced, by what, the guilty key, what is said
    "unknown key": ('labels = "true"', 'lables = "true"', "'lables'", "did you mean labels"),
    "wrong type": ("api = 1", 'api = "1"', "[plugin] api", "expected an integer"),
    "missing target": (
        'target = "zoo_tiles.parts:EdgeLoss"',
        "",
        "'target'",
        "[[loss]] 'EdgeLoss' lacks the key 'target'",
    ),
    "duplicate name": (
        "[[loss]]",
        "[[loss]]\nname = 'EdgeLoss'\ntarget = 'zoo_tiles.a:B'\n\n[[loss]]",
        "'EdgeLoss'",
        "is used by two rows",
    ),
    "no TOML": ("[plugin]", "[plugin", "line 2", "not valid TOML"),
}


@pytest.mark.parametrize(("old", "new", "guilty", "says"), BROKEN.values(), ids=BROKEN)
def test_manifest_when_broken_then_marked_and_refused_when_used(
    write_tiles: WriteTiles,
    run_zoo: RunZoo,
    check_refused: Refused,
    old: str,
    new: str,
    guilty: str,
    says: str,
) -> None:
    """The listing goes on, the other plugin is there, and using the broken one says the same."""
    folder = write_tiles(MANIFEST.replace(old, new, 1))
    slates = folder / "slates" / "zoo_slates"
    slates.mkdir(parents=True)
    (slates / "zoo_plugin.toml").write_text(MANIFEST.replace("tiles", "slates"))
    (slates / "unet.py").touch()
    for module, target in re.findall(r'"zoo_tiles\.(\w+):(\w+)"', MANIFEST):
        with (slates / f"{module}.py").open("a") as stream:
            kind = "class" if target[0].isupper() else "def"
            stream.write(f"{kind} {target}({'*a, **k' if kind == 'def' else ''}): ...\n")

    listed = run_zoo("plugin", "list", plugins=PLUGINS, folder=folder)
    message = check_refused(*PREPARE, guilty=guilty, plugins=PLUGINS, folder=folder)

    assert listed.returncode == 0, listed.stderr
    states = {line.split()[0]: line.split()[2] for line in listed.stdout.splitlines()[1:]}
    assert states == {"slates": "ok", "tiles": "broken"}
    assert f"tiles: {message}" in listed.stderr
    assert says in message
    assert str(folder / "tiles" / "zoo_tiles" / "zoo_plugin.toml") in message


def test_plugin_when_found_twice_then_marked_and_refused_when_used(
    write_tiles: WriteTiles, run_zoo: RunZoo, check_refused: Refused
) -> None:
    """Both places are named, with their versions."""
    write_tiles()
    folder = write_tiles(MANIFEST.replace("0.3.0", "0.4.0"), name="tiles-new")

    listed = run_zoo("plugin", "list", plugins=PLUGINS, folder=folder)
    message = check_refused(*PREPARE, guilty="tiles-new", plugins=PLUGINS, folder=folder)

    assert listed.returncode == 0, listed.stderr
    assert [line.split()[2] for line in listed.stdout.splitlines()[1:]] == ["broken", "broken"]
    assert "cannot use plugin 'tiles': found twice, 0.3.0 and 0.4.0." in message


IMPORTS: dict[str, tuple[str, str]] = {
    # what the module is, what is said
    "end of the program": ("import sys\nsys.exit(3)", "SystemExit: 3."),
    "no exception of Python's own": (
        "class Stop(BaseException): ...\nraise Stop('at once')",
        "Stop: at once.",
    ),
    "package not installed": ("import pydicomm", "No module named 'pydicomm'"),
    "error of its own": (
        "class Unlicensed(Exception): ...\nraise Unlicensed('no licence file')",
        "Unlicensed: no licence file.",
    ),
    "no Python": ("def prepare(:\n", "SyntaxError: invalid syntax"),
    "name not there": ("def prepare_all(): ...", "has no 'prepare'"),
}


@pytest.mark.parametrize(("code", "says"), IMPORTS.values(), ids=IMPORTS)
def test_plugin_when_its_import_fails_then_refused(
    write_tiles: WriteTiles, check_refused: Refused, code: str, says: str
) -> None:
    """Plugin and target are named, with the real reason."""
    folder = write_tiles(prepare=code)

    guilty = "zoo_tiles.prepare:prepare"
    message = check_refused(*PREPARE, guilty=guilty, plugins=PLUGINS, folder=folder)

    assert says in message


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import sys\nsys.exit(3)", "code outside zoo ended the process with 3."),
        ("raise SystemExit", "code outside zoo ended the process with 0."),
        ("raise SystemExit('no licence\x1b[2J')", "error: no licence\\x1b[2J"),
    ],
)
def test_command_when_a_plugins_function_ends_the_program_then_says_so(
    write_tiles: WriteTiles, run_zoo: RunZoo, code: str, says: str
) -> None:
    """Not only an import may call ``sys.exit``; the command never ends without a word."""
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    folder = write_tiles(prepare=f"def prepare(source, out, **options):\n{lines}")

    done = run_zoo(*PREPARE, plugins=PLUGINS, folder=folder)

    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("tran", "x.py"), "Did you mean train?"),
        (("data", "prepare", "tiles", "--out", "out"), "Missing option '--source'"),
        ((*PREPARE, "--shars", "1,0,0"), "No such option '--shars'"),
        (("predict", "model", "--out", "out"), "Missing argument 'INPUT...'"),
    ],
)
def test_command_when_used_wrongly_then_ends_with_2(
    write_tiles: WriteTiles, run_zoo: RunZoo, command: tuple[str, ...], says: str
) -> None:
    """Nothing is begun; what is missing or was meant is named."""
    folder = write_tiles()

    done = run_zoo(*command, plugins=PLUGINS, folder=folder)

    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in folder.parent.iterdir()) == ["plugins", "raw"]


UNKNOWN: dict[str, tuple[tuple[str, ...], str, str]] = {
    # the command, what is unknown, the near name
    "data set": (("data", "prepare", "TilDataset", *PREPARE[3:]), "'TilDataset'", "TileDataset"),
    "data set's plugin": (("data", "prepare", "tils", *PREPARE[3:]), "'tils'", "tiles"),
    "data set to sample": (("data", "sample", "tils", "--out", "out"), "'tils'", "tiles"),
    "plugin of a data set": (
        ("data", "prepare", "tils.TileDataset", *PREPARE[3:]),
        "'tils.TileDataset'",
        "tiles.TileDataset",
    ),
    "config": (("config", "show", "unet_tile-256"), "'unet_tile-256'", "unet_tiles-256"),
    "loss": (("info", "loss/EdgLoss"), "'EdgLoss'", "EdgeLoss"),
    "model": (("info", "model/TilNet"), "'TilNet'", "TileNet"),
    "anything": (("info", "tilenet"), "'tilenet'", "TileNet"),
    "plugin": (("list", "--plugin", "tils"), "'tils'", "tiles"),
}


TO_TRAIN = pytest.param(
    *(("train", "unet_tile-256"), "'unet_tile-256'", "unet_tiles-256"),
    id="config to train",
    marks=pytest.mark.mm,  # it is looked up by what trains
)


@pytest.mark.parametrize(
    ("command", "guilty", "near"),
    [TO_TRAIN, *(pytest.param(*row, id=name) for name, row in UNKNOWN.items())],
)
def test_name_when_unknown_then_near_names_are_offered(
    write_tiles: WriteTiles,
    check_refused: Refused,
    command: tuple[str, ...],
    guilty: str,
    near: str,
) -> None:
    """A typo costs one look."""
    folder = write_tiles()

    message = check_refused(*command, guilty=guilty, plugins=PLUGINS, folder=folder)

    assert near in message.partition("HINT: ")[2]


@pytest.fixture
def places(
    write_tiles: WriteTiles,
    squares_folder: Path,
    squares_data: Path,
    squares_config: Path,
    tmp_path: Path,
) -> Path:
    """Write plugins, prepared data and a config that trains on it, all below the test's folder."""
    folder = write_tiles(parts="raise RuntimeError('parts of another zoo')")
    shutil.copytree(squares_folder, folder / "squares")
    shutil.copytree(squares_data, tmp_path / "data")
    return folder


LOSS = "model.decode_head.loss_decode.type"
DATASET = "train_dataloader.dataset.dataset.type"
CONFIGS: dict[str, tuple[str, str, str]] = {
    # the setting that is wrong, the guilty key, what is said
    "loss of a plugin": (f"{LOSS}=zoo.tiles.EdgLoss", LOSS, "did you mean tiles.EdgeLoss?"),
    "loss of mmseg": (f"{LOSS}=CrossEntropyLos", LOSS, "did you mean CrossEntropyLoss"),
    "model": ("model.type=EncodrDecoder", "model.type", "did you mean EncoderDecoder"),
    "model of a plugin": (
        "model.type=zoo.tiles.TilNet",
        "model.type",
        "did you mean tiles.TileNet",
    ),
    "data set": (f"{DATASET}=zoo.squares.SquarDataset", DATASET, "did you mean squares.SquareDat"),
    "no step": ("train_cfg.max_iters=0", "train_cfg.max_iters", "is 0, expected a whole number, a"),
    "import fails": (f"{LOSS}=zoo.tiles.EdgeLoss", "zoo_tiles.parts:EdgeLoss", "of another zoo"),
    "count of classes": (
        "model.decode_head.num_classes=4",
        "model.decode_head.num_classes",
        "num_classes is 4, the data set has 2 (ground, square)",
    ),
}


@pytest.mark.mm
@pytest.mark.slow
@pytest.mark.parametrize(("setting", "guilty", "says"), CONFIGS.values(), ids=CONFIGS)
def test_train_when_config_is_wrong_then_refused_before_it_starts(
    places: Path, check_refused: Refused, setting: str, guilty: str, says: str
) -> None:
    """Not even the work dir is made."""
    args = ("train", "squares.py", "--data", "data", "--work-dir", "run", "--cfg-options", setting)
    message = check_refused(*args, guilty=guilty, plugins=PLUGINS, folder=places)

    assert says in message


OLD_CONFIG = """
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(type='EncoderDecoder', backbone=dict(type='UNet', norm_cfg=norm_cfg))
data = dict(samples_per_gpu=4, workers_per_gpu=4, train=dict(type='ChaseDB1Dataset'))
optimizer = dict(type='SGD', lr=0.01)
lr_config = dict(policy='poly')
runner = dict(type='IterBasedRunner', max_iters=40000)
evaluation = dict(interval=4000, metric='mDice')
"""


@pytest.mark.mm
@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("train", "old.py", "--data", "data"),
        ("test", "old.py", "x.pth", "--data", "data"),
        ("predict", "old.py,x.pth", "x.png", "--out", "out"),
    ],
    ids=lambda command: command[0],
)
def test_config_when_of_the_old_generation_then_refused(
    places: Path, check_refused: Refused, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Each old key, and where its content goes today."""
    (tmp_path / "old.py").write_text(OLD_CONFIG)
    write_checkpoint(tmp_path / "x.pth")

    message = check_refused(*command, guilty="old.py", plugins=PLUGINS, folder=places)

    assert "an old-generation config (mmseg 0.x" in message
    assert "lr_config -> param_scheduler" in message


def write_checkpoint(path: Path, classes: tuple[str, ...] = ("ground", "square")) -> None:
    """Write a checkpoint of one weight, which fits no model."""
    import torch

    meta = {"dataset_meta": {"classes": classes, "palette": [[0, 0, 0]] * len(classes)}}
    torch.save({"meta": meta, "state_dict": {"weight": torch.zeros(100)}}, path)


def truncate(path: Path) -> None:
    write_checkpoint(path)
    path.write_bytes(path.read_bytes()[:-400])


def save_web_page(path: Path) -> None:
    path.write_text("<!DOCTYPE html>\n<html>404 not found</html>\n")


class Canary:
    """What a hostile pickle runs: it writes a file beside itself."""

    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("open('canary', 'w').write('ran')",)


def write_hostile(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps({"state_dict": {"w": Canary()}}, 2))
        archive.writestr("x/version", "3\n")


# zoo predict knows no data: its config says what the classes are.
NAMED_CONFIG = """
_base_ = 'squares.py'
model = dict(decode_head=dict(num_classes=2))
test_dataloader = dict(dataset=dict(metainfo=dict(classes=['ground', 'square'])))
"""

CHECKPOINTS: dict[str, tuple[Callable[[Path], None], str]] = {
    # how the file is written, what is said
    "truncated": (truncate, "damaged or truncated"),
    "web page": (save_web_page, "it is a web page"),
    "hostile": (write_hostile, "exec"),
    "other classes": (
        lambda path: write_checkpoint(path, ("ground", "circle")),
        "class 1 is 'circle' and 'square'",
    ),
    "more classes": (
        lambda path: write_checkpoint(path, ("ground", "square", "circle")),
        "the checkpoint has 3 (ground, square, circle)",
    ),
    "other weights": (write_checkpoint, "unexpected: weight"),
}


@pytest.mark.mm
@pytest.mark.slow
@pytest.mark.parametrize(("write", "says"), CHECKPOINTS.values(), ids=CHECKPOINTS)
@pytest.mark.parametrize("command", ["test", "predict"])
def test_checkpoint_when_bad_then_refused(
    places: Path,
    check_refused: Refused,
    tmp_path: Path,
    command: str,
    write: Callable[[Path], None],
    says: str,
) -> None:
    """Nothing in the file is run, and no prediction is made of what does not fit."""
    write(tmp_path / "bad.pth")
    (tmp_path / "named.py").write_text(NAMED_CONFIG)
    image = next((tmp_path / "data" / "images").iterdir())
    words = {
        "test": ("test", "squares.py", "bad.pth", "--data", "data", "--out", "out.json"),
        "predict": ("predict", "named.py,bad.pth", image, "--out", "out"),
    }

    # To see that weights do not fit, mmengine has to build the model, and begins its log.
    settings = {"plugins": PLUGINS, "folder": places, "left": tmp_path / "work_dirs"}
    message = check_refused(*words[command], guilty="bad.pth", **settings)

    assert says in message
    assert not {".pth", ".json"} & {path.suffix for path in tmp_path.glob("work_dirs/**/*")}


@pytest.mark.mm
@pytest.mark.slow
def test_train_when_weights_are_of_other_classes_then_refused_before_it_starts(
    places: Path, check_refused: Refused, tmp_path: Path
) -> None:
    """``load_from`` and the data set speak of other things."""
    write_checkpoint(tmp_path / "other.pth", ("ground", "circle"))

    args = ("train", "squares.py", "--data", "data", "--work-dir", "run")
    settings = ("--cfg-options", "load_from=other.pth")
    message = check_refused(*args, *settings, guilty="other.pth", plugins=PLUGINS, folder=places)

    assert "class 1 is 'circle' and 'square'" in message
