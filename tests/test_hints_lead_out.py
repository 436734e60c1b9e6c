# SPDX-License-Identifier: Apache-2.0
"""Commands that fail are run again as their hints say, until they end well: none is a circle."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from weights_rows import weights_row

from zoo.cli import main

pytestmark = [pytest.mark.mm, pytest.mark.slow]

_STEPS = 4  # hints one after another, at most
_QUOTED = re.compile(r"'([^']+)'")
_SETTING = re.compile(r"(?<![\w.])((?:[a-z]\w*\.)+\w+)=([^\s,;]+?)[,;.]?(?=\s|$)")
_OPTION = re.compile(r"(--[a-z][a-z-]*)(?:[ =]([^\s;]+?)[,;.]?(?=\s|$))?")
_FLAGS = ("--amp", "--offline", "--tta", "--tiles", "--show")
_WORDS = (
    "alone",
    "and",
    "as",
    "holds",
    "is",
    "out",
    "sets",
    "shows",
    "takes",
    "or",
    "to",
    "without",
)


def _follow(args: Sequence[str], holes: dict[str, str]) -> list[str]:
    """Run a command, then as each hint says; return the hints that it took, or fail.

    Args:
        args: Of ``zoo``.
        holes: What a user would put for ``CONFIG``, ``DIR`` and the like.
    """
    hints: list[str] = []
    messages: list[str] = []
    words = list(args)
    for _ in range(_STEPS + 1):
        result = CliRunner().invoke(main, words)
        told = f"{words}\n{result.stderr}\n{result.exception!r}"
        if result.exit_code == 0:
            return hints
        assert result.exit_code == 1, told
        _, _, error = f"\n{result.stderr}".rpartition("\nerror: ")
        message, found, hint = error.partition("\nHINT: ")
        assert found, told
        assert message not in messages, f"a circle: {hints}\n{told}"
        messages.append(message)
        hints.append(hint.strip())
        words = _apply(hint.strip(), message, words, holes)
    pytest.fail(f"{len(hints)} hints led nowhere: {hints}")


def _apply(hint: str, message: str, words: list[str], holes: dict[str, str]) -> list[str]:
    """Return the command changed as its hint says, or another command that the hint names."""
    near = re.match(r"did you mean '?([^'? ]+)", hint)
    if near:
        asked = [name for name in _QUOTED.findall(message) if any(name in word for word in words)]
        return [word.replace(asked[-1], near[1]) for word in words]
    left_out = re.match(r"(?:leave (?:out )?|drop )(--[a-z-]+)", hint)
    if left_out:
        return _without(words, left_out[1])
    variable = re.search(r"set (ZOO_\w+)=(\w+)", hint)
    if variable:
        os.environ[variable[1]] = variable[2]
        return words
    pair = re.match(r"give (\S+\.py,\S+)\.$", hint)
    if pair:
        return [pair[1] if "," in word else word for word in words]
    given = re.match(r"give (CONFIG,\S+)\.$", hint)
    if given:
        model = given[1].replace("CONFIG", holes["CONFIG"])
        return [model if word == given[1].partition(",")[2] else word for word in words]
    settings = _SETTING.findall(hint)
    if settings and "--data DIR, or" not in hint:
        return _with_settings(words, [f"{key}={value}" for key, value in settings])
    typed = re.search(r"(?:^|: )`?zoo ([^,;`]+)", hint)
    if typed and " shows" not in typed[1]:
        return [holes.get(word, word) for word in typed[1].rstrip(".").split()]
    listing = re.match(r"`?zoo ([a-z ]+?)(?:`| shows| --)", hint)
    if listing:
        return listing[1].split()
    return _with_option(words, hint, holes)


def _without(words: list[str], option: str) -> list[str]:
    at = words.index(option)
    has_value = at + 1 < len(words) and not words[at + 1].startswith("--")
    return [*words[:at], *words[at + 1 + (has_value and option not in _FLAGS) :]]


def _with_settings(words: list[str], settings: list[str]) -> list[str]:
    keys = tuple(f"{setting.partition('=')[0]}=" for setting in settings)
    kept = [word for word in words if not word.startswith(keys)]
    return [*kept, "--cfg-options", *settings]


def _with_option(words: list[str], hint: str, holes: dict[str, str]) -> list[str]:
    options = _OPTION.findall(hint)
    option, value = next((each for each in options if each[1] == "DIR"), options[-1])
    value = "" if value in _WORDS else holes.get(value, value)
    if "another " in hint:
        value = holes["ANOTHER"]
    kept = list(words)
    if option in kept:
        at = kept.index(option)
        has_value = at + 1 < len(kept) and not kept[at + 1].startswith("--")
        del kept[at : at + 1 + has_value]
    # Before --cfg-options, which takes all that follows.
    at = kept.index("--cfg-options") if "--cfg-options" in kept else len(kept)
    return [*kept[:at], option, *([value] if value else []), *kept[at:]]


@pytest.fixture
def holes(tmp_path: Path, squares_config: Path, squares_data: Path) -> dict[str, str]:
    return {
        "ANOTHER": str(tmp_path / "another"),
        "CONFIG": str(squares_config),
        "DIR": str(squares_data),
    }


@pytest.fixture
def plugins(
    checkout_plugins: Path, squares: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path:
    """Find those of the checkout and the one of squares; variables are put back."""
    monkeypatch.setenv("ZOO_NO_FOREIGN_CODE", "0")
    monkeypatch.chdir(tmp_path)
    return checkout_plugins


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["list", "--plugin", "oil_storag"], 1),
        (["info", "DiceLos"], 1),
        (["info", "loss/DiceLos"], 1),
        (["info", "plugin/dice_los"], 1),
        (["info", "zoo.dice_loss.DiceLos"], 1),
        (["info", "zzzzz"], 1),
        (["config", "show", "unet_smal_lung-512"], 1),
        (["config", "show", "zzzzz"], 1),
        (["download", "zzzzz"], 1),
        (["verify", "zzzzz"], 1),
        (["data", "sample", "zzzzz", "--out", "o"], 1),
        (["data", "sample", "folder_dat", "--task", "semantic", "--out", "o"], 1),
        (["data", "sample", "folder_data", "--task", "semantic", "--out", "."], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_hint_of_a_name_leads_to_what_is_there(
    tmp_path: Path, holes: dict[str, str], words: list[str], count: int
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()

    assert len(_follow(words, holes)) == count


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--shares", "0.8,0.2"], 1),
        pytest.param(["--shares", "x"], 1, marks=pytest.mark.release),
        (["--size", "x"], 1),
    ],
)
def test_hint_of_prepare_leads_to_a_folder(
    tmp_path: Path, holes: dict[str, str], options: list[str], count: int
) -> None:
    source = tmp_path / "raw"
    sample = ["data", "sample", "lung_xray", "--out", str(source)]
    assert CliRunner().invoke(main, sample).exit_code == 0
    words = ["data", "prepare", "lung_xray", "--source", str(source), "--out", "out", *options]

    assert len(_follow(words, holes)) == count


_SHORT = (
    *("train_cfg.max_iters=1", "val_dataloader=None", "val_cfg=None", "val_evaluator=None"),
    *("default_hooks.checkpoint.save_best=None",),
)


@pytest.fixture
def train(squares_config: Path, squares_data: Path, holes: dict[str, str]) -> Callable[..., int]:
    """Return a function that follows the hints of ``zoo train``, and gives their number."""

    def run(*settings: str, options: Sequence[str] = (), data: bool = True) -> int:
        words = ["train", str(squares_config), "--work-dir", "run", *options]
        words += ["--data", str(squares_data)] if data else []
        return len(_follow([*words, "--cfg-options", *_SHORT, *settings], holes))

    return run


_WEIGHTS = "model.backbone.init_cfg"


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (["model.decode_head.num_classes=5"], []),
        (["optim_wrapper.optimizer.lrr=0.1"], []),
        (["model.decode_head.chanels=4"], []),
        (["model.backbone.type=UNett"], []),
        (["default_hooks.timer.type=IterTimerHok"], []),
        (["param_scheduler.type=LinearLR", "param_scheduler.end=3"], []),
        ([f"{_WEIGHTS}.type=Pretrained", f"{_WEIGHTS}.checkpoint=torchvision://unet"], []),
        ([], ["--amp"]),
        ([], ["--resume", "gone.pth"]),
        (["train_dataloader.dataset.dataset.type=zoo.squares.SquareDatase"], []),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_hint_of_train_leads_to_a_run(
    train: Callable[..., int],
    settings: list[str],
    options: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from zoo.engine.stepping import precision

    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)

    assert train(*settings, options=options) == 1


@pytest.mark.usefixtures("plugins")
def test_hint_of_data_that_is_not_there_names_the_option(train: Callable[..., int]) -> None:
    """And the key of the data set inside its wrapper, for data that is not prepared."""
    assert train(data=False) == 1


@pytest.mark.usefixtures("plugins")
def test_hints_of_a_used_work_dir_and_of_foreign_code_lead_on(
    train: Callable[..., int], monkeypatch: pytest.MonkeyPatch, squares_config: Path
) -> None:
    assert train() == 0
    assert train() == 1  # --resume
    shutil.rmtree("run")
    with squares_config.open("a") as stream:
        stream.write("x = 1\n")
    from zoo.engine.config_files import strangers as foreign_configs

    monkeypatch.setattr(foreign_configs, "_ADMITTED", set())
    monkeypatch.setenv("ZOO_NO_FOREIGN_CODE", "1")

    assert train() == 1


@pytest.mark.usefixtures("plugins")
def test_hint_of_a_checkpoint_alone_leads_to_a_prediction(
    train: Callable[..., int], squares_data: Path, holes: dict[str, str]
) -> None:
    """Its config is beside it: CONFIG is that of the work dir."""
    assert train() == 0
    holes["CONFIG"] = "run/squares.py"
    image = str(next((squares_data / "images").iterdir()))
    words = ["predict", "run/iter_1.pth", image, "--out", "out"]

    assert len(_follow(words, holes)) == 1


@pytest.fixture
def own_images(tmp_path: Path) -> Path:
    """Write five images and anti-aliased masks, in folders and with names of one's own."""
    cv2 = pytest.importorskip("cv2")
    np = pytest.importorskip("numpy")

    for number in range(5):
        image = np.random.default_rng(number).integers(0, 256, (40, 40, 3), np.uint8)
        disc = cv2.circle(np.zeros((320, 320), np.uint8), (150 + 5 * number, 160), 90, 255, -1)
        mask = cv2.resize(disc, (40, 40), interpolation=cv2.INTER_AREA)
        for folder, name, pixels in (("img", "x{}", image), ("annotations", "x{}_seg", mask)):
            path = tmp_path / "own" / folder / f"{name.format(number)}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), pixels)
    return tmp_path / "own"


