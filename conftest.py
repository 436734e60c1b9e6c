# SPDX-License-Identifier: Apache-2.0
"""Fences around every test: no network but loopback, no plugins but those that a test means.

* Tests of the core (``tests/``) find only plugins below their own ``tmp_path``; one that asks for
  the fixture ``checkout_plugins`` finds those of this checkout instead.
* Tests of plugins and of configs find what the checkout holds.
"""

from __future__ import annotations

import gc
import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent
ZOO = Path(sys.executable).with_name("zoo")

os.environ["MPLBACKEND"] = "Agg"
if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the CPUs: threads of one would wait for those of another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# Hypothesis limits each example on the clock, which tells how busy the machine is.
settings.register_profile("zoo", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("zoo")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts into the background deaf to Ctrl-C, and so are its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
for _plugin in sorted((ROOT / "plugins").glob("*/zoo_*/zoo_plugin.toml")):
    sys.path.append(str(_plugin.parent.parent))
for _name, _folder in (
    ("drill_models", "tools"),
    ("drill_runs", "tools"),
    ("faulty_server", "tools"),
    ("http_faults", "tools"),
    ("loopback_hub", "tools"),
    ("plain_suite", "tests"),
    ("warm_zoo", "tools"),
):
    _spec = importlib.util.spec_from_file_location(_name, ROOT / _folder / f"{_name}.py")
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules[_name] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[_name])

_CHROMIUMS = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
_LOOPBACK = ("127.0.0.1", "::1", "localhost", "")
_real_connect = socket.socket.connect
_real_getaddrinfo = socket.getaddrinfo
_FROZEN_MODULES = [0]  # how many modules there were when their objects were exempted
# What plugins' tests find first, read once: each of a thousand would read all manifests anew.
_CATALOG_OF_CHECKOUT: dict[Any, Any] = {}


