# SPDX-License-Identifier: Apache-2.0
"""What the listings say of good, broken and conflicting plugins; nothing is imported."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from weights_rows import weights_row

from zoo.cli import main

GOOD = """
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
licence = "CC0-1.0"

[[dataset.option]]
name = "roof-kind"
type = "choice"
choices = ["flat", "steep"]
default = "flat"
help = "which roofs"

[[dataset.option]]
name = "sloped"
type = "bool"
default = false
help = "only sloped ones"

[[loss]]
name = "EdgeLoss"
target = "zoo_tiles.edge:EdgeLoss"

[[config]]
name = "unet_tiles"
file = "configs/unet_tiles.py"
summary = "U-Net on tiles"

[[weights]]
name = "unet_tiles_v1"
task = "semantic"
config = "unet_tiles"
urls = ["https://example.org/unet_tiles_v1.safetensors"]
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
size_bytes = 7340032
format = "safetensors"
licence = "MIT"
data_licence = "CC0-1.0"
parameters = 1814610
metrics = [{ name = "dice_tile", value = 0.9137, dataset = "tiles", split = "test", \
labels = "true", protocol = "README#evaluation" }]
"""


def write_plugin(folder: Path, name: str, text: str) -> Path:
    """Write a package whose code cannot be imported: listings must not try."""
    package = folder / name / f"zoo_{name}"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('a listing imported this')\n")
    (package / "zoo_plugin.toml").write_text(text)
    for module, target in re.findall(r'"zoo_\w+\.(\w+):(\w+)"', text):
        (package / f"{module}.py").write_text(f"class {target}: ...\n\n\nraise RuntimeError\n")
    (package / "configs").mkdir()
    (package / "configs" / "unet_tiles.py").write_text("model = dict()\n")
    return package


@pytest.fixture(autouse=True)
def _plugins(tmp_path: Path) -> None:
    write_plugin(tmp_path, "tiles", GOOD)
    write_plugin(tmp_path, "torn", "[plugin\nname = 'torn'\n")


def run(*words: str) -> Result:
    """Run one command of zoo."""
    return CliRunner().invoke(main, words, catch_exceptions=False)


def rows_of(*words: str) -> Any:
    """Return what a listing prints as JSON."""
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_list_when_a_plugin_has_weights_shows_size_metrics_and_licences() -> None:
    """A row says what one gets and under which terms."""
    line = run("list").stdout.splitlines()[1]

    assert line.split("  ")[0] == "unet_tiles_v1"
    for text in ("semantic", "7.3 MB", "dice_tile 0.9137 (tiles, test)", "MIT", "CC0-1.0"):
        assert text in line


def test_list_when_json_has_the_numbers() -> None:
    """Programs get bytes and the whole digest."""
    (row,) = rows_of("list")

    assert (row["size_bytes"], row["parameters"], len(row["sha256"])) == (7340032, 1814610, 64)


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--task", "semantic"], 1),
        (["--task", "instance"], 0),
        (["--plugin", "tiles"], 1),
    ],
)
def test_list_when_filtered_keeps_what_fits(words: list[str], count: int) -> None:
    """Filters narrow the list."""
    assert len(rows_of("list", *words)) == count


@pytest.mark.parametrize(
    "text",
    [
        *("unet_tiles_v1", "TILES_V1", "tiles-v1", "semantic", "unet_tiles", "U-Net on tiles"),
        *("dice_tile", "test", "background", "MIT", "cc0", "0.9137"),
    ],
)
def test_list_when_searched_finds_what_is_said_of_the_weights(text: str) -> None:
    """Name, task, plugin, model, data set, classes, metrics and both licences; in any spelling."""
    assert [row["name"] for row in rows_of("list", text)] == ["unet_tiles_v1"]
    assert rows_of("list", text, "no-such-word") == []


def test_list_when_searched_reads_the_classes_of_a_file_that_is_here(tmp_path: Path) -> None:
    """Its own record is nearer to the truth than the plugin's data sets."""
    record = json.dumps({"classes": {"$tuple": ["ground", "shingle"]}})
    header = json.dumps({"__metadata__": {"zoo": record}}).encode()
    data = len(header).to_bytes(8, "little") + header
    package = tmp_path / "tiles" / "zoo_tiles"
    manifest = package / "zoo_plugin.toml"
    url = "https://example.org/unet_tiles_v1.safetensors"
    text = manifest.read_text().replace(url, "package:w.safetensors")
    manifest.write_text(text.replace("7340032", str(len(data))))
    (package / "w.safetensors").write_bytes(data)

    (row,) = rows_of("list", "shingle")

    assert row["classes"] == ["ground", "shingle"]
    assert rows_of("list", "background") == []