@pytest.mark.usefixtures("plugins")
def test_hints_of_own_images_lead_to_a_file_of_classes(
    own_images: Path, holes: dict[str, str], tmp_path: Path
) -> None:
    """From folders and names that do not fit to --init, and from there to a prepared folder."""
    words = ["data", "prepare", "folder_data", "--source", str(own_images)]
    words += ["--out", str(tmp_path / "out"), "--shares", "1,0,0"]

    hints = _follow([*words, "--images", "img", "--masks", "annotations"], holes)

    assert [re.findall(r"--[a-z-]+", hint)[0] for hint in hints] == ["--mask-suffix", "--init"]
    assert (own_images / "classes.toml").is_file()
    again = [*words, "--images", "img", "--masks", "annotations", "--mask-suffix", "_seg"]
    assert _follow(again, holes) == []


@pytest.fixture
def run_dir(train: Callable[..., int], holes: dict[str, str], squares_data: Path) -> Path:
    """Train for one step, and say what of it a user would put for the words in capitals."""
    assert train() == 0
    holes |= {"WORK_DIR": "run", "CONFIG": "run/squares.py", "CHECKPOINT": "run/iter_1.pth"}
    holes |= {"FILE.json": "measured.json", "IMAGE": str(next((squares_data / "images").iterdir()))}
    return Path("run")