@pytest.hookimpl(tryfirst=True)  # before those who are marked are left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let plain ``pytest`` take two minutes; see ``tests/plain_suite.py``."""
    if config.args_source is pytest.Config.ArgsSource.ARGS or "slow" not in config.option.markexpr:
        return
    sys.modules["plain_suite"].mark_slow_tests(items)
    if config.option.markexpr == "not slow":
        sys.modules["plain_suite"].draw_fewer_examples(items)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Exempt what has been imported from garbage collection, as zoo's own commands do.

    mmengine collects whenever it builds a data set, and with torch and OpenMMLab imported that
    takes 0.3 s each time.
    """
    if len(sys.modules) > _FROZEN_MODULES[0] + 300:
        gc.collect()
        gc.freeze()
        _FROZEN_MODULES[0] = len(sys.modules)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this machine."""

    def connect(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in _LOOPBACK:
            message = f"a test reached for the network: {address!r}"
            raise RuntimeError(message)
        _real_connect(self, address)  # type: ignore[arg-type]

    def getaddrinfo(host: object, *args: object, **kwargs: object) -> object:
        if host is not None and host not in _LOOPBACK:
            message = f"a test reached for the network: {host!r}"
            raise RuntimeError(message)
        return _real_getaddrinfo(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(autouse=True)
def _no_state_of_the_user(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep what zoo notes of runs and of manifests out of the home of whoever tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _no_scope_left_behind() -> Iterator[None]:
    """Forget mmengine's default scope after each test, so that the order of tests says nothing."""
    yield
    lock = getattr(sys.modules.get("mmengine.utils.manager"), "_lock", None)
    while lock is not None and lock._is_owned():  # kept by a constructor that raised
        lock.release()
    module = sys.modules.get("mmengine.registry.default_scope")
    if module is not None:
        module.DefaultScope._instance_dict.clear()


@pytest.fixture(autouse=True)
def _fenced_discovery(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Search ``tmp_path`` alone, or the checkout alone; never what happens to be installed."""
    from zoo import catalog
    from zoo.manifest import discovery

    is_core = request.path.is_relative_to(ROOT / "tests")
    is_fenced = is_core and "checkout_plugins" not in request.fixturenames
    monkeypatch.setattr(discovery, "_entry_point_values", list)
    monkeypatch.setattr(discovery, "find_checkouts", lambda: () if is_fenced else (ROOT,))
    monkeypatch.delenv("ZOO_PLUGINS", raising=False)
    if is_fenced:
        monkeypatch.setenv("ZOO_PLUGIN_PATH", str(_folder_of_plugins(request)))
    else:
        monkeypatch.delenv("ZOO_PLUGIN_PATH", raising=False)
    monkeypatch.setattr(catalog, "_CACHE", dict(() if is_core else _CATALOG_OF_CHECKOUT))
    if not is_core and not _CATALOG_OF_CHECKOUT:
        catalog.read_catalog()
        _CATALOG_OF_CHECKOUT.update(catalog._CACHE)


def _folder_of_plugins(request: pytest.FixtureRequest) -> Path:
    """Return the folder of a test, and an empty one if it asks for none: making them takes time."""
    if "tmp_path" in request.fixturenames:
        return request.getfixturevalue("tmp_path")
    folder: Path = request.getfixturevalue("tmp_path_factory").getbasetemp() / "no_plugins"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Serve repositories as a hub does, for this process; see ``tools/loopback_hub.py``."""
    for name in ("HF_TOKEN", "HF_TOKEN_PATH", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf_home"))
    with sys.modules["loopback_hub"].LoopbackHub() as started:
        monkeypatch.setenv("HF_ENDPOINT", started.endpoint)
        yield started


@pytest.fixture
def checkout_plugins() -> Path:
    """Let a test of the core find the plugins and configs of this checkout; gives its folder."""
    return ROOT


@pytest.fixture
def write_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Return a function that writes a plugin's package where the fenced discovery finds it.

    What was imported from it is forgotten after the test, so that another test can write another
    package of the same name.
    """
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def write(name: str, rows: str = "", *, folder: str = "", **modules: str) -> Path:
        package = tmp_path / (folder or name) / f"zoo_{name}"
        package.mkdir(parents=True)
        header = f'[plugin]\nname = "{name}"\nversion = "0.1.0"\napi = 1\nsummary = "fake"\n'
        header += 'license = "MIT"\n'
        (package / "zoo_plugin.toml").write_text(f"{header}\n{rows}", encoding="utf-8")
        for module, code in {"__init__": "import zoo\n", **modules}.items():
            (package / f"{module}.py").write_text(code, encoding="utf-8")
        return package

    yield write
    for module in set(sys.modules) - before:
        file = getattr(sys.modules[module], "__file__", None)
        if file is not None and Path(file).is_relative_to(tmp_path):
            del sys.modules[module]


@pytest.fixture(scope="session")
def env_of_zoo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the variables of a ``zoo`` that tests start: an empty home, one thread."""
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    fixed = {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return kept | fixed | {"HOME": str(home)}


@pytest.fixture(scope="session")
def warm_zoo(env_of_zoo: dict[str, str]) -> Iterator[Path]:
    """Return a ``zoo`` that starts with torch and OpenMMLab imported; see ``tools/warm_zoo.py``."""
    if not sys.modules["warm_zoo"].WarmZoo.is_possible():
        yield ZOO
        return
    with (
        tempfile.TemporaryDirectory(prefix="zoo-") as folder,  # a socket's path must be short
        sys.modules["warm_zoo"].WarmZoo(Path(folder), env_of_zoo) as server,
    ):
        yield server.program


@pytest.fixture
def start_zoo(
    tmp_path: Path, env_of_zoo: dict[str, str]
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts the installed ``zoo`` in a process of its own.

    It finds the plugins that are named, and ``folder`` is searched for them before the checkout.
    """
    started: list[subprocess.Popen[str]] = []

    def start(
        *args: str | Path,
        plugins: str,
        folder: Path | None = None,
        before: Callable[[], None] | None = None,
        program: Path = ZOO,
    ) -> subprocess.Popen[str]:
        fence = {"ZOO_PLUGINS": plugins, "ZOO_PLUGIN_PATH": str(folder or "")}
        process = subprocess.Popen(
            [program, *args],
            cwd=tmp_path,
            env=env_of_zoo | fence,
            preexec_fn=before,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def run_zoo(
    start_zoo: Callable[..., subprocess.Popen[str]], warm_zoo: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs ``zoo`` to its end; see ``start_zoo``, and ``warm_zoo``.

    One with ``before``, which sets limits of the process, is started in full.
    """

    def run(*args: str | Path, **settings: Any) -> subprocess.CompletedProcess[str]:
        program = ZOO if "before" in settings else warm_zoo
        process = start_zoo(*args, program=program, **settings)
        stdout, stderr = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    return run


@pytest.fixture
def check_refused(
    tmp_path: Path, run_zoo: Callable[..., subprocess.CompletedProcess[str]]
) -> Callable[..., str]:
    """Return a function that runs ``zoo`` on bad input, and gives the message that it ends with.

    The message names what is guilty and has a hint, there is no traceback, and everything below
    ``tmp_path`` is as it was, to the nanosecond, but for ``left``: what a failed run may leave.
    """

    def check(
        *args: str | Path, guilty: str | Path, left: Path | None = None, **settings: Any
    ) -> str:
        before = _read_tree(tmp_path, left)
        done = run_zoo(*args, **settings)
        after = _read_tree(tmp_path, left)
        told = f"{' '.join(map(str, args))}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 1, told
        assert "Traceback" not in done.stderr, told
        _, _, message = f"\n{done.stderr}".rpartition("\nerror: ")
        assert str(guilty) in message, told
        assert "\nHINT: " in message, told
        assert before == after, told
        return message

    return check


def _read_tree(root: Path, left: Path | None) -> dict[str, tuple[object, ...]]:
    """Return kind, time and content of everything below ``root``, hidden and broken ones too."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        if left is not None and path.is_relative_to(left):
            continue
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else ""
        if stat.S_ISREG(status.st_mode):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        found[str(path.relative_to(root))] = (status.st_mode, status.st_mtime_ns, content)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start Chromium once; playwright is no requirement of the tests."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    program = next(filter(None, map(shutil.which, _CHROMIUMS)), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    with sync_api.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()