def test_list_when_the_plugin_is_unknown_ends_with_1_and_near_names() -> None:
    """A typo in --plugin is told, not answered with an empty list."""
    result = run("list", "--plugin", "tile")

    assert result.exit_code == 1
    assert result.stderr.startswith("error: no plugin named 'tile'.")
    assert "HINT: did you mean tiles?" in result.stderr


def test_list_when_two_plugins_name_other_bytes_alike_marks_both(tmp_path: Path) -> None:
    """One name for two digests is told, and both rows are kept."""
    other = GOOD.replace('"tiles"\nversion', '"roofs"\nversion').replace("zoo_tiles", "zoo_roofs")
    write_plugin(tmp_path, "roofs", other.replace("0123", "3210"))

    result = run("list")

    assert result.exit_code == 0
    assert [line.split()[1] for line in result.stdout.splitlines()[1:]] == ["conflict"] * 2
    assert "cannot choose the weights 'unet_tiles_v1'" in result.stderr


def test_plugin_list_when_one_is_broken_marks_it_and_ends_with_0() -> None:
    """One broken plugin hides no other."""
    result = run("plugin", "list")

    assert result.exit_code == 0
    states = {line.split()[0]: line.split()[2] for line in result.stdout.splitlines()[1:]}
    assert states == {"tiles": "ok", "torn": "broken"}
    assert "zoo_plugin.toml" in result.stderr


def test_plugin_list_when_json_gives_the_reason() -> None:
    """The reason of a broken plugin is data too."""
    rows = {row["name"]: row for row in rows_of("plugin", "list")}

    assert rows["tiles"]["error"] is None
    assert rows["tiles"]["provides"] == "1 dataset, 1 loss, 1 config, 1 weights"
    assert "HINT: " in rows["torn"]["error"]


def test_plugin_list_when_two_have_one_name_marks_both(tmp_path: Path) -> None:
    """A conflict is both plugins' row."""
    write_plugin(tmp_path / "elsewhere", "tiles", GOOD.replace("0.3.0", "0.4.0"))

    result = CliRunner(env={"ZOO_PLUGIN_PATH": f"{tmp_path}:{tmp_path / 'elsewhere'}"}).invoke(
        main, ["plugin", "list", "--json"]
    )

    rows = [row for row in json.loads(result.stdout) if row["name"] == "tiles"]
    assert [row["state"] for row in rows] == ["broken", "broken"]
    assert "found twice, 0.3.0 and 0.4.0" in rows[0]["error"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("EdgeLoss", "loss"),
        ("tiles.EdgeLoss", "loss"),
        ("loss/EdgeLoss", "loss"),
        ("zoo.tiles.EdgeLoss", "loss"),
        ("zoo.EdgeLoss", "loss"),
        ("loss/zoo.tiles.EdgeLoss", "loss"),
        ("dataset/tiles", "dataset"),
        ("zoo.tiles", "plugin"),
        ("unet_tiles_v1", "weights"),
        ("config/unet_tiles", "config"),
        ("TileDataset", "dataset"),
        ("tiles", "plugin"),
        ("plugin/tiles", "plugin"),
    ],
)
def test_info_when_named_finds_the_row_of_its_kind(name: str, kind: str) -> None:
    """A name alone, with its plugin, or with its kind."""
    (fact,) = rows_of("info", name)

    assert fact["kind"] == kind


@pytest.mark.parametrize(
    "name", ["EdgeLoss", "loss/EdgeLoss", "tiles.EdgeLoss", "zoo.tiles.EdgeLoss", "unet_tiles_v1"]
)
def test_info_when_the_plugin_is_in_conflict_says_so(tmp_path: Path, name: str) -> None:
    """The name appears twice: that is said, and not that nothing has it."""
    write_plugin(tmp_path / "elsewhere", "tiles", GOOD.replace("0.3.0", "0.4.0"))
    runner = CliRunner(env={"ZOO_PLUGIN_PATH": f"{tmp_path}:{tmp_path / 'elsewhere'}"})

    result = runner.invoke(main, ["info", name])

    assert result.exit_code == 1
    assert "cannot use plugin 'tiles': found twice, 0.3.0 and 0.4.0." in result.stderr
    assert "HINT: remove one of the two." in result.stderr


def test_info_of_a_data_set_by_an_unknown_name_offers_no_circle() -> None:
    """A hint never offers the very name that was given."""
    for name in ("tiles", "torn", "tilez"):
        result = run("info", f"loss/{name}")

        assert result.exit_code == 1
        assert f"did you mean {name}" not in result.stderr


def test_info_when_weights_are_shown_names_both_licences() -> None:
    """Code and data are two questions."""
    text = run("info", "unet_tiles_v1").stdout

    assert "licence: MIT\n" in text
    assert "data licence: CC0-1.0\n" in text
    assert "  dice_tile 0.9137 (" in text