@pytest.mark.usefixtures("plugins", "run_dir")
@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["test", "CONFIG", "CHECKPOINT", "--tta"], 1),
        (["test", "CONFIG", "CHECKPOINT", "--tiles"], 1),
        (["test", "CONFIG", "CHECKPOINT", "--trust", "ab" * 32], 0),
        (["test", "CHECKPOINT"], 1),
        (["publish", "WORK_DIR", "--name", "n", "--out", "o"], 1),
        (["publish", "WORK_DIR", "--name", "n", "--out", "o", "--metric", "zzz"], 1),
        (["predict", "WORK_DIR", "IMAGE", "--out", "o", "--device", "cuda:9"], 1),
        (["predict", "CHECKPOINT,CONFIG", "IMAGE", "--out", "o"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_hint_about_a_run_leads_on(holes: dict[str, str], words: list[str], count: int) -> None:
    filled = [",".join(holes.get(part, part) for part in word.split(",")) for word in words]
    if words[0] == "test":
        filled += ["--data", holes["DIR"]]

    assert len(_follow(filled, holes)) == count


@pytest.fixture
def far(write_plugin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a plugin whose weights a mirror has, which the user named."""
    data = b"weights, as far as a digest can tell"
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "far.safetensors").write_bytes(data)
    write_plugin("remote", weights_row("far", data))
    path = os.environ["ZOO_PLUGIN_PATH"]
    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{path}{os.pathsep}{tmp_path}")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_MIRRORS", str(tmp_path / "mirror"))


@pytest.mark.usefixtures("plugins", "far")
@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["verify", "far"], 1),
        (["verify", "fa"], 2),
        (["download", "fa"], 1),
        (["download", "fa", "--offline"], 1),
        (["cache", "rm", "far"], 1),
        (["list", "--plugin", "remot", "--metric", "dise"], 2),
        (["info", "weights/fa"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_hint_about_weights_leads_to_their_file(
    holes: dict[str, str], words: list[str], count: int
) -> None:
    """A name that is nearly right, then a file that is not here yet, or no longer."""
    assert len(_follow(words, holes)) == count


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["data", "check", "gone"], 1),
        (["data", "show", "gone", "--out", "sheet"], 1),
        (["data", "sample", "squares", "--out", "s", "--size", "16"], 1),
        (["data", "sample", "square", "--out", "s"], 1),
        (["data", "prepare", "SquareDatase", "--source", "raw", "--out", "new"], 1),
        (["data", "check", "raw"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_hint_about_data_leads_to_a_prepared_folder(
    holes: dict[str, str], words: list[str], count: int
) -> None:
    sample = ["data", "sample", "squares", "--out", "raw"]
    assert CliRunner().invoke(main, sample).exit_code == 0
    holes |= {"NAME": "squares", "PATH": "raw", "DIR": "prepared"}

    assert len(_follow(words, holes)) == count
