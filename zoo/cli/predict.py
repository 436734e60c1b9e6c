# SPDX-License-Identifier: Apache-2.0
"""``zoo predict``: predict images with a model, and write labels, overlays and one JSON."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.options.completion import complete_file, complete_model
from zoo.cli.options.postprocess import choose_postprocess, postprocess_options
from zoo.cli.options.trust import trust_option
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_json, say_text
from zoo.texts import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from zoo.engine.prediction.model import LoadedModel
    from zoo.engine.prediction.model_files import ModelFiles
    from zoo.engine.prediction_files.predict import Predictions
    from zoo.engine.prediction_files.spread import Spread

__all__ = ["command"]

_MOST_BYTES = 2**20  # of a line of a list


@click.command("predict", cls=ZooCommand)
@click.argument("model", shell_complete=complete_model)
@click.argument("inputs", metavar="INPUT...", nargs=-1, shell_complete=complete_file)
@click.option(
    "--list",
    "list_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Text file of more inputs, one in each line.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Output folder.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, ...")
@click.option("--labels/--no-labels", default=None, help="Write label maps (default: yes).")
@click.option("--overlays/--no-overlays", default=True, help="Write overlay PNGs (default: yes).")
@click.option(
    "--overlay-style",
    type=click.Choice(["contour", "fill", "both"]),
    default="both",
    show_default=True,
    help="How overlays draw an object.",
)
@click.option(
    "--overlay-opacity",
    type=click.FloatRange(0, 1),
    default=0.35,
    show_default=True,
    help="Opacity of the fill in overlays.",
)
@click.option(
    "--score-thr",
    type=click.FloatRange(0, 1),
    help="Drop instances with a score below this (default: 0.5).",
)
@click.option(
    "--tile-size",
    type=click.IntRange(0, 65535),
    help="Process scenes in windows of this side length in px; 0: whole (default: the config's).",
)
@click.option(
    "--overlap",
    type=click.IntRange(0, 65535),
    help="Overlap of neighbouring windows in px (default: a quarter of --tile-size).",
)
@click.option(
    "--bands",
    help="The red, green and blue bands of a raster that does not label them, e.g. 3,2,1.",
)
@postprocess_options
@click.option(
    "--resume",
    is_flag=True,
    help="Continue a batch that was stopped, or retry the images that failed in it.",
)
@click.option(
    "--ray",
    "on_ray",
    is_flag=True,
    help="Predict in processes of Ray, on all CPUs or GPUs or the cluster of RAY_ADDRESS.",
)
@click.option(
    "--format",
    "label_format",
    metavar="NAME",
    help="Also write the results in this format: coco, ... to correct by hand, gpkg, ... for GIS.",
)
@click.option(
    "--format-option",
    "format_options",
    metavar="NAME=VALUE",
    multiple=True,
    help="Option of the format; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@trust_option
def command(
    model: str,
    inputs: tuple[str, ...],
    list_file: Path | None,
    out: Path,
    device: str,
    labels: bool | None,
    overlays: bool,
    overlay_style: str,
    overlay_opacity: float,
    score_thr: float | None,
    tile_size: int | None,
    overlap: int | None,
    bands: str | None,
    keep_largest: int | dict[str, int] | None,
    fill_holes: bool | None,
    no_postprocess: bool,
    resume: bool,
    on_ray: bool,
    label_format: str | None,
    format_options: tuple[str, ...],
    as_json: bool,
) -> None:
    """Segment images with MODEL.

    MODEL is a weights name (`zoo list`), a published .safetensors, a file of `zoo export`, a work
    dir (its best checkpoint, else its last), or CONFIG,CHECKPOINT. The config of a work dir is
    Python and is executed: open only work dirs of people you trust.

    INPUT is a file, a folder or a quoted glob: PNG, JPEG, TIFF or BMP, 8 or 16 bit; with
    rasterio, JPEG 2000 and VRT too. A model of X-rays also reads DICOM if its plugin is
    installed with the extra `dicom`: pip install "PLUGIN[dicom]".

    A semantic model writes NAME_label.png, the class ids at the image's own resolution, or
    NAME_label.tif if a scene with coordinates is processed in windows. An
    instance model writes coco.json with the boxes and masks of all images, and NAME.geojson for
    each image with coordinates. Both write NAME_overlay.png, and predictions.json, which lists
    everything. If an image fails, it is reported, the others are still processed, and the command
    exits 1.

    Large scenes are processed in overlapping windows if the config or --tile-size says so: label
    maps are blended where windows overlap, instances are merged.

    --format writes them once more in a format that a plugin knows, as labels that a person
    corrects instead of drawing, or as vectors for GIS: FORMAT_labels.json, or as its files end.

    --ray writes the same files from several processes. A process that is lost costs the images
    that it had, which are predicted again.
    """
    from zoo.cli.output.progress import byte_progress, progress_bar
    from zoo.cli.output.streams import log_on_stderr
    from zoo.engine.imports.garbage import uncollected

    given = chain(inputs, _listed(list_file))
    of_format = _read_format_options(label_format, format_options)
    if on_ray:
        _check_own_gpu(device)
    with uncollected():
        from zoo.data import parse_bands
        from zoo.engine.prediction.model import open_model
        from zoo.engine.prediction.model_files import find_model_files
        from zoo.engine.prediction.predictor import Predictor
        from zoo.engine.prediction_files.predict import predict

        with byte_progress(model) as fetched:
            files = find_model_files(model, progress=fetched)
        with log_on_stderr():
            opened = open_model(files, device=_check_workers_device(device) if on_ray else device)
            _check_task(opened, score_thr, labels)
            options = _instance_options(score_thr, tile_size, overlap)
            options["postprocess"] = choose_postprocess(
                opened,
                keep_largest=keep_largest,
                fill_holes=fill_holes,
                no_postprocess=no_postprocess,
            )
            options["bands"] = parse_bands(bands)
            predictor = Predictor(opened, **options)
        spread = _spread(files, device, options) if on_ray else None
    with log_on_stderr(), progress_bar("predict") as progress:
        done = predict(
            predictor,
            given,
            out,
            labels=labels is not False,
            overlays=overlays,
            overlay_style=overlay_style,
            overlay_opacity=overlay_opacity,
            resume=resume,
            format=label_format,
            format_options=of_format,
            spread=spread,
            progress=progress,
        )
    _tell(done, as_json=as_json)
    _tell_failures(done)


def _tell(done: Predictions, *, as_json: bool) -> None:
    if as_json:
        say_json(done.to_json(), allow_nan=False)
    else:
        say(f"predicted {counted(done.count, 'image')}: {done.path}")
        if done.exchanged is not None:
            if summary := done.exchanged.report.summary():
                say_text(summary)
            say(f"written as well: {done.exchanged.path}")


def _read_format_options(label_format: str | None, given: Sequence[str]) -> dict[str, Any]:
    """Return what was typed as options of the format, as values of their types."""
    if not given:
        return {}
    if label_format is None:
        message = "give --format too"
        raise click.BadParameter(message, param_hint="--format-option")
    from zoo.engine.exchanges import options_of
    from zoo.engine.plugin_options import typed_texts

    texts: dict[str, list[str]] = {}
    for each in given:
        name, is_pair, value = each.partition("=")
        if not is_pair:
            message = f"{each!r} is no NAME=VALUE"
            raise click.BadParameter(message, param_hint="--format-option")
        texts.setdefault(name.strip(), []).append(value.strip())
    return typed_texts(options_of(label_format), texts)


def _listed(list_file: Path | None) -> Iterable[str]:
    """Return the inputs that a text file lists; without one, they must be on the command line."""
    if list_file is None:
        if not click.get_current_context().params["inputs"]:
            message = "Missing argument 'INPUT...', or --list FILE."
            raise click.UsageError(message)
        return ()
    paths = _read_list(list_file)
    first = next(paths, None)
    if first is None:
        from zoo.errors import DataError

        message = f"cannot predict on the list {list_file.name!r}: it names no image."
        raise DataError(message, path=list_file, hint="write one path in each line.")
    return chain([first], paths)


def _read_list(list_file: Path) -> Iterator[str]:
    """Yield what a list names, line by line: it may be of millions of tiles."""
    from zoo.documents import DocumentError, read_lines, reason_of
    from zoo.errors import DataError

    try:
        for number, line in enumerate(read_lines(list_file, _MOST_BYTES), 1):
            yield from filter(None, map(str.strip, _read_line(line, number).splitlines()))
    except (OSError, DocumentError) as error:
        message = f"cannot read the list {list_file.name!r}: {reason_of(error)}."
        hint = "write a text file with one path in each line."
        raise DataError(message, path=list_file, hint=hint) from error


def _read_line(line: bytes, number: int) -> str:
    """Return a line of a list as text; an error counts its bytes from the line's start."""
    from zoo.documents import DocumentError, read_text

    try:
        return read_text(line)
    except DocumentError as error:
        message = f"in line {number}, {error}"
        raise DocumentError(message) from error


