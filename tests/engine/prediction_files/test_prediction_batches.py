# SPDX-License-Identifier: Apache-2.0
"""A batch of predictions that is stopped lists what it did, and goes on with the rest."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from zoo.documents import Limits
from zoo.errors import DataError

pytestmark = pytest.mark.mm


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Write six pictures of noise with bright blobs."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        rng = np.random.default_rng(number)
        image = rng.integers(0, 40, (60, 80), np.uint8)
        for row, column in rng.integers(5, 50, (3, 2)):
            image[row : row + 8, column : column + 8] = 150
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return folder


@pytest.fixture(params=["semantic", "instance"])
def model(
    request: pytest.FixtureRequest,
    make_bright_run: Callable[..., Path],
    make_blobs_run: Callable[..., Path],
    bright_folder: Path,
    blobs_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Return a work dir of a model of each task."""
    run = make_bright_run() if request.param == "semantic" else make_blobs_run()
    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{bright_folder}{os.pathsep}{blobs_folder}")
    return str(run)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _stop_after(count: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == count:
            os.kill(os.getpid(), signal.SIGINT)

    return progress


def test_stopped_batch_lists_what_it_did_and_ends_as_one_left_alone(
    model: str, images: Path, tmp_path: Path
) -> None:
    """Byte for byte; what was done is not done again."""
    from zoo.engine.prediction_files.batch import InterruptedBatchError
    from zoo.engine.prediction_files.predict import predict

    predict(model, [images], tmp_path / "whole")
    with pytest.raises(InterruptedBatchError) as caught:
        predict(model, [images], tmp_path / "out", progress=_stop_after(2))
    document = json.loads((tmp_path / "out/predictions.json").read_text())
    listed = [entry["overlay"] for entry in document["images"]]
    before = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in listed}

    done = predict(model, [images], tmp_path / "out", resume=True)

    assert caught.value.count == 2
    assert document["complete"] is False
    assert listed == ["0_overlay.png", "1_overlay.png"]
    assert done.count == 6
    assert _contents(tmp_path / "whole") == _contents(tmp_path / "out")
    assert before == {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in listed}


def test_batch_that_is_done_is_not_done_again(model: str, images: Path, tmp_path: Path) -> None:
    from zoo.engine.prediction_files.predict import predict

    predict(model, [images], tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}

    done = predict(model, [images], tmp_path / "out", resume=True)

    assert (done.count, done.failures) == (6, ())
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize("change", ["an image is newer", "a picture is gone", "the JSON is a pipe"])
def test_batch_that_is_done_but_no_longer_holds_is_done_anew(
    make_bright_run: Callable[..., Path],
    bright_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    images: Path,
    tmp_path: Path,
    change: str,
) -> None:
    """Old results of a new picture would be taken for its own."""
    from zoo.engine.prediction_files.predict import predict

    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(bright_folder))
    run, out = make_bright_run(), tmp_path / "out"
    predict(run, [images], out)
    whole = _contents(out)
    if change == "an image is newer":
        (images / "0.png").write_bytes((images / "1.png").read_bytes())
        whole["0_label.png"], whole["0_overlay.png"] = whole["1_label.png"], whole["1_overlay.png"]
        del whole["predictions.json"]
    elif change == "a picture is gone":
        (out / "0_overlay.png").unlink()
    else:
        (out / "predictions.json").unlink()
        os.mkfifo(out / "predictions.json")
        with pytest.raises(DataError, match="found a folder or a device, expected a file"):
            predict(run, [images], out, resume=True)
        return

    done = predict(run, [images], out, resume=True)

    assert done.count == 6
    assert whole.items() <= _contents(out).items()


@pytest.mark.parametrize("is_rewritten", [False, True])
def test_batch_that_is_done_is_never_forgotten_for_its_size(
    bright_run: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_rewritten: bool,
) -> None:
    """Its JSON is read row by row; one in another form is refused if it is large, and stays."""
    from zoo.engine.prediction_files import batch
    from zoo.engine.prediction_files.predict import predict

    out = tmp_path / "out"
    predict(str(bright_run), [images], out)
    path = out / "predictions.json"
    if is_rewritten:
        path.write_text(json.dumps(json.loads(path.read_text())))
        assert predict(str(bright_run), [images], out, resume=True).count == 6
    limits = Limits(size_bytes=path.stat().st_size - 1)
    monkeypatch.setattr(batch, "_LIMITS", limits)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()}

    if is_rewritten:
        with pytest.raises(DataError, match=r"'predictions\.json' cannot be read") as raised:
            predict(str(bright_run), [images], out, resume=True)
        assert "without --resume" in str(raised.value.hint)
    else:
        assert predict(str(bright_run), [images], out, resume=True).count == 6

    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()}
    assert after == before


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="lists open files by /proc")
def test_json_that_cannot_be_written_leaves_no_journal_open(
    bright_run: Path, images: Path, tmp_path: Path
) -> None:
    """The batch ends with the reason; what was done goes on later."""
    from zoo.engine.prediction_files.predict import predict

    out = tmp_path / "out"

    def block(done: int, total: int) -> None:
        if done == total:
            (out / "predictions.json").unlink()
            (out / "predictions.json").mkdir()

    with pytest.raises(DataError, match=r"cannot write 'predictions\.json'") as raised:
        predict(str(bright_run), [images], out, progress=block)
    places = [os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()]

    assert raised.value.__traceback__ is not None  # it keeps alive what was not closed
    assert str(out / ".predictions.journal") not in places
    (out / "predictions.json").rmdir()
    assert predict(str(bright_run), [images], out, resume=True).count == 6


