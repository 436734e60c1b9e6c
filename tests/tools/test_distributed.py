# SPDX-License-Identifier: Apache-2.0
"""Several processes of one run, on a CPU: they train together, fail together, measure as one."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cluster import TOOLS, Cluster, Done, end_of_process, errors_in, free_port

pytestmark = [pytest.mark.mm, pytest.mark.slow]

_EVEN = """
_base_ = ["semantic.py"]
norm = dict(type="GN", num_groups=2)
model = dict(backbone=dict(norm_cfg=norm), decode_head=dict(norm_cfg=norm, dropout_ratio=0.0))
pipeline = [dict(type=name) for name in ("LoadImageFromFile", "LoadAnnotations", "PackSegInputs")]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
custom_hooks = [dict(type="zoo.training_hooks.ValidationLoss")]
"""
_BROKEN = [
    "--cfg-options",
    "train_dataloader.sampler.shuffle=False",
    "train_dataloader.batch_size=1",
]


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, warm_zoo: Path, env_of_zoo: dict[str, str]
) -> Cluster:
    """Write the data and the configs that all tests share."""
    return Cluster(tmp_path_factory.mktemp("several") / "task", warm_zoo, env_of_zoo)


@pytest.fixture(scope="module")
def two(cluster: Cluster) -> Done:
    """Train in two processes, without a stop, into the folder ``two``."""
    done = cluster.together(2, "train", "semantic.py", "--work-dir", "two")
    assert done.code == 0, done.errors
    return done


def _ends(cluster: Cluster, *folders: str) -> list[Mapping[str, Any]]:
    """Return what decides a run, of each work dir; which of its checkpoints stay may differ."""
    ends = [cluster.end_of(cluster.folder / folder) for folder in folders]
    return [{key: value for key, value in end.items() if key != "files"} for end in ends]


def test_first_process_alone_prints_and_writes(cluster: Cluster, two: Done) -> None:
    """One log, one result, nothing in the current folder, no process that speaks twice."""
    assert "training semantic on 2 processes" in two.errors[0]
    assert "work dir: " in two.outputs[0]
    assert (two.errors[1], two.outputs[1]) == ("", "")
    assert len([*(cluster.folder / "two").glob("*/*.log")]) == 1
    assert not (cluster.folder / ".dist_test").exists()


def test_killed_process_when_restarts_are_allowed_ends_in_the_same_bytes(
    cluster: Cluster, two: Done, tmp_path: Path
) -> None:
    """kill -9 in step 8 of 12: torchrun starts both again, from the checkpoint of step 6."""
    mishap = f"1 8 {tmp_path / 'mark'}"
    words = ["semantic.py", "2", "--work-dir", "killed"]

    done = cluster.torchrun("dist_train.sh", *words, MAX_RESTARTS="1", MISHAP=mishap)

    assert done.code == 0, done.errors
    assert (tmp_path / "mark").exists()
    assert "resumed from" in done.errors[0]
    uninterrupted, killed = _ends(cluster, "two", "killed")
    assert killed == uninterrupted


def test_killed_process_without_restarts_is_told_once(cluster: Cluster, tmp_path: Path) -> None:
    """No page of torchrun, no error of the process that lost the other; the lock is free."""
    words = ["semantic.py", "2", "--work-dir", "lost"]

    done = cluster.torchrun("dist_train.sh", *words, MISHAP=f"1 4 {tmp_path / 'mark'}")

    assert done.code == 1
    assert time.time() - (tmp_path / "mark").stat().st_mtime < 30  # from the kill to the end
    (message,) = errors_in(done.errors[0])
    assert "SIGKILL ended process 1" in message
    assert not re.search("Traceback|elastic|gloo", done.errors[0]), done.errors[0]
    assert not (cluster.folder / "lost/.running").exists()


def test_image_that_one_process_cannot_read_stops_all_with_its_message(cluster: Cluster) -> None:
    path = cluster.folder / "pictures/images/train3.png"  # the second step's, of the second process
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    try:
        done = cluster.torchrun("dist_train.sh", "semantic.py", "2", "--work-dir", "bad", *_BROKEN)
    finally:
        path.write_bytes(whole)

    assert done.code == 1
    (message,) = errors_in(done.errors[0])
    assert "train3.png" in done.errors[0].partition(message)[2] + message
    assert not re.search("Traceback|elastic|gloo", done.errors[0]), done.errors[0]
    assert not (cluster.folder / "bad/.running").exists()


@pytest.mark.parametrize("task", ["semantic", "instance"])
def test_images_dealt_to_several_processes_are_measured_as_in_one(
    cluster: Cluster, two: Done, task: str
) -> None:
    """Five images in two and in four processes: equal to the last digit, whatever pads them."""
    checkpoint = "two/iter_12.pth"
    if task == "instance":
        done = cluster.run(cluster.zoo, "train", "instance.py", "--work-dir", "one")
        assert done.code == 0, done.errors
        checkpoint = "one/iter_12.pth"
    words = ["test", f"{task}.py", checkpoint, "--cfg-options", "val_dataloader.batch_size=1"]
    names = [f"{task}_{count}.json" for count in (1, 2, 4)]

    tests = [cluster.run(cluster.zoo, *words, "--out", names[0])]
    for count, name in ((2, names[1]), (4, names[2])):
        tests.append(cluster.together(count, *words, "--out", name))

    assert [done.code for done in tests] == [0, 0, 0], [done.errors for done in tests]
    one, *others = (json.loads((cluster.folder / name).read_text()) for name in names)
    assert len(one["per_image"]) == 5
    measured = one["metrics"] if task == "semantic" else one["per_image"][4]["predicted"]
    assert measured
    assert others == [one, one]
    assert tests[1].outputs[1:] == [""]


def test_two_processes_log_the_losses_of_one_with_the_doubled_batch(cluster: Cluster) -> None:
    """Without random augmentation, dropout and batch norm, which see their share alone.

    So are the losses of the five images of the validation.
    """
    (cluster.folder / "even.py").write_text(_EVEN, encoding="utf-8")
    words = ["train", "even.py", "--work-dir"]

    one = cluster.run(cluster.zoo, *words, "even_1", "--batch-size", "4")
    both = cluster.together(2, *words, "even_2", "--batch-size", "2")

    assert (one.code, both.code) == (0, 0), (one.errors, both.errors)
    from zoo import read_run

    runs = [read_run(cluster.folder / name) for name in ("even_1", "even_2")]
    curves = [dict(run.losses["loss"]) for run in runs]
    validated = [dict(run.val_losses["loss"]) for run in runs]
    assert (len(curves[0]), len(validated[0])) == (12, 3)
    assert curves[1] == pytest.approx(curves[0], abs=1e-5)
    assert validated[1] == pytest.approx(validated[0], abs=1e-5)


def test_resuming_with_another_number_of_processes_is_refused_and_can_be_forced(
    cluster: Cluster, two: Done
) -> None:
    words = [cluster.zoo, "train", "semantic.py", "--work-dir", cluster.copy("two", "other")]

    refused = cluster.run(*words, "--resume")
    forced = cluster.run(*words, "--resume", "--other-config")

    assert refused.code == 1
    assert "processes: was 2, is 1" in errors_in(refused.errors[0])[0]
    assert forced.code == 0, forced.errors
    assert "processes: was 2, is 1" in forced.errors[0]


def test_job_that_slurm_preempts_is_requeued_and_ends_in_the_same_bytes(
    cluster: Cluster, two: Done
) -> None:
    """SIGUSR1 to each process saves and stops; the same command with --resume goes on."""
    words = [TOOLS / "slurm_train.sh", "debug", "name", "semantic.py", "--work-dir", "job"]
    env = {"GPUS": "2", "GPUS_PER_NODE": "0", "PYTHON": str(cluster.folder / "bin/python")}
    job = cluster.start([*words, "--resume"], **env, PAUSE="0.3")
    end_s = time.monotonic() + 600
    while not (cluster.folder / "job/iter_3.pth").exists() and time.monotonic() < end_s:
        time.sleep(0.02)

    job.send_signal(signal.SIGUSR1)
    _, told = end_of_process(job)
    stopped = (cluster.folder / "job/last_checkpoint").read_text()
    again = cluster.run(*words, "--resume", **env)

    assert job.returncode == 128 + signal.SIGUSR1, told
    assert told.count("stopped after step") == 1, told
    assert "slurm_train.sh debug name semantic.py --work-dir job --resume" in told
    assert int(re.findall(r"iter_(\d+)", stopped)[-1]) < 12
    assert again.code == 0, again.errors
    uninterrupted, preempted = _ends(cluster, "two", "job")
    assert preempted == uninterrupted


def test_ctrl_c_in_a_terminal_stops_both_processes_after_the_same_step(cluster: Cluster) -> None:
    """Started in full: one checkpoint, no process left over, and the command to resume."""
    words = [TOOLS / "dist_train.sh", "semantic.py", "2", "--work-dir", "typed", "--verbose"]
    words += ["--cfg-options", "train_cfg.max_iters=100000", "train_cfg.val_interval=100000"]
    words += ["log_level=INFO", "default_hooks.checkpoint.interval=100000"]
    environment = os.environ | cluster.env | {"PYTHON": sys.executable}
    run = sys.modules["terminal"].Terminal(words, folder=cluster.folder, environment=environment)
    assert run.wait_for(r"Iter\(train\) \[ *\d+/100000\]"), run.text[-3000:]

    run.press_ctrl_c()

    assert run.wait() != 0
    assert run.others(wait_s=60) == []
    (checkpoint,) = (cluster.folder / "typed").glob("iter_*.pth")
    assert run.text.count(f"stopped after step {checkpoint.stem[5:]};") == 1, run.text[-3000:]
    assert "resume with: tools/dist_train.sh semantic.py 2 --work-dir typed" in run.text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["semantic.py"], "usage: tools/dist_train.sh CONFIG PROCESSES"),
        (["semantic.py", "two"], "usage: tools/dist_train.sh CONFIG PROCESSES"),
        (["semantic.py", "0"], "cannot start 0 processes"),
    ],
)
def test_words_that_dist_train_does_not_take_are_told(
    cluster: Cluster, words: list[str], says: str
) -> None:
    done = cluster.torchrun("dist_train.sh", *words)

    assert done.code == 2
    assert says in done.errors[0]


@pytest.mark.parametrize("nodes", ["1", "2"])
def test_port_in_use_is_one_message(cluster: Cluster, nodes: str) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        env = {"NNODES": nodes, "MASTER_PORT": port}
        done = cluster.torchrun("dist_train.sh", "semantic.py", "2", **env)

    assert done.code == 1
    assert errors_in(done.errors[0]) == [
        f"error: cannot start: port {port} of this machine is in use."
    ]
    assert "HINT: set MASTER_PORT to a free one" in done.errors[0]


def test_port_of_a_job_in_use_is_one_message(cluster: Cluster) -> None:
    """Without torchrun, the first process listens itself."""
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        env = {"MASTER_PORT": str(taken.getsockname()[1]), "RANK": "0", "WORLD_SIZE": "2"}
        words = ["train", "semantic.py", "--launcher", "pytorch"]
        done = cluster.run(cluster.zoo, *words, **env)

    assert done.code == 1
    (message,) = errors_in(done.errors[0])
    assert "the port is in use" in message


@pytest.mark.parametrize("launcher", ["pytorch", "slurm", "mpi"])
def test_launcher_that_started_nothing_is_named(cluster: Cluster, launcher: str) -> None:
    done = cluster.run(cluster.zoo, "train", "semantic.py", "--launcher", launcher)

    assert done.code == 1
    (message,) = errors_in(done.errors[0])
    assert f"cannot start with --launcher {launcher}: " in message


def test_wrong_words_are_told_by_the_first_of_several_processes(cluster: Cluster) -> None:
    done = cluster.together(2, "train", "semantic.py", "--epochs", "1", "--max-steps", "1")

    assert done.code == 2
    assert "give one of them" in done.errors[0]
    assert done.errors[1] == ""


@pytest.mark.parametrize("apart_s", [0.0, 3.0])
def test_error_of_all_processes_is_told_once(cluster: Cluster, apart_s: float) -> None:
    """Also if the first one, where they meet, has failed before the second one is there."""
    words = ("train", "semantic.py", "--batch-size", "4", "--pretrained", "no.pth")
    done = cluster.together(2, *words, apart_s=apart_s)

    assert done.code == 1
    assert len(errors_in("".join(done.errors))) == 1, done.errors


def test_two_machines_train_as_one_run(cluster: Cluster, two: Done) -> None:
    """Two launchers that meet at one port, with one process each."""
    port = free_port()
    env = {"NNODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    env |= {"PYTHON": sys.executable, "PYTHON_EXEC": str(cluster.folder / "bin/python")}
    words = [TOOLS / "dist_train.sh", "semantic.py", "1", "--work-dir", "machines"]

    machines = [cluster.start(words, **env, NODE_RANK=rank) for rank in ("0", "1")]
    texts = [end_of_process(machine) for machine in machines]

    assert [machine.returncode for machine in machines] == [0, 0], texts
    assert texts[1] == ("", "")
    alone, together = _ends(cluster, "two", "machines")
    assert together == alone
