# SPDX-License-Identifier: Apache-2.0
"""Code under check that kills, multiplies, waits or prints without end ends as a finding."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo.checking.process_groups import run_group

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc"),
]
MANIFEST = """[plugin]
name = "pond"
version = "0.1.0"
api = 1
summary = "ponds"
license = "Apache-2.0"

[[loss]]
name = "PondLoss"
target = "zoo_pond.loss:PondLoss"

[[loss]]
name = "OtherLoss"
target = "zoo_pond.other:OtherLoss"
"""
# As `zoo plugin check` does, but without the seconds that importing OpenMMLab takes.
CHECK = """
import json, sys
from pathlib import Path
from zoo.checking.isolation import bench
from zoo.checking.lookup import subject_of_folder
from zoo.checking.rules import all_rules

if __name__ == "__main__":
    bench._PRELOADED = "zoo.checking.rules"
    subject = subject_of_folder(Path(sys.argv[1]))
    rules = [rule for rule in all_rules() if rule.id == "ZP501"]
    wanted = [(rule, case[0]) for rule in rules for case in rule.cases(subject)]
    with bench.Bench(subject, timeout_s=float(sys.argv[2])) as opened:
        found = opened.check_all(wanted, lambda *_: None)
        print(json.dumps([[each.message for each in findings] for findings in found]))
"""
KILLS = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n"
FORKS = """import os, time
for _ in range(1000):
    if os.fork() == 0:
        time.sleep(300)
        os._exit(0)
"""
COMPUTES = "while True:\n    pass\n"
WAITS = "import time\ntime.sleep(300)\n"
ENDS = "import os, signal\nos.kill(os.getpid(), signal.SIGABRT)\n"


def _write(folder: Path, code: str) -> Path:
    """Write a plugin with a loss of that code, and one without fault."""
    package = folder / "zoo_pond"
    package.mkdir(parents=True)
    (package / "zoo_plugin.toml").write_text(MANIFEST)
    (package / "__init__.py").write_text('"""Ponds."""\n\nimport zoo as zoo\n')
    note = f"import os\nopen({str(folder / 'note')!r}, 'a').write(f'{{os.getpgrp()}} ')\n"
    (package / "loss.py").write_text(f"{note}{code}\n\nclass PondLoss: ...\n")
    (package / "other.py").write_text("class OtherLoss: ...\n")
    return package


def _command(package: Path, timeout_s: float) -> list[str]:
    script = package.parent / "check.py"
    script.write_text(CHECK)
    return [sys.executable, str(script), str(package), str(timeout_s)]


def _group_of(package: Path) -> list[str]:
    """Return the processes that are left of the groups in which the code ran."""
    groups = set((package.parent / "note").read_text().split())
    assert groups
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            stats.append(path.read_text().rpartition(")")[2].split())
        except OSError:
            continue
    return [fields[0] for fields in stats if fields[2] in groups and fields[0] != "Z"]


def _expect_none_left(package: Path) -> None:
    """What was killed is gone once it gets to run."""
    ends_s = time.monotonic() + 60
    while _group_of(package) and time.monotonic() < ends_s:
        time.sleep(0.05)
    assert _group_of(package) == []


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (KILLS, "its code kills the process that started it"),
        (FORKS, "more than 256 processes"),
        (COMPUTES, "it did not finish within 3 s."),
        (WAITS, "it did not finish within 3 s: it waits, and computes nothing."),
        (ENDS, f"its process ends with signal {signal.SIGABRT:d}"),
    ],
    ids=["kills", "forks", "computes", "waits", "ends"],
)
def test_hostile_code_is_a_finding_and_the_next_case_has_none(
    tmp_path: Path, code: str, told: str
) -> None:
    """Whatever it does to its process, its parent or the system, zoo goes on, and nothing stays."""
    package = _write(tmp_path, code)

    done = subprocess.run(
        _command(package, 3), capture_output=True, text=True, timeout=120, check=True
    )

    (message,), others = json.loads(done.stdout)
    assert told in message
    assert others == []
    _expect_none_left(package)


def test_killed_check_leaves_no_process_and_the_next_one_removes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL, which nothing can catch; the folder of a check that runs stays.

    The folder for temporary files is longer than the path of a socket may be.
    """
    tmp = tmp_path / ("long" * 30)
    tmp.mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp))
    package, clean = _write(tmp_path / "a", WAITS), _write(tmp_path / "b", "")
    killed, running = (subprocess.Popen(_command(package, 300)) for _ in range(2))
    ends_s = time.monotonic() + 240
    while len(list(tmp.glob("zoo-check-*/case_*"))) < 4:
        assert time.monotonic() < ends_s
        time.sleep(0.05)
    before = set(tmp.glob("zoo-check-*"))

    killed.kill()
    killed.wait()
    subprocess.run(_command(clean, 60), check=True, capture_output=True)

    try:
        assert len(before) == 2
        assert len(set(tmp.glob("zoo-check-*")) & before) == 1
        assert running.poll() is None
    finally:
        running.send_signal(signal.SIGINT)
        running.wait()
    _expect_none_left(package)


def test_program_that_prints_without_end_keeps_its_last_words_alone(tmp_path: Path) -> None:
    """Its output takes no more memory than 1 MiB for each stream, and no disk."""
    code = """import sys
for _ in range(64):
    print("x" * 2**20)
    print("y" * 2**20, file=sys.stderr)
print("last")
"""
    program = f"""
import resource, sys
from zoo.checking.process_groups import run_group
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
done = run_group([sys.executable, "-c", {code!r}], timeout_s=60)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(len(done.stdout), len(done.stderr), done.stdout[-6:].strip(), grown < 30_000)
"""

    done = run_group(
        [sys.executable, "-c", program], timeout_s=60, cwd=tmp_path, env=dict(os.environ)
    )

    assert done.stdout.split() == [str(2**20), str(2**20), "last", "True"], done.stderr
