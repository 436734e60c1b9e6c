# SPDX-License-Identifier: Apache-2.0
"""The positive list: what a record may name, and what it may give each type."""

from __future__ import annotations

import copy
import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.records.forms import check_forms
from zoo.engine.records.types import find_listed_type, list_types
from zoo.errors import CheckpointError, UnsafeCheckpointError, ZooError
from zoo.manifest.parameters import Form

pytestmark = pytest.mark.mm

MODEL: dict[str, Any] = {
    "type": "EncoderDecoder",
    "backbone": {"type": "UNet", "base_channels": 4, "norm_cfg": {"type": "BN"}},
    "decode_head": {
        "type": "FCNHead",
        "in_channels": 4,
        "channels": 4,
        "num_classes": 2,
        "loss_decode": {"type": "CrossEntropyLoss"},
    },
    "test_cfg": {"mode": "whole"},
}


def _check_model(*keys: Any, value: Any) -> None:
    model: dict[str, Any] = {"model": copy.deepcopy(MODEL)}
    node, keys = model, ("model", *keys)
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    check_forms(model["model"], "model", "model", "mmseg", "x.safetensors")


def _check_step(**step: Any) -> None:
    check_forms(step, "pipeline", "pipeline.0", "mmseg", "x.safetensors")


# What a public trial ran, or tried to run.
RUNS = {
    "a padding mode": (
        ("decode_head", "loss_decode"),
        {"type": "ConvModule", "padding_mode": "os.system", "padding": "touch X"},
        "model.decode_head.loss_decode.type is 'ConvModule', expected a type of losses",
    ),
    "the same where a layer may be": (
        ("backbone", "conv_cfg"),
        {"type": "ConvModule", "padding_mode": "os.system"},
        "padding_mode is 'os.system', expected one of 'circular', 'reflect', 'replicate', 'zeros'",
    ),
    "BERT by name": (
        ("backbone",),
        {"type": "mmdet.BertModel", "name": "somebody"},
        "model.backbone.type is 'mmdet.BertModel', which a record may not use",
    ),
    "timm's hub": (
        ("backbone",),
        {"type": "TIMMBackbone", "model_name": "hf-hub"},
        "model.backbone.type is 'TIMMBackbone', which a record may not use",
    ),
    "a teacher": (
        (),
        {"type": "mmdet.KnowledgeDistillationSingleStageDetector"},
        "which a record may not use",
    ),
    "evaluated by mmdet": (
        ("backbone",),
        {"type": "mmdet.CameraMotionCompensation", "warp_mode": "exit"},
        "which a record may not use",
    ),
}


@pytest.mark.parametrize("case", RUNS)
def test_record_that_ran_code_is_refused_by_type_and_parameter(case: str) -> None:
    place, value, message = RUNS[case]

    with pytest.raises(UnsafeCheckpointError) as raised:
        _check_model(*place, value=value)

    assert message in raised.value.message
    assert raised.value.where == "x.safetensors"
    assert "CONFIG,CHECKPOINT" in str(raised.value.hint)


STEPS = {
    "pickle": {"type": "LoadBiomedicalImageFromFile", "decode_backend": "pickle"},
    "a resize type": {"type": "RandomResize", "scale": (8, 8), "resize_type": "torch.hub.load"},
    "another resize type": {"type": "ResizeShortestEdge", "scale": 8, "resize_type": "os.system"},
    "a decoder": {"type": "LoadImageFromFile", "imdecode_backend": "tifffile"},
    "a client": {"type": "LoadImageFromFile", "file_client_args": {"backend": "petrel"}},
    "albumentations": {"type": "Albu", "transforms": [{"type": "Blur"}]},
    "many files": {"type": "mmdet.LoadMultiChannelImageFromFiles"},
    "a mapping": {"type": "KeyMapper", "mapping": {"img": "x"}, "transforms": []},
    "nested": {"type": "RandomApply", "transforms": [{"type": "Resize"}]},
}


