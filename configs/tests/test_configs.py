# SPDX-License-Identifier: Apache-2.0
"""Every shipped config parses, and every zoo type in it is in the catalog; no data, no torch."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zoo.catalog import read_catalog
from zoo.manifest.reading import read_manifest

pytestmark = pytest.mark.mm

FOLDER = Path(__file__).resolve().parent.parent
MANIFEST = read_manifest(FOLDER / "zoo_plugin.toml")
# Config key -> kind of the rows that may stand there; other keys hold losses and models.
KINDS = {
    "dataset": "dataset",
    "custom_hooks": "hook",
    "default_hooks": "hook",
    "loss_decode": "loss",
    "loss_mask": "loss",
    "model": "model",
    "backbone": "model",
    "encoder": "model",
    "decode_head": "model",
    "val_evaluator": "metric",
    "test_evaluator": "metric",
    "init_cfg": "weight_initializer",
    "pipeline": "transform",
    "train_pipeline": "transform",
    "test_pipeline": "transform",
    "tta_pipeline": "transform",
}
PLACES = ("Load", "Annotations", "Resize", "Pack")  # of a pipeline for losses, in order


def zoo_types(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield (config key, name) of every ``type='zoo....'`` below a node of a config."""
    if isinstance(node, dict):
        if str(node.get("type", "")).startswith("zoo."):
            yield key, node["type"].removeprefix("zoo.")
        for name, value in node.items():
            yield from zoo_types(value, name)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from zoo_types(value, key)


@pytest.mark.parametrize("row", MANIFEST.configs, ids=lambda row: row.name)
def test_config_when_parsed_names_only_what_the_catalog_has(row: Any) -> None:
    """A config's zoo types are rows of the right kind."""
    from zoo.engine.config_files.files import parse_config_file

    config = parse_config_file(FOLDER / row.file).to_dict()

    found = list(zoo_types(config))
    assert found
    for key, name in found:
        read_catalog().find(KINDS[key], name)


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("row", [row for row in MANIFEST.configs if "_lung-" in row.name])
def test_pipeline_of_lung_config_when_it_packs_hands_spacing_on(row: Any, split: str) -> None:
    """Without it a metric in mm would measure pictures that were DICOM in pixels."""
    from zoo.engine.config_files.files import parse_config_file

    dataset = parse_config_file(FOLDER / row.file).to_dict()[f"{split}_dataloader"]["dataset"]

    pack = dataset["pipeline"][-1]
    assert pack["type"] == "PackSegInputs"
    assert {"img_path", "ori_shape", "img_shape", "spacing_mm"} < set(pack["meta_keys"])


@pytest.mark.parametrize("row", [row for row in MANIFEST.configs if "mask_rcnn" in row.name])
def test_instance_config_when_it_trains_leaves_no_mask_and_no_image_out(row: Any) -> None:
    """Masks of either kind reach the loss, and images without objects are kept."""
    from zoo.engine.config_files.files import parse_config_file

    config = parse_config_file(FOLDER / row.file).to_dict()

    for key in ("train_dataloader", "val_loss_dataloader"):
        dataset = (config.get(key) or {"dataset": None})["dataset"]
        if dataset is not None:
            steps = [step for step in dataset["pipeline"] if "Annotations" in step["type"]]
            assert steps == [{"type": "zoo.segmentation_transforms.LoadInstanceAnnotations"}]
            assert dataset["filter_cfg"] == {"filter_empty_gt": False}


@pytest.mark.parametrize("row", [row for row in MANIFEST.configs if "_lung-" in row.name])
def test_losses_of_lung_config_with_dice_begin_with_it(row: Any) -> None:
    """Dice names a target that is no class; cross-entropy before it would only fail."""
    from zoo.engine.config_files.files import parse_config_file

    losses = parse_config_file(FOLDER / row.file).to_dict()["model"]["decode_head"]["loss_decode"]

    types = [loss["type"] for loss in losses]
    assert "zoo.dice_loss.DiceLoss" not in types[1:]


@pytest.mark.parametrize("row", MANIFEST.configs, ids=lambda row: row.name)
def test_config_when_it_validates_measures_the_loss_on_the_same_images(row: Any) -> None:
    """At the size that is validated, in training's batches, with labels loaded before Resize."""
    from zoo.engine.config_files.files import parse_config_file

    config = parse_config_file(FOLDER / row.file).to_dict()

    hooks = [hook["type"] for hook in config["custom_hooks"]]
    assert "zoo.training_hooks.ValidationLoss" in hooks
    loader, validated = config["val_loss_dataloader"], config["val_dataloader"]["dataset"]
    for key in ("type", "data_root", "ann_file", "data_prefix"):
        assert loader["dataset"][key] == validated[key], key
    pipeline = loader["dataset"]["pipeline"]
    steps = [step["type"].rpartition(".")[2] for step in pipeline]
    # Bands keep the size of their files; the sizes below are equal then, as there are none.
    wanted = [name for name in PLACES if name != "Resize" or row.name != "unet_small_bands-512"]
    places = [next(i for i, step in enumerate(steps) if name in step) for name in wanted]
    assert places == sorted(places)
    sizes = [
        [step for step in steps if step["type"] == "Resize"]
        for steps in (pipeline, validated["pipeline"])
    ]
    assert sizes[0] == sizes[1]
    if config["default_scope"] == "mmseg":
        assert loader["batch_size"] == config["train_dataloader"]["batch_size"]