def _check_own_gpu(device: str) -> None:
    """Refuse a GPU by its number: each process of Ray has one, which is its first."""
    from zoo.errors import ConfigError

    name, is_numbered, number = device.partition(":")
    if is_numbered and name != "cpu":
        message = f"cannot predict on Ray on {device!r}: each process has a GPU of its own, "
        message += f"expected {name!r}."
        hint = f"use --device {name}; CUDA_VISIBLE_DEVICES={number} leaves Ray that GPU alone."
        raise ConfigError(message, where="--device", hint=hint)


def _check_workers_device(device: str) -> str:
    """Refuse a device that no process of Ray has; return the one of this process, which only asks.

    It takes no memory of a GPU, which a process of Ray may need.
    """
    import os

    import torch

    from zoo.engine.prediction.model import choose_device

    may_have_gpus = os.environ.get("RAY_ADDRESS") or torch.cuda.is_available()
    if device != "auto" and not (device == "cuda" and may_have_gpus):
        choose_device(device)
    return "cpu"


def _spread(files: ModelFiles, device: str, options: Mapping[str, Any]) -> Spread:
    """Return the processes of Ray, which a plugin starts, with the predictor of each."""
    from typing import cast

    from zoo.engine.prediction_files.spread import PredictorBuild, Spread
    from zoo.errors import PluginError, UnknownNameError
    from zoo.interfaces import Mapper
    from zoo.loading import load_contribution

    try:
        mapper = load_contribution("function", "map_on_ray")
    except UnknownNameError as error:
        message = "cannot predict on Ray: no plugin here starts it."
        raise PluginError(message, hint='pip install "mmzoo-ray-runs[ray]"') from error
    return Spread(cast("Mapper", mapper), PredictorBuild(files, device, options))