@pytest.mark.parametrize("case", STEPS)
def test_loader_takes_no_backend_and_no_step_resolves_a_text(case: str) -> None:
    with pytest.raises(ZooError, match=r"does not accept|may not use|expected"):
        _check_step(**STEPS[case])


# One number, list or key each beyond its bounds.
SIZES = {
    "outputs": (("neck",), {"type": "mmdet.FPN", "in_channels": [4], "num_outs": 10**9}),
    "octaves": (
        ("backbone",),
        {"type": "UNet", "plugins": [{"type": "mmdet.AnchorGenerator"}]},
    ),
    "channels": (("backbone", "base_channels"), 10**6),
    "a float for a whole number": (("backbone", "base_channels"), 4.5),
    "true for a number": (("decode_head", "channels"), True),
    "infinity": (("decode_head", "dropout_ratio"), float("inf")),
    "not a number": (("decode_head", "dropout_ratio"), float("nan")),
    "a long list": (("decode_head",), [copy.deepcopy(MODEL["decode_head"])] * 100),
    "an unknown key": (("decode_head", "hook"), None),
    "an unknown key of a table": (("test_cfg", "hook"), 1),
    "a text for a table": (("test_cfg",), "whole"),
    "a table for a number": (("decode_head", "channels"), {"a": 1}),
}


@pytest.mark.parametrize("case", SIZES)
def test_value_out_of_its_form_is_refused_by_key(case: str) -> None:
    keys, value = SIZES[case]

    with pytest.raises(CheckpointError) as raised:
        _check_model(*keys, value=value)

    assert ".".join(("model", *keys)) in raised.value.message


def test_equalization_has_a_tile_at_least() -> None:
    """OpenCV divides by the number of tiles, and a division by 0 ends the whole process."""
    with pytest.raises(CheckpointError, match="a whole number from 1 to 32"):
        _check_step(type="CLAHE", tile_grid_size=(8, 0))


def test_octaves_of_anchors_are_few() -> None:
    """8 GB of anchors came of a number that no weight bounds."""
    kind = find_listed_type("AnchorGenerator", "mmdet")

    assert kind is not None
    assert kind.forms is not None
    whole = kind.forms["scales_per_octave"].whole
    assert whole is not None
    assert whole[1] <= 64


def _texts(form: Form, key: str) -> Iterator[tuple[str, str]]:
    yield from ((key, word) for word in form.words)
    if form.items is not None:
        yield from _texts(form.items, key)
    for name, inner in (form.table or {}).items():
        yield from _texts(inner, name)


def test_list_names_no_place_and_no_import_path() -> None:
    """No text on the list is a path, an address, a dotted name or a module of Python's."""
    kinds = [find_listed_type(name, "mmengine") for name in list_types()]
    forms = [
        (key, form) for kind in kinds if kind and kind.forms for key, form in kind.forms.items()
    ]
    texts = {pair for key, form in forms for pair in _texts(form, key)}

    assert len(texts) > 100
    for _, word in texts:
        assert re.fullmatch(r"[A-Za-z0-9_. -]+", word)
        assert word not in sys.stdlib_module_names
        assert "." not in word or re.fullmatch(r"regnetx_\d+\.\dgf", word)
        assert word == "cv2" or importlib.util.find_spec(word.partition(".")[0]) is None
    backends = {key for key, _ in texts if re.search("backend|path|file|url|hub|name", key)}
    assert backends <= {"backend", "loss_name", "paths"}  # cv2 or pillow; bottom-up


def test_list_is_what_the_installed_stack_gives() -> None:
    """Every type on it is registered, by the scope that the list gives it."""
    from zoo.engine.records.forms import is_registered_in

    for name in list_types():
        scope, _, last = name.partition(".")
        assert is_registered_in(last, scope) or is_registered_in(last, scope, "pipeline"), name