@pytest.mark.parametrize("name", ["EdgeLos", "loss/EdgeLos", "plugin/tile", "hook/EdgeLoss"])
def test_info_when_unknown_ends_with_1(name: str) -> None:
    """One message, and what is near."""
    result = run("info", name)

    assert result.exit_code == 1
    assert result.stderr.startswith("error: no")
    assert "HINT: " in result.stderr


def test_config_list_when_a_plugin_brings_one_names_it() -> None:
    """Configs are listed by name."""
    (row,) = rows_of("config", "list")

    assert (row["name"], row["plugin"]) == ("unet_tiles", "tiles")


def test_data_list_when_a_plugin_brings_one_says_what_it_can() -> None:
    """A data set without a sample says so."""
    (row,) = rows_of("data", "list")

    assert row["name"] == "tiles.TileDataset"
    assert (row["prepare"], row["sample"]) == (True, False)


def test_data_prepare_when_asked_for_help_shows_that_data_sets_options() -> None:
    """Options of a data set stand in the help of that data set alone."""
    with_options = run("data", "prepare", "tiles", "--help").stdout
    without = run("data", "prepare", "--help").stdout

    assert "--roof-kind [flat|steep]" in with_options
    assert "--roof-kind" not in without


@pytest.mark.parametrize(
    "words",
    [("--sloped", "tiles", "--task=semantic"), ("tiles", "--sloped", "--task", "semantic")],
    ids=" ".join,
)
def test_data_prepare_when_options_come_first_are_those_of_the_data_set(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """A flag before NAME does not hide it; the line is understood, and importing then fails."""
    result = run("data", "prepare", *words, "--source", str(tmp_path), "--out", str(tmp_path / "o"))

    assert result.exit_code == 1, result.output
    assert "target zoo_tiles.prepare:prepare" in result.stderr


def test_data_prepare_when_an_option_has_a_wrong_value_ends_with_2(tmp_path: Path) -> None:
    """A choice that is none is wrong usage."""
    out = tmp_path / "out"
    words = ["--source", str(tmp_path), "--out", str(out), "--roof-kind", "round"]
    result = run("data", "prepare", "tiles", *words)

    assert result.exit_code == 2
    assert "'round' is not one of 'flat', 'steep'" in result.output
    assert not out.exists()


def test_data_sample_when_there_is_none_ends_with_1(tmp_path: Path) -> None:
    """A data set that brings no sample is told so."""
    result = run("data", "sample", "tiles", "--out", str(tmp_path / "out"))

    assert result.exit_code == 1
    assert "cannot sample 'tiles'" in result.stderr


def test_data_prepare_when_the_import_fails_names_the_cause(tmp_path: Path) -> None:
    """The plugin's own error comes through."""
    out = tmp_path / "out"
    words = ["--source", str(tmp_path), "--out", str(out)]
    result = run("data", "prepare", "tiles", *words)

    assert result.exit_code == 1
    assert "RuntimeError: a listing imported this" in result.stderr
    assert "target zoo_tiles.prepare:prepare" in result.stderr
    assert not out.exists()


@pytest.mark.usefixtures("checkout_plugins")
def test_info_shows_every_row_of_every_plugin() -> None:
    """By its whole name, as text and as JSON; what a row's tables hold is listed by name."""
    from zoo.catalog import forget_catalog, read_catalog

    forget_catalog()
    found = list(read_catalog().rows())
    assert len(found) > 20
    for each in found:
        name = f"{each.row.kind}/{each.record.name}.{each.row.name}"

        text, plain = run("info", name), run("info", name, "--json")

        assert (text.exit_code, plain.exit_code) == (0, 0), f"{name}: {text.output}"
        facts = json.loads(plain.stdout)
        assert each.row.name in [fact["name"] for fact in facts]


def test_list_takes_time_in_proportion_to_the_plugins(write_plugin: Callable[..., Path]) -> None:
    """Counted in calls: the second hundred costs what the first did."""
    from zoo.catalog import forget_catalog

    def calls_with(plugins: range) -> int:
        for number in plugins:
            rows = weights_row(f"w{number}", sha256=f"{number:064x}", config=f"c{number}")
            package = write_plugin(f"p{number}", rows)
            config = f'[[config]]\nname = "c{number}"\nfile = "c.py"\n'
            (package / "c.py").write_text("")
            manifest = package / "zoo_plugin.toml"
            manifest.write_text(f"{manifest.read_text()}\n{config}")
        forget_catalog()
        count = 0

        def note(*_: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(note)
        try:
            result = CliRunner().invoke(main, ["list"])
        finally:
            sys.setprofile(None)
        assert f"w{plugins[-1]} " in result.stdout, result.output
        return count

    calls_with(range(1))  # imports
    none, first, second = (calls_with(range(*ends)) for ends in ((1, 2), (2, 100), (100, 200)))

    assert second - first < 1.2 * (first - none)
