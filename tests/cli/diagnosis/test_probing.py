# SPDX-License-Identifier: Apache-2.0
"""On a busy machine ``zoo doctor`` tells a slow plugin from a stuck one by what it computes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from zoo.cli.diagnosis.plugins import plugin_findings, plugin_jobs
from zoo.cli.diagnosis.probing import Probes

# One of six on a CPU takes longer by the clock than it may compute; one of 20, not four times so.
TIMEOUT_S, COMPUTES_S, BUSY = 3.0, 0.6, 5
ROWS = '[[loss]]\nname = "L"\ntarget = "zoo_{name}.code:L"\n'
CHECK = '[[check]]\nname = "c"\ntarget = "zoo_{name}.code:look"\nof = "doctor"\n'
SLOW = f"""
import time
from pathlib import Path
began_s = time.monotonic()
ends_s = time.process_time() + {COMPUTES_S}
while time.process_time() < ends_s:
    pass
Path(__file__).with_name("took_s").write_text(str(time.monotonic() - began_s))
"""
STUCK = "import time\ntime.sleep(600)\n"
LOSS = "class L: ...\n"


@pytest.fixture
def busy_cpu() -> Iterator[None]:
    """Keep this process and what it starts to one CPU, where others compute."""
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    words = [sys.executable, "-S", "-c", "while True: pass"]
    try:
        with ExitStack() as stack:
            for _ in range(BUSY):  # each in a session: a scheduler may share among sessions
                process = stack.enter_context(subprocess.Popen(words, start_new_session=True))
                stack.callback(process.kill)
            yield
    finally:
        os.sched_setaffinity(0, cpus)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to share one CPU")
def test_plugin_that_is_slow_is_sound_and_one_that_is_stuck_is_not_checked(
    write_plugin: Callable[..., Path], busy_cpu: None
) -> None:
    """By the clock the first takes longer than it may, as it shares the CPU."""
    slow = write_plugin("slow", ROWS.format(name="slow"), code=SLOW + LOSS)
    write_plugin("stuck", ROWS.format(name="stuck"), code=STUCK + LOSS)

    zoo = {"kind": "import", "module": "zoo.loading"}  # may take half a minute more
    results = Probes({"zoo": zoo, **plugin_jobs()}, TIMEOUT_S).results()
    found = {each.name: each for each in plugin_findings(results)}

    assert float((slow / "took_s").read_text()) > TIMEOUT_S
    assert found["plugin slow"].state == "ok"
    stuck = found["plugin stuck"]
    assert (stuck.state, stuck.fails) == ("warning", False)
    assert stuck.found == (
        "not checked: loss 'L': importing zoo_stuck.code: it did not finish within 3 s: "
        "it waits, and computes nothing"
    )
    assert stuck.mend is not None
    assert "--timeout" in stuck.mend.text


def test_check_of_a_plugin_that_never_ends_is_not_checked_and_the_next_one_runs(
    write_plugin: Callable[..., Path],
) -> None:
    """It computes without end: what it may compute is limited, and the other has as much."""
    code = "def look():\n    while True:\n        pass\n\n\ndef other():\n    return ()\n"
    rows = CHECK.format(name="odd") + CHECK.format(name="odd").replace("look", "other").replace(
        '"c"', '"d"'
    )
    write_plugin("odd", rows, code=code)

    results = Probes(plugin_jobs(), 1.0).results()
    found = {each.name: (each.state, each.found) for each in plugin_findings(results)}

    assert found["check odd.c"] == ("warning", "not checked: it did not finish within 1 s")
    assert found["check odd.d"] == ("ok", "ok")