_PLUGIN = """
[plugin]
name = "strict"
version = "0.1.0"
api = 1
summary = "types with and without a record"
license = "Apache-2.0"

[[model]]
name = "Net"
target = "zoo_strict.parts:Net"
record_like = "mmseg.FCNHead"

[model.record]
style = {{ words = ["caffe"] }}
sizes = {{ list = {{ int = [0, 8] }}, most = 2 }}
{more}
[[model]]
name = "Silent"
target = "zoo_strict.parts:Silent"

[[model]]
name = "Closed"
target = "zoo_strict.parts:Closed"
record = {{}}
"""


@pytest.fixture
def strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a plugin whose code cannot be imported: a check needs its manifest alone."""
    package = tmp_path / "zoo_strict"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit(3)")
    (package / "zoo_plugin.toml").write_text(_PLUGIN.format(more=""))
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path))
    return package / "zoo_plugin.toml"


PLUGIN_VALUES = [
    ("Net", {"style": "caffe", "sizes": (1, 8), "num_classes": 3}, True),
    ("Net", {"style": "os.system"}, False),
    ("Net", {"sizes": [9]}, False),
    ("Net", {"sizes": [1, 2, 3]}, False),
    ("Net", {"other": 1}, False),
    ("Silent", {"depth": 3, "wide": True, "sub": {"type": "BN"}, "more": {"a": [1.5, None]}}, True),
    ("Silent", {"mode": "caffe"}, False),
    ("Silent", {"depth": 10**8}, False),
    ("Silent", {"sub": {"type": "TIMMBackbone"}}, False),
    ("Silent", {"more": [0] * 5000}, False),
    ("Closed", {}, True),
    ("Closed", {"depth": 3}, False),
]


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(("name", "values", "passes"), PLUGIN_VALUES)
def test_plugins_manifest_says_what_its_types_are_given(
    name: str, values: dict[str, Any], passes: bool
) -> None:
    """Nothing of the plugin is imported for it; without a word of the manifest, no text passes."""
    refused = pytest.raises(CheckpointError, match=f"{name}: |{name} does not accept|may not use")
    with nullcontext() if passes else refused:
        _check_model("backbone", value={"type": f"zoo.strict.{name}", **values})


BAD_FORMS = [
    ("bad = { int = [3, 1] }", "the smaller value first"),
    ("bad = { int = [0, 1e12] }", r"expected \[least, most\]"),
    ("bad = { int = 3 }", r"expected \[least, most\]"),
    ("bad = { float = [0, inf] }", r"expected \[least, most\]"),
    ("bad = { float = [nan, 1] }", r"expected \[least, most\]"),
    ("bad = { words = [] }", "expected a list of words"),
    ('bad = { words = ["/etc/passwd"] }', "expected letters, digits"),
    ("bad = { text = true }", "expected one of bool, float"),
    ("bad = { list = { int = [0, 1] } }", "expected both list and most"),
    ("bad = { list = { int = [0, 1] }, most = 1000000 }", "expected 1 to 10000"),
    ('bad = { type = ["hooks"] }', "expected one of backbones"),
    ("bad = {}", "expected a table such as"),
    ("bad = 3", "expected a table such as"),
    ("bad = { none = false }", "expected true, or omit the key"),
    ('"a b" = { int = [0, 1] }', "expected a parameter's name"),
]


@pytest.mark.parametrize(("line", "message"), BAD_FORMS)
def test_form_that_is_none_marks_the_plugin(strict: Path, line: str, message: str) -> None:
    from zoo.catalog import forget_catalog, read_catalog

    strict.write_text(_PLUGIN.format(more=line))
    forget_catalog()

    error = next(plugin.error for plugin in read_catalog().plugins if plugin.name == "strict")

    assert error is not None
    assert re.search(message, error.message), error.message
    assert error.hint == "docs/manifest.md shows the forms of parameters."
