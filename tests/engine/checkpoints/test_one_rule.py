# SPDX-License-Identifier: Apache-2.0
"""Best or last checkpoint: one rule, and the same answer from all that read a work dir."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoo.cli import main
from zoo.errors import CheckpointError

pytestmark = pytest.mark.mm

BEST = ("best_mDice_iter_8.pth", "best_mDice_iter_10.pth", "best_mDice_iter_4.pth")
LAST = ("iter_8.pth", "iter_10.pth", "iter_12.pth")
# Kind -> the files that are there, and those of them that are damaged.
KEPT: dict[str, Callable[[Sequence[str]], tuple[set[str], set[str]]]] = {
    "none": lambda names: (set(), set()),
    "one": lambda names: ({names[0]}, set()),
    "several": lambda names: (set(names), set()),
    "the newest damaged": lambda names: (set(names), {max(names, key=step_of)}),
    "all damaged": lambda names: (set(names), set(names)),
}
NOTES = ("right", "another folder's", "missing", "of an older step")


def step_of(name: str) -> int:
    return int(Path(name).stem.split("_")[-1])


def make_run(folder: Path, whole: bytes, best: str, last: str, note: str) -> tuple[set[str], ...]:
    """Write a work dir; return the best and the last ones that are there, and the damaged."""
    folder.mkdir()
    (bests, torn), (lasts, torn_too) = KEPT[best](BEST), KEPT[last](LAST)
    for name in bests | lasts:
        (folder / name).write_bytes(whole[:-100] if name in torn | torn_too else whole)
    if lasts and note != "missing":
        name = min(lasts, key=step_of) if note == "of an older step" else max(lasts, key=step_of)
        noted = Path("/gone/run") if note == "another folder's" else folder
        (folder / "last_checkpoint").write_text(str(noted / name))
    return bests, lasts, torn | torn_too


def expected_of(bests: set[str], lasts: set[str], torn: set[str], note: str) -> str | None:
    """The oracle: the latest whole best one, else the one noted, else the latest whole one."""
    latest = sorted(bests - torn, key=step_of) or None
    if latest:
        return latest[-1]
    if note == "of an older step" and lasts:
        noted = min(lasts, key=step_of)
        if noted not in torn:
            return noted
    whole = sorted(lasts - torn, key=step_of)
    return whole[-1] if whole else None


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    import torch

    path = tmp_path_factory.mktemp("whole") / "a.pth"
    torch.save({"state_dict": {"w": torch.arange(300.0)}}, path)
    return path.read_bytes()


@pytest.mark.parametrize("note", NOTES)
@pytest.mark.parametrize(("best", "last"), list(itertools.product(KEPT, KEPT)))
def test_choice_in_any_work_dir_is_that_of_the_rule(
    tmp_path: Path, whole: bytes, best: str, last: str, note: str
) -> None:
    """A hundred work dirs: best preferred, then last alone; none at all, or all of them damaged."""
    from zoo.engine.checkpoints.kept import choose_checkpoint

    folder = tmp_path / "run"
    bests, lasts, torn = make_run(folder, whole, best, last, note)

    for prefer, candidates in (("best", bests), ("last", set[str]())):
        expected = expected_of(candidates, lasts, torn, note)
        if expected is None and candidates | lasts:
            with pytest.raises(CheckpointError, match="each one is damaged"):
                choose_checkpoint(folder, prefer=prefer)  # type: ignore[arg-type]
        else:
            found = choose_checkpoint(folder, prefer=prefer)  # type: ignore[arg-type]
            assert (found and found.name) == expected


@pytest.mark.slow
def test_predict_test_and_publish_take_the_same_checkpoint(
    squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path
) -> None:
    """From the command line, of one run whose files are removed and damaged one after the other."""
    from zoo.engine.work_dir.run_facts import find_run

    def zoo(*words: str | Path) -> str:
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return done.stdout

    run, image = tmp_path / "run", next((squares_data / "images").rglob("*.png"))
    options = ["--cfg-options", "default_hooks.checkpoint.interval=3"]
    zoo("train", squares_config, "--data", squares_data, "--work-dir", run, *options)
    best = next(run.glob("best_*.pth")).name
    shutil.copy(run / "iter_3.pth", run / best.replace("_6", "_3"))

    def taken() -> set[str]:
        zoo("predict", run, image, "--out", tmp_path / "o", "--device", "cpu")
        told = json.loads((tmp_path / "o" / "predictions.json").read_text())
        measured = zoo("test", run).partition(" on test")[0]
        published = find_run(run, data=squares_data).checkpoint.name
        return {told["model"]["checkpoint"], Path(measured).name, published}

    assert taken() == {best}
    (run / best).write_bytes((run / best).read_bytes()[:-100])
    assert taken() == {best.replace("_6", "_3")}
    (run / best.replace("_6", "_3")).unlink()
    assert taken() == {"iter_6.pth"}
    (run / "iter_6.pth").write_bytes(b"")
    assert taken() == {"iter_3.pth"}