def test_journal_that_cannot_grow_is_one_error(images: Path, tmp_path: Path) -> None:
    """What is left of its line in memory is no second one when the file is closed."""
    resource = pytest.importorskip("resource")
    from zoo.engine.prediction_files.inputs import find_inputs
    from zoo.engine.prediction_files.journal import Journal

    journal = Journal(tmp_path, {"model": "m", "options": "o", "inputs": "i"})
    first, second, *_ = find_inputs([images])
    journal.add(first, {}, {})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 10, before[1]))
    try:
        with pytest.raises(DataError, match=r"cannot write '\.predictions\.journal'"):
            journal.add(second, {}, {})
        journal.close(is_done=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [line["file"] for line in journal.read()] == [first.path.as_posix()]


@pytest.mark.parametrize("resume", [False, True])
def test_what_killed_processes_were_writing_is_removed(
    model: str, images: Path, tmp_path: Path, resume: bool
) -> None:
    """That of the batch's own large files; what a process is still writing stays."""
    from zoo.engine.prediction_files.predict import predict

    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    out = tmp_path / "out"
    out.mkdir()
    names = ["predictions.json"] + ["coco.json"] * Path(model, "blobs.py").exists()
    gone = [out / f".{name}.{ended.pid}.tmp" for name in names]
    kept = [
        out / name for name in (f".predictions.json.{os.getppid()}.tmp", ".predictions.json.x.tmp")
    ]
    kept.append(out / f".other.json.{ended.pid}.tmp")
    for path in (*gone, *kept):
        path.touch()

    predict(model, [images], out, resume=resume)

    assert [path.name for path in gone if path.exists()] == []
    assert [path.name for path in kept if not path.exists()] == []


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("weights", "found a batch with another model"),
        ("config", "found a batch with another model"),
        ("options", "found a batch with another set of options"),
        ("score", "found a batch with another set of options"),
        ("inputs", "found a batch with another list of inputs"),
    ],
)
def test_resume_of_another_batch_is_refused(
    bright_run: Path, images: Path, tmp_path: Path, change: str, found: str, is_done: bool
) -> None:
    """Whether it was stopped or came to its end; nothing is written."""
    from zoo.engine.prediction.predictor import Predictor
    from zoo.engine.prediction_files.batch import InterruptedBatchError
    from zoo.engine.prediction_files.predict import predict

    if is_done:
        predict(str(bright_run), [images], tmp_path / "out")
    else:
        with pytest.raises(InterruptedBatchError):
            predict(str(bright_run), [images], tmp_path / "out", progress=_stop_after(2))
    before = _contents(tmp_path / "out")
    if change == "weights":
        (bright_run / "best_dice_iter_20.pth").unlink()
    if change == "config":
        path = bright_run / "bright.py"
        path.write_text(path.read_text() + "\ntiling = None\n")
    if change == "inputs":
        (images / "7.png").write_bytes((images / "0.png").read_bytes())
    predictor = Predictor(str(bright_run), score_thr=0.25 if change == "score" else 0.5)

    with pytest.raises(DataError) as caught:
        predict(predictor, [images], tmp_path / "out", overlays=change != "options", resume=True)

    assert found in caught.value.message
    assert "without --resume" in str(caught.value.hint)
    assert before == _contents(tmp_path / "out")


@pytest.mark.parametrize("how", [{"overlay_style": "contour"}, {"overlay_opacity": 0.5}])
def test_resume_refuses_overlays_of_another_look(
    bright_run: Path, images: Path, tmp_path: Path, how: dict[str, Any]
) -> None:
    """Half of a folder in one style, half in another, would be nobody's wish."""
    from zoo.engine.prediction_files.predict import predict

    predict(str(bright_run), [images], tmp_path / "out")

    with pytest.raises(DataError, match="another set of options"):
        predict(str(bright_run), [images], tmp_path / "out", resume=True, **how)