@pytest.mark.parametrize("row", MANIFEST.configs, ids=lambda row: row.name)
def test_pipeline_of_the_validation_loss_is_one_that_the_hook_takes(row: Any) -> None:
    """The hook gets as far as the data, which is not there; a pipeline would be refused before."""
    from types import SimpleNamespace

    from mmengine.registry import init_default_scope

    import zoo
    from zoo.engine.config_files.files import parse_config_file
    from zoo.errors import DataError

    config = parse_config_file(FOLDER / row.file)
    config.val_loss_dataloader.dataset.data_root = "nowhere"
    init_default_scope(config.default_scope)
    hook = zoo.load_contribution("hook", "ValidationLoss")(required=True)
    runner = SimpleNamespace(cfg=config, hooks=[], val_loop=object())

    with pytest.raises(DataError, match="nowhere"):
        hook.before_train(runner)


@pytest.mark.parametrize("row", [row for row in MANIFEST.configs if "-imagenet_24e_" in row.name])
def test_config_in_stages_when_parsed_measures_the_loss_that_it_is_judged_by(row: Any) -> None:
    """On the split val, labels loaded before resizing, nothing augmented; the lowest is kept."""
    from zoo.engine.config_files.files import parse_config_file

    config = parse_config_file(FOLDER / row.file).to_dict()

    dataset = config["val_loss_dataloader"]["dataset"]
    names = ["LoadImageFromFile", "LoadInstanceAnnotations", "Resize", "PackDetInputs"]
    assert [step["type"].rpartition(".")[2] for step in dataset["pipeline"]] == names
    assert dataset["ann_file"] == config["val_dataloader"]["dataset"]["ann_file"]
    checkpoint = config["default_hooks"]["checkpoint"]
    assert (checkpoint["save_best"], checkpoint["rule"]) == ("val/loss", "less")
    stages = config["custom_hooks"][1]["stages"]
    assert [(stage["until"], stage["lr"]) for stage in stages] == [
        (6, 2e-4),
        (12, 1e-4),
        (24, 2e-5),
    ]
    assert config["train_cfg"]["max_epochs"] == 24


def test_manifest_when_compared_with_the_folder_lists_every_config() -> None:
    """A config file without a row could not be named."""
    files = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("[!_t]*/*.py")}

    assert {row.file for row in MANIFEST.configs} == files


def test_base_with_a_name_is_a_part_that_parses() -> None:
    """Each [[base]] row is a file of _base_, says what it is, and lacks a model or the rest."""
    from zoo.engine.config_files.files import find_config_file, parse_config_file

    assert MANIFEST.bases
    for row in MANIFEST.bases:
        config = parse_config_file(find_config_file(f"zoo::{row.name}"))

        assert Path(row.file) == Path("_base_", f"{row.name}.py")
        assert row.summary
        assert ("model" in config) == (row.part == "model"), row.name
        assert ("train_dataloader" in config) == (row.part == "data"), row.name
        assert ("train_cfg" in config) == (row.part == "schedule" or "stages" in row.name), row.name


def test_table_of_bases_in_the_guide_says_what_the_rows_and_files_say() -> None:
    """Name, part, task and summary of each row, and the plugins whose types its file names."""
    from zoo.engine.config_files.files import find_config_file, parse_config_file

    guide = (FOLDER.parent / "docs" / "guide" / "configs.md").read_text()
    lines = {line for line in guide.splitlines() if line.startswith("| `") and "| both |" in line}
    lines |= {line for line in guide.splitlines() if re.search(r"\| (semantic|instance) \|", line)}

    expected = set()
    for row in MANIFEST.bases:
        config = parse_config_file(find_config_file(f"zoo::{row.name}")).to_dict()
        plugins = sorted({name.partition(".")[0] for _, name in zoo_types(config)})
        uses = ", ".join(f"`{plugin}`" for plugin in plugins) or "-"
        cells = (f"`{row.name}`", row.part, row.task or "both", row.summary, uses)
        expected.add(f"| {' | '.join(map(str, cells))} |")
    assert lines == expected


def test_config_when_read_starts_with_a_docstring_and_stays_short() -> None:
    """The first lines claim what the config reaches, or say that it is not yet trained."""
    for path in FOLDER.glob("*/*.py"):
        if path.parent.name == "tests":
            continue
        lines = path.read_text(encoding="utf-8").splitlines()

        assert lines[0].startswith('"""'), path
        assert len(lines) <= 75, path


def test_configs_when_parsed_import_no_torch() -> None:
    """Parsing a config costs no torch."""
    code = (
        "import sys; from pathlib import Path\n"
        "from zoo.engine.config_files.files import parse_config_file\n"
        f"parse_config_file(Path({str(FOLDER / MANIFEST.configs[0].file)!r}))\n"
        "assert 'torch' not in sys.modules"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr


def test_example_of_the_own_data_guide_parses_from_any_folder(tmp_path: Path) -> None:
    """The guide's mine.py, word by word, is the shipped config with the guide's differences."""
    from zoo.engine.config_files.files import find_config_file, parse_config_file

    guide = (FOLDER.parent / "docs" / "guide" / "own-data.md").read_text()
    (example,) = re.findall(r"```python\n(# mine\.py.*?)```", guide, re.DOTALL)
    (tmp_path / "mine.py").write_text(example)

    mine = parse_config_file(tmp_path / "mine.py")

    base = parse_config_file(find_config_file("unet_small_folder-512"))
    assert (mine.model.backbone.base_channels, mine.train_dataloader.batch_size) == (32, 8)
    assert mine.train_cfg == base.train_cfg
    assert mine.train_dataloader.dataset == base.train_dataloader.dataset
