# SPDX-License-Identifier: Apache-2.0
"""Each row breaks one thing of a manifest that holds, and has the sentence that says so."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from zoo import manifest
from zoo.errors import IncompatibleError, ManifestError
from zoo.manifest.reading import read_manifest

Write = Callable[..., Path]

MUTATIONS = [
    # what is replaced, by what, the sentence, the hint
    ('summary = "C', 'sumary = "C', "[plugin] lacks the key 'summary', expected a string.", None),
    (
        'license = "A',
        'colour = "x"\nlicense = "A',
        "[plugin] has the unknown key 'colour', expected one of",
        "docs/manifest.md lists the known keys.",
    ),
    (
        'license = "A',
        'homepag = "x"\nlicense = "A',
        "[plugin] has the unknown key 'homepag'",
        "did you mean homepage?",
    ),
    ("[[loss]]", "[[los]]", "the manifest has the unknown key 'los'", "did you mean loss?"),
    ("api = 1", 'api = "1"', "[plugin] api is '1', expected an integer.", None),
    ("api = 1", "api = true", "[plugin] api is True, expected an integer.", None),
    (
        'name = "cells"',
        'name = "Cells"',
        "[plugin] name is 'Cells', expected lower case letters, digits and _.",
        None,
    ),
    (
        'name = "cells"',
        'name = "tissue"',
        "its package is called 'zoo_cells', expected 'zoo_tissue'.",
        "rename the package to zoo_tissue, or the plugin.",
    ),
    ('version = "0.1.0"', 'version = "new"', "[plugin] version is 'new', expected a version", None),
    ('summary = "Cells in micrographs"', 'summary = " "', "[plugin] summary is ' '", None),
    (
        '["mmsegmentation>=1.2,<2"]',
        '"mmsegmentation"',
        "[requires] distributions is 'mmsegmentation', expected a list.",
        None,
    ),
    (
        "distributions =",
        "distribution =",
        "[requires] has the unknown key 'distribution'",
        "did you mean distributions?",
    ),
    (
        'task = "semantic"\ntarget',
        'task = "panoptic"\ntarget',
        "[[dataset]] 'CellDataset' task is 'panoptic', expected one of semantic, instance.",
        None,
    ),
    (
        'target = "zoo_cells.dataset:CellDataset"\n',
        "",
        "[[dataset]] 'CellDataset' lacks the key 'target', expected a string.",
        "add target = ... to [[dataset]] 'CellDataset'.",
    ),
    (
        "zoo_cells.dataset:CellDataset",
        "zoo_cells.dataset.CellDataset",
        "[[dataset]] 'CellDataset' target is 'zoo_cells.dataset.CellDataset', "
        "expected 'zoo_cells.module:Name'.",
        None,
    ),
    (
        "zoo_cells.dataset:CellDataset",
        "os:system",
        "[[dataset]] 'CellDataset' target is 'os:system', expected a target inside the plugin's "
        "own package, zoo_cells.",
        "move it to the package zoo_cells, or import it there.",
    ),
    (
        "zoo_cells.prepare:prepare",
        "zoo_other.prepare:prepare",
        "[[dataset]] 'CellDataset' prepare is 'zoo_other.prepare:prepare'",
        None,
    ),
    (
        '["background", "cell"]',
        '"many"',
        "[[dataset]] 'CellDataset' classes is 'many', expected a list of names or 'from data'.",
        None,
    ),
    ('["background", "cell"]', "[]", "[[dataset]] 'CellDataset' classes is []", None),
    ('["background", "cell"]', '["a", "a"]', "classes holds 'a' twice, expected each once.", None),
    ('["background", "cell"]', '["a", 1]', "classes holds 1, expected a list of strings.", None),
    (
        'licence = "CC0-1.0"\n\n[[dataset.option]]',
        'licence = "CC0-1.0"\nlabels = "drawn"\n\n[[dataset.option]]',
        "[[dataset]] 'CellDataset' labels is 'drawn', expected one of true, derived.",
        None,
    ),
    ('licence = "CC0-1.0"\n\n[[d', "\n[[d", "'CellDataset' lacks the key 'licence'", None),
    (
        'prepare = "zoo_cells.prepare:prepare"\n',
        "",
        "[[dataset]] 'CellDataset' has options but no prepare target",
        "add prepare = ... to [[dataset]] 'CellDataset', or remove its options.",
    ),
    (
        'name = "mask-suffix"',
        'name = "mask_suffix"',
        "option 'mask_suffix' name is 'mask_suffix', expected lower case letters, digits and '-'.",
        None,
    ),
    (
        'name = "mask-suffix"',
        'name = "source"',
        "option 'source' uses a name that zoo data prepare reserves.",
        "rename the option; reserved are source, out",
    ),
    ('name = "stain"', 'name = "mask-suffix"', "has the option 'mask-suffix' twice", None),
    ('type = "str"', 'type = "text"', "type is 'text', expected one of str, int", None),
    ('default = "_mask"', "default = 3", "option 'mask-suffix' default is 3, expected a str", None),
    (
        'default = ["he"]',
        'default = ["ih"]',
        "option 'stain' default is 'ih', expected one of he, ihc.",
        "did you mean ihc?",
    ),
    ('default = ["he"]', 'default = "he"', "default is 'he', expected a list.", None),
    (
        'choices = ["he", "ihc"]\n',
        "",
        "[[dataset]] 'CellDataset' option 'stain' lacks the key 'choices', expected a list.",
        None,
    ),
    (
        'type = "choice"',
        'type = "str"',
        "option 'stain' has choices but is of type 'str', expected type 'choice'.",
        None,
    ),
    (
        'name = "EdgeLoss"',
        'name = "edge.Loss"',
        "[[loss]] 'edge.Loss' name is 'edge.Loss', expected a Python name, without dots.",
        None,
    ),
    ('name = "EdgeLoss"\n', "", "[[loss]] row 1 lacks the key 'name', expected a string.", None),
    (
        "[[config]]",
        '[[model]]\nname = "EdgeLoss"\ntarget = "zoo_cells.net:EdgeLoss"\n\n[[config]]',
        "the name 'EdgeLoss' is used by two rows ([[model]] and [[loss]]) that share one registry",
        "rename one of the two 'EdgeLoss'.",
    ),
    (
        "[[weights]]",
        '[[config]]\nname = "unet_cells-256"\nfile = "configs/unet.py"\n\n[[weights]]',
        "the name 'unet_cells-256' is used by two rows ([[config]] and [[config]])",
        None,
    ),
    (
        '"configs/unet.py"',
        '"../unet.py"',
        "[[config]] 'unet_cells-256' file is '../unet.py', expected a path inside the package",
        None,
    ),
    ('"configs/unet.py"', '"/etc/passwd"', "file is '/etc/passwd', expected a path inside", None),
    ('"configs/unet.py"', "'configs\\unet.py'", "expected a path inside the package", None),
    ('"configs/unet.py"', '"configs/no.py"', "file is 'configs/no.py', but there is no such", None),
    ('"old.csv"', '"new.csv"', "[[legacy_index]] row 1 file is 'new.csv', but there is no", None),
    (
        'config = "unet_cells-256"\n',
        "",
        "[[weights]] 'unet_cells' lacks the key 'config', expected a string.",
        None,
    ),
    (
        'sha256 = "0',
        'sha256 = "',
        "[[weights]] 'unet_cells' sha256 is '123456789",
        "change sha256 to 64 hex digits, lower case.",
    ),
    (
        "pretrained = true",
        'pretrained = "yes"',
        "[[weight_initializer]] 'CellWeights' pretrained is 'yes', expected true or false.",
        None,
    ),
    (
        'target = "zoo_cells.loss:EdgeLoss"',
        'target = "zoo_cells.loss:EdgeLoss"\npretrained = true',
        "[[loss]] 'EdgeLoss' has the unknown key 'pretrained'",
        None,
    ),
    (
        'direction = "higher"',
        'direction = "up"',
        "[[metric]] 'CellMetric' direction is 'up', expected one of higher, lower, zero, none.",
        None,
    ),
    ('direction = "higher"', "direction = 1", "direction is 1, expected a string.", None),
    (
        'direction = "higher"',
        "direction = {}",
        "direction holds 0 values, expected 1 to 100.",
        None,
    ),
    (
        'direction = "higher"',
        'direction = { "area_*" = "highr" }',
        "direction holds 'area_*' = 'highr', expected the name of a value and one of higher, low",
        "did you mean higher?",
    ),
    (
        'direction = "higher"',
        'direction = { "area *" = "lower" }',
        "direction holds 'area *' = 'lower', expected the name of a value and one of",
        "a '*' stands for any text.",
    ),
    ('"px²"', '"square px"', "unit holds 'area_*' = 'square px', expected the name of a", None),
    ('"px²"', "2", "unit holds 'area_*' = 2, expected the name of a value and one of", None),
    ('of = "data"', 'of = "dat"', "[[check]] 'cell_area' of is 'dat', expected one of doc", None),
    ('of = "data"\n', "", "[[check]] 'cell_area' lacks the key 'of', expected a string.", None),
    (
        'of = "data"',
        'of = "doctor"',
        "[[check]] 'cell_area' names the dataset 'CellDataset' but is of 'doctor', expected of",
        'write of = "data", or remove dataset.',
    ),
    (
        'dataset = "CellDataset"',
        'dataset = "CellDatset"',
        "[[check]] 'cell_area' names the dataset 'CellDatset', expected one of the plugin's own",
        "did you mean CellDataset?",
    ),
    (
        'task = "instance"',
        'task = "instances"',
        "[[planner]] 'cells' task is 'instances', expected one of semantic, instance",
        None,
    ),
    ('task = "instance"\n', "", "[[planner]] 'cells' lacks the key 'task', expected a", None),
    (
        'suffix = ".onnx"',
        'suffix = "onnx"',
        "[[exporter]] 'cells_onnx' suffix is 'onnx', expected lower case letters after a '.'",
        None,
    ),
    (
        'suffix = ".onnx"\n',
        "",
        "[[exporter]] 'cells_onnx' lacks the key 'suffix', expected a",
        None,
    ),
    (
        '"zoo_cells.runner:open_file"',
        '"onnxruntime:open_file"',
        "[[exporter]] 'cells_onnx' runner is 'onnxruntime:open_file', expected a target inside",
        None,
    ),
    (
        'suffixes = [".xml", ".zip"]',
        'suffixes = [".xml", "zip"]',
        "[[exchange]] 'cell_counter' suffixes is 'zip', expected lower case letters after a '.'",
        None,
    ),
    (
        'suffixes = [".xml", ".zip"]',
        "suffixes = []",
        "[[exchange]] 'cell_counter' suffixes is [], expected at least one",
        None,
    ),
    (
        "reads = true",
        "reads = false",
        "[[exchange]] 'cell_counter' neither reads nor writes, expected one or both",
        "write reads = true, writes = true, or both.",
    ),
    (
        "reads = true",
        'reads = "yes"',
        "[[exchange]] 'cell_counter' reads is 'yes', expected true or false",
        None,
    ),
    (
        "reads = true",
        'reads = true\n[[exchange.option]]\nname = "a"\ntype = "str"\nhelp = "b"',
        "[[exchange]] 'cell_counter' has options but writes nothing, expected writes = true.",
        None,
    ),
    (
        "reads = true",
        'writes = true\n[[exchange.option]]\nname = "a"\ntype = "exchange"\nhelp = "b"',
        "type is 'exchange', expected one of str, int, float, bool, path, choice",
        None,
    ),
    ("size_bytes = 10", "size_bytes = 0", "size_bytes is 0, expected an integer above 0.", None),
    ("parameters = 20", "parameters = 2.5", "parameters is 2.5, expected an integer.", None),
    ('format = "safetensors"', 'format = "onnx"', "format is 'onnx', expected one of", None),
    (
        "https://example.org/a.safetensors",
        "http://example.org/a.safetensors",
        "urls holds 'http://example.org/a.safetensors', expected https://..., "
        "hf://ORG/REPO@REVISION/path, github://OWNER/REPO@TAG/ASSET or package:<path>.",
        "use an https address, or a file inside the package.",
    ),
    ("package:weights/a", "package:../a", "urls is '../a.safetensors', expected a path", None),
    (
        'split = "test", ',
        "",
        "[[weights]] 'unet_cells' metrics 'dice_cell' lacks the key 'split', expected a string.",
        None,
    ),
    ("value = 0.5", "value = nan", "metrics 'dice_cell' value is nan, expected a finite", None),
    ("value = 0.5", "value = true", "metrics 'dice_cell' value is True, expected a number.", None),
]


@pytest.mark.parametrize(("old", "new", "sentence", "hint"), MUTATIONS)
def test_read_manifest_when_one_thing_is_broken_names_it(
    good: str, write_manifest: Write, old: str, new: str, sentence: str, hint: str | None
) -> None:
    assert old in good
    path = write_manifest(good.replace(old, new, 1))

    with pytest.raises(ManifestError) as caught:
        read_manifest(path)

    message, where, hinted = str(caught.value).split("\n")
    assert message.startswith("cannot use plugin '")
    assert sentence in message
    assert where == f"where: {path}"
    assert hinted.startswith(f"HINT: {hint or ''}")
    assert caught.value.manifest == path


@pytest.mark.parametrize("key", ["name", "task", "config", "urls", "sha256", "size_bytes", "format",
                                 "licence", "data_licence", "parameters", "metrics"])  # fmt: skip
def test_read_manifest_when_a_weights_row_lacks_a_key_refuses_it(
    good: str, write_manifest: Write, key: str
) -> None:
    head, _, tail = good.partition("[[weights]]")
    lines = [line for line in tail.splitlines() if not line.startswith(f"{key} =")]
    path = write_manifest(f"{head}[[weights]]" + "\n".join(lines))

    with pytest.raises(ManifestError, match=rf"\[\[weights\]\].*({key}|has no metrics)"):
        read_manifest(path)


def test_read_manifest_when_it_is_not_toml_names_the_line(write_manifest: Write) -> None:
    path = write_manifest("[plugin\nname = 3")

    with pytest.raises(ManifestError, match=r"is not valid TOML: .*line 1") as caught:
        read_manifest(path)

    assert caught.value.plugin == "cells"


def test_read_manifest_when_it_is_not_utf8_says_so(write_manifest: Write) -> None:
    path = write_manifest("")
    path.write_bytes(b"[plugin]\nname = '\xff'")

    with pytest.raises(ManifestError, match="its manifest is not UTF-8 text: byte 17 is 0xff"):
        read_manifest(path)


def test_read_manifest_when_missing_says_why(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read: No such file or directory"):
        read_manifest(tmp_path / "zoo_plugin.toml")


def test_read_manifest_when_the_api_is_newer_comes_before_unknown_keys(
    good: str, write_manifest: Write
) -> None:
    path = write_manifest(good.replace("api = 1", 'api = 2\nfuture = "x"'))

    with pytest.raises(IncompatibleError) as caught:
        read_manifest(path)

    assert str(caught.value) == (
        "cannot use plugin 'cells': needs api 2, this zoo has 1.\n"
        f"where: {path}\n"
        "HINT: pip install --upgrade mmzoo."
    )


def test_read_manifest_when_the_package_lacks_the_prefix_refuses_it(
    good: str, write_manifest: Write
) -> None:
    path = write_manifest(good, package="datasets")

    with pytest.raises(ManifestError, match="its package is called 'datasets', expected 'zoo_cell"):
        read_manifest(path)


# What a schema cannot say: names that must agree or differ, files, values that depend on others.
ONLY_THE_READER = (
    "its package is called",
    "is used by two rows",
    "has the option 'mask-suffix' twice",
    "option 'stain' default is 'ih'",
    "but there is no",
    "prepare is 'zoo_other.prepare:prepare'",
    "expected a finite",
    "expected one of the plugin's own",
)


@pytest.mark.parametrize(("old", "new", "sentence"), [row[:3] for row in MUTATIONS])
def test_schema_refuses_what_it_can_say(good: str, old: str, new: str, sentence: str) -> None:
    """An editor underlines each, except what a schema of one value cannot say."""
    folder = Path(manifest.__path__[0])
    schema = json.loads((folder / "zoo_plugin.schema.json").read_text("utf-8"))
    validator = jsonschema.Draft7Validator(schema)
    assert validator.is_valid(tomllib.loads(good))

    is_valid = validator.is_valid(tomllib.loads(good.replace(old, new, 1)))

    assert is_valid == any(part in sentence for part in ONLY_THE_READER)