def test_resume_looks_at_the_images_that_are_done(
    bright_run: Path, images: Path, tmp_path: Path
) -> None:
    """A copy with a new date is the same image; another picture of its name is refused."""
    from zoo.engine.prediction_files.batch import InterruptedBatchError
    from zoo.engine.prediction_files.predict import predict

    def stop() -> None:
        with pytest.raises(InterruptedBatchError):
            predict(str(bright_run), [images], tmp_path / "out", progress=_stop_after(2))

    stop()
    os.utime(images / "0.png", (1, 1))
    (tmp_path / "out/1_label.png").unlink()
    assert predict(str(bright_run), [images], tmp_path / "out", resume=True).count == 6
    assert (tmp_path / "out/1_label.png").is_file()

    stop()
    cv2.imwrite(str(images / "1.png"), np.zeros((60, 80), np.uint8))
    with pytest.raises(DataError, match=r"'1\.png' has changed since it was predicted"):
        predict(str(bright_run), [images], tmp_path / "out", resume=True)


def test_resume_retries_what_failed(model: str, images: Path, tmp_path: Path) -> None:
    """As often as it takes; in the end nothing tells of it but the order of ids."""
    from zoo.engine.prediction_files.predict import predict

    whole = (images / "3.png").read_bytes()
    (images / "3.png").write_bytes(whole[:50])
    first = predict(model, [images], tmp_path / "out")
    second = predict(model, [images], tmp_path / "out", resume=True)
    (images / "3.png").write_bytes(whole)

    third = predict(model, [images], tmp_path / "out", resume=True)

    counts = [(one.count, len(one.failures)) for one in (first, second, third)]
    assert counts == [(5, 1), (5, 1), (6, 0)]
    document = json.loads((tmp_path / "out/predictions.json").read_text())
    assert [Path(entry["file"]).name for entry in document["images"]] == [
        f"{number}.png" for number in range(6)
    ]
    assert document["complete"] is True
    assert not list((tmp_path / "out").glob(".*"))
    if document["task"] == "instance":
        coco = json.loads((tmp_path / "out/coco.json").read_text())
        for rows in (coco["images"], coco["annotations"]):
            ids = [row["id"] for row in rows]
            assert len(ids) == len(set(ids))
        listed = [row["id"] for entry in document["images"] for row in entry["instances"]]
        assert sorted(listed) == sorted(row["id"] for row in coco["annotations"])


def test_journal_cut_or_changed_anywhere_costs_no_more_than_its_images(
    bright_run: Path, images: Path, tmp_path: Path
) -> None:
    """40 cuts and 40 changed bytes, seeded: each batch ends as one left alone."""
    from zoo.engine.prediction.predictor import Predictor
    from zoo.engine.prediction_files.batch import InterruptedBatchError
    from zoo.engine.prediction_files.predict import predict

    predictor = Predictor(str(bright_run))
    predict(predictor, [images], tmp_path / "whole")
    expected = _contents(tmp_path / "whole")
    with pytest.raises(InterruptedBatchError):
        predict(predictor, [images], tmp_path / "out", progress=_stop_after(4))
    journal = tmp_path / "out/.predictions.journal"
    content, rng = journal.read_bytes(), random.Random(0)
    for number in range(80):
        at = rng.randrange(1, len(content))
        changed = bytearray(content)
        changed[at] ^= rng.randrange(1, 256)
        journal.write_bytes(content[:at] if number % 2 else bytes(changed))

        predict(predictor, [images], tmp_path / "out", resume=True)

        assert expected == _contents(tmp_path / "out"), (number, at)


@pytest.mark.slow
def test_killed_batch_leaves_a_json_that_holds_and_goes_on(
    bright_run: Path,
    bright_folder: Path,
    tmp_path: Path,
    start_zoo: Callable[..., Any],
    run_zoo: Callable[..., Any],
) -> None:
    """Nothing cleans up after kill -9; twice, at moments that differ."""
    (tmp_path / "many").mkdir()
    for number in range(40):
        rng = np.random.default_rng(number)
        path = str(tmp_path / f"many/{number:02}.png")
        cv2.imwrite(path, rng.integers(0, 255, (200, 200), np.uint8))
    words = ("predict", bright_run, tmp_path / "many", "--out")
    fence = {"plugins": "bright", "folder": bright_folder}
    whole = run_zoo(*words, tmp_path / "whole", **fence)
    assert whole.returncode == 0, whole.stderr

    out, journal = tmp_path / "out", tmp_path / "out/.predictions.journal"
    for count in (1, 20):
        process = start_zoo(*words, out, "--resume", **fence)
        end_s = time.monotonic() + 300
        while time.monotonic() < end_s and process.poll() is None:
            if journal.is_file() and journal.read_bytes().count(b"\n") > count:
                break
            time.sleep(0.002)
        process.kill()
        process.wait()
        document = json.loads((out / "predictions.json").read_text())
        for entry in document["images"]:
            assert (out / entry["label"]).is_file()
    ended = run_zoo(*words, out, "--resume", **fence)

    assert ended.returncode == 0, ended.stderr
    assert _contents(tmp_path / "whole") == _contents(out)