def _tell_failures(done: Predictions) -> None:
    """Report failures on stderr, and exit 1 if there are any."""
    for failure in done.failures:
        say(f"failed: {failure.path}: {failure.error.message}", err=True)
    if done.failures:
        total = done.count + len(done.failures)
        say(f"error: {len(done.failures)} of {total} images failed.", err=True)
        for hint in dict.fromkeys(failure.error.hint for failure in done.failures):
            if hint:
                say(f"HINT: {hint}", err=True)
        click.get_current_context().exit(1)


def _check_task(model: LoadedModel, score_thr: float | None, labels: bool | None) -> None:
    """Refuse an option that does not apply to the model's task."""
    if model.task == "semantic" and score_thr is not None:
        message = f"{model.name!r} labels pixels and has no scores"
        raise click.BadParameter(message, param_hint="--score-thr")
    if model.task == "instance" and labels:
        message = f"{model.name!r} finds instances and has no label map"
        raise click.BadParameter(message, param_hint="--labels")


def _instance_options(
    score_thr: float | None, tile_size: int | None, overlap: int | None
) -> dict[str, Any]:
    """Return the options that were given, as `Predictor` takes them."""
    from zoo.data import parse_tiling

    options: dict[str, Any] = {} if score_thr is None else {"score_thr": score_thr}
    if tile_size is None:
        if overlap is not None:
            message = "give --tile-size too"
            raise click.BadParameter(message, param_hint="--overlap")
        return options
    if tile_size == 0:
        return {**options, "tiling": None}
    shared_px = tile_size // 4 if overlap is None else overlap
    return {**options, "tiling": parse_tiling("tiles", tile_size, shared_px)}
