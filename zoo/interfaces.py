# SPDX-License-Identifier: Apache-2.0
"""The interface of each kind of contribution: its arguments and return values.

These are Protocols: a plugin's class conforms if it has the methods, whatever its base class. In
practice most classes inherit the methods from an mmengine, mmseg or mmdet class. The Protocols
list what the engine and the heads, loops and runners of OpenMMLab rely on, and
``zoo.testing.PluginConformance`` checks them. Shapes follow ``docs/glossary.md``: N images,
C classes, H and W pixels, K instances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.data import Draft, Prepared, Report, Shares

__all__ = [
    "Buildable",
    "CheckResult",
    "Command",
    "Converter",
    "DataCheck",
    "Dataset",
    "DoctorCheck",
    "Evaluator",
    "Hook",
    "ImageValues",
    "InitTarget",
    "Loop",
    "Loss",
    "MaskLoss",
    "Metric",
    "Module",
    "OptimWrapperConstructor",
    "Optimizer",
    "Panel",
    "ParamScheduler",
    "PerImageMetric",
    "PrepareTarget",
    "Progress",
    "SampleTarget",
    "Sampler",
    "Transform",
]

Progress = Callable[[int, int], None]
"""Called with how many files are done and how many there are; may be called rarely."""


class Buildable(Protocol):
    """Anything that a config builds by ``type=``; its other keys are keyword arguments."""

    def __call__(self, **kwargs: Any) -> Any:
        """Return the instance, or the result of a function."""


class Command(Protocol):
    """A command of the zoo command line: a click command or group."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run it with the words of a command line; click's commands have this method."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check of a plugin has found, once per thing that it looked at.

    Attributes:
        found: What was found and, unless all is well, what was expected: one sentence.
        level: ``ok``, ``warning`` for what works with a risk, or ``error`` for what does not.
        where: The file or the thing that it is about; empty for the whole machine or folder.
        mend: The one command or action that mends it; empty if all is well.

    Raises:
        ValueError: The level is none of these.
    """

    found: str
    level: str = "ok"
    where: str = ""
    mend: str = ""

    def __post_init__(self) -> None:
        """Refuse an unknown level where the check is written, not where it is shown."""
        if self.level not in ("ok", "warning", "error"):
            message = f"level is {self.level!r}, expected ok, warning or error"
            raise ValueError(message)


class DoctorCheck(Protocol):
    """A check of this machine: the target of a ``[[check]]`` row with ``of = "doctor"``.

    It changes nothing, opens no socket, and takes a few seconds at most. An exception becomes an
    error in the listing.
    """

    def __call__(self) -> Iterable[CheckResult]:
        """Yield what was found; nothing at all means that all is well."""


class DataCheck(Protocol):
    """A check of a prepared folder: the target of a ``[[check]]`` row with ``of = "data"``.

    ``zoo data check`` calls it after its own checks have found no error, so each file is there and
    can be decoded. It changes nothing. An exception becomes an error in the listing.
    """

    def __call__(self, prepared: Prepared) -> Iterable[CheckResult]:
        """Yield what was found; nothing at all means that all is well.

        Args:
            prepared: The folder. ``where`` of a result is a path relative to ``prepared.root``.
        """


class Panel(Protocol):
    """Panels of a plot: what ``zoo plot`` draws after its own."""

    def __call__(
        self, runs: Sequence[Any], tests: Sequence[Any]
    ) -> Iterable[Callable[[Any], None]]:
        """Yield a function for each panel; it draws into the ``Axes`` of matplotlib that it gets.

        Yield nothing if the runs and tests have nothing to show. Each may be empty.

        Args:
            runs: The runs, each a ``zoo.Run``: its curves, its best step, its config.
            tests: Results of ``zoo test --out``, each a ``zoo.TestValues``.
        """


class Converter(Protocol):
    """Another library's state dict, as the state dict of an OpenMMLab model.

    It computes only from the tensors: it reads no files, uses no random numbers, and gives equal
    results for equal input, because the digest of the result is pinned.
    """

    def __call__(self, state_dict: Mapping[str, Tensor], /) -> dict[str, Tensor]:
        """Return the tensors of the model that the row's config builds, all of them and no others.

        Args:
            state_dict: Name -> tensor on the CPU, as the other library saved them.

        Raises:
            ConversionError: The tensors are those of another architecture.
        """


class Dataset(Protocol):
    """Images with labels; follows mmengine's ``BaseDataset``.

    Built with the keywords ``data_root``, ``ann_file``, ``data_prefix``, ``pipeline``,
    ``metainfo`` and ``test_mode``. With ``--data DIR`` the engine sets the first three and
    ``metainfo`` from ``DIR/dataset.json``:

    * semantic: ``ann_file="splits/<split>.txt"`` (stems, one per line),
      ``data_prefix=dict(img_path="images", seg_map_path="masks")``, files
      ``<stem>.png``. Each item holds ``inputs``, a uint8 tensor ``(3, H, W)``, and
      ``data_samples``, a mmseg ``SegDataSample`` whose ``gt_sem_seg.data`` is ``(1, H, W)`` int64
      with ids in ``[0, C)``, or 255 for ignored pixels.
    * instance: ``ann_file`` is COCO JSON. ``data_samples`` is a mmdet ``DetDataSample`` whose
      ``gt_instances`` has ``bboxes`` ``(K, 4)`` xyxy in px, half-open, ``labels`` ``(K,)`` int64
      and ``masks``.

    The ``data_samples.metainfo`` of an item holds at least ``img_path``, ``ori_shape`` and
    ``img_shape``. The object must be picklable: loader workers are spawned and unpickle it.
    """

    @property
    def metainfo(self) -> Mapping[str, Any]:
        """``classes``, in the order of ids, and ``palette``, one ``[r, g, b]`` per class."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, index: int) -> Any:
        """Return one item after the pipeline."""

    def get_data_info(self, index: int) -> Mapping[str, Any]:
        """Return the input of the pipeline: ``img_path``, ``seg_map_path``, ...

        Args:
            index: Index of the image, from 0.
        """

    def full_init(self) -> None:
        """Read the annotations; called once before the first item."""


class Loss(Protocol):
    """A loss for mmseg decode heads: ``loss(pred, target, weight=..., ignore_index=...)``.

    A head has one loss or a list of losses, all called with the same arguments. Values with the
    same ``loss_name`` are summed. Only values whose name contains ``loss`` are optimized.
    """

    @property
    def loss_name(self) -> str:
        """Key in the log, such as ``loss_dice``; must contain ``loss``."""

    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Return a loss of shape ``()``, finite and differentiable in ``pred``.

        Args:
            pred: ``(N, C, H, W)`` float logits at the size of the target; float16 or bfloat16 with
                mixed precision.
            target: ``(N, H, W)`` int64 with ids in ``[0, C)`` or ``ignore_index``. The loss must be
                finite even if all pixels are ignored or classes are absent.
            weight: ``(N, H, W)`` float weights from the head's pixel sampler, or None without one.
            ignore_index: Id of ignored pixels; passed by keyword.
        """


class MaskLoss(Protocol):
    """A loss for mmdet mask heads: ``loss(pred, target, labels)``, by position.

    The head builds one module, not a list, and logs its value as ``loss_mask``. It never passes
    ``weight`` or ``ignore_index``, and does not call the loss without instances.
    """

    def __call__(self, pred: Tensor, target: Tensor, labels: Tensor) -> Tensor:
        """Return a loss of shape ``()`` or ``(1,)``, differentiable in ``pred``.

        Args:
            pred: ``(K, C, h, w)`` float logits, one plane per class.
            target: ``(K, h, w)`` float, 1 inside the instance and 0 outside.
            labels: ``(K,)`` int64, the plane to use for each instance. A class-agnostic head has
                C = 1 and passes zeros.
        """


class Hook(Protocol):
    """Code that a run calls at fixed points; a subclass of mmengine's ``Hook``, built once per run.

    Order of calls in a training run: ``before_run``, (``after_load_checkpoint``,)
    ``before_train``, then per epoch ``before_train_epoch``, per step ``before_train_iter`` and
    ``after_train_iter``, ``after_train_epoch``; validation runs between epochs, or between steps of
    an iteration-based loop, as ``before_val``, ``before_val_epoch``, ``before_val_iter``,
    ``after_val_iter``, ``after_val_epoch``, ``after_val``; finally ``after_train`` and
    ``after_run``. A test run has the same points with ``test``. An iteration-based loop calls
    ``before_train_epoch`` and ``after_train_epoch`` once. At each point, hooks run in the order of
    their ``priority``. An exception in a hook ends the run; existing checkpoints are kept.
    """

    priority: str | int

    def before_run(self, runner: Any) -> None:
        """Run before anything else; model and loaders may not be built yet.

        Args:
            runner: The run.
        """

    def before_train(self, runner: Any) -> None:
        """Run once before training; model, optimizer and loader are built.

        Args:
            runner: The run.
        """

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Mapping[str, Any] | None = None
    ) -> None:
        """Run before a step.

        Args:
            runner: The run.
            batch_idx: Index of the step in its epoch, from 0.
            data_batch: Collated ``inputs`` and ``data_samples``.
        """

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Run after the optimizer update of a step.

        Reading a tensor value here waits for the device, so do it only at the necessary intervals.

        Args:
            runner: The run.
            batch_idx: Index of the step in its epoch, from 0.
            data_batch: Collated ``inputs`` and ``data_samples``.
            outputs: Scalar ``loss`` and each of its parts.
        """

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Run after each validation, with the metrics.

        Args:
            runner: The run.
            metrics: Name -> value.
        """

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Run before a checkpoint is written; add only tensors and plain values.

        Args:
            runner: The run.
            checkpoint: Content of the checkpoint; changed in place.
        """

    def after_run(self, runner: Any) -> None:
        """Run at the end of a successful run.

        Args:
            runner: The run.
        """


class Transform(Protocol):
    """One step of a data pipeline, usually a subclass of mmcv's ``BaseTransform``.

    ``results`` holds what earlier steps have added: ``img`` ``(H, W, 3)`` or ``(H, W)``
    array in BGR order, ``img_path``, ``img_shape`` and ``ori_shape`` as ``(H, W)``,
    ``gt_seg_map`` ``(H, W)`` uint8, ``gt_bboxes`` ``(K, 4)``, ``gt_bboxes_labels`` ``(K,)``,
    ``gt_masks``, and ``seg_fields``, the keys that geometric steps must transform with the image.
    Test pipelines also run without labels; skip missing ones. A random transform draws from
    ``numpy.random`` or ``random``, which the loader seeds in each worker. It must be picklable.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Return the results, changed in place or not; None replaces this image by another."""


class ImageValues(TypedDict):
    """Values of one image: ``file`` is its path in the data set (``img_path``)."""

    file: str
    values: dict[str, float]


class Metric(Protocol):
    """A score over a data set, usually a subclass of mmengine's ``BaseMetric``."""

    dataset_meta: Mapping[str, Any] | None
    """``classes`` and ``palette`` of the data set; set by the runner before the first batch."""

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Add one batch of predictions, as dicts; called under ``torch.no_grad``.

        Args:
            data_batch: Collated ``inputs`` and ``data_samples``.
            data_samples: One per image of the batch.
        """

    def evaluate(self, size: int) -> Mapping[str, float]:
        """Return the values over all added images, and clear them.

        Args:
            size: Number of images in the split.
        """


class PerImageMetric(Metric, Protocol):
    """A metric that also reports values per image.

    ``zoo test --out FILE.json`` saves them and ``zoo plot`` draws them.
    """

    def per_image_values(self) -> list[ImageValues]:
        """Return the values of each image of the last ``evaluate``, in the order of the data set.

        If an image has no value (the class is in neither prediction nor label), ``values`` omits it
        rather than hold NaN.
        """


class Evaluator(Protocol):
    """A group of metrics; follows mmengine's ``Evaluator``."""

    def process(self, data_samples: Sequence[Any], data_batch: Any | None = None) -> None:
        """Pass one batch to every metric.

        Args:
            data_samples: One per image of the batch.
            data_batch: Collated ``inputs`` and ``data_samples``.
        """

    def evaluate(self, size: int) -> Mapping[str, float]:
        """Return the values of all metrics.

        Args:
            size: Number of images in the split.
        """


class Sampler(Protocol):
    """The order of indices of a data set; built with ``dataset`` and, by mmengine, ``seed``."""

    def __iter__(self) -> Iterator[int]:
        """Yield indices; with several processes, only those of this process."""

    def __len__(self) -> int:
        """Return the number of indices; an endless sampler returns the length of the data set."""

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, so that shuffling differs between epochs but is reproducible.

        Args:
            epoch: Number of the epoch, from 0.
        """


class Loop(Protocol):
    """A training, validation or test loop, built with ``runner`` and ``dataloader``."""

    def run(self) -> Any:
        """Run the whole loop and call the runner's hooks."""


class Optimizer(Protocol):
    """A torch optimizer, built with ``params``."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their gradients.

        Args:
            closure: Recomputes the loss; most optimizers need none.
        """

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients.

        Args:
            set_to_none: Whether to set gradients to None rather than 0.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return the state, only tensors and plain values, so that it loads without pickle."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state.

        Args:
            state_dict: A state from ``state_dict``.
        """


class OptimWrapperConstructor(Protocol):
    """Creates an optimizer wrapper; built with ``optim_wrapper_cfg`` and ``paramwise_cfg``."""

    def __call__(self, model: Any) -> Any:
        """Return the wrapper of an optimizer for the model's parameters."""


class ParamScheduler(Protocol):
    """A schedule of one parameter of an optimizer, such as mmengine's ``_ParamScheduler``."""

    def step(self) -> None:
        """Advance by one epoch or one step, depending on ``by_epoch``."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state, only tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state.

        Args:
            state_dict: A state from ``state_dict``.
        """


class Module(Protocol):
    """A network or a part of one: a ``torch.nn.Module``.

    A whole model's ``forward(inputs, data_samples, mode)`` returns a dict of losses for
    ``mode="loss"``, a list of data samples with predictions for ``"predict"``, and tensors for
    ``"tensor"``. The call of a part depends on its role: a backbone takes ``(N, 3, H, W)`` and
    returns a tuple of feature maps; a head takes that tuple.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the output of the module."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return parameters and buffers."""


class PrepareTarget(Protocol):
    """The function behind ``zoo data prepare``: raw download -> prepared folder."""

    def __call__(
        self,
        source: Path,
        out: Path,
        *,
        shares: Shares,
        progress: Progress | None = None,
        **options: Any,
    ) -> Report:
        """Write the prepared folder and return its report.

        Deterministic and idempotent: a second call with the same arguments writes nothing, and the
        report says so. The source is never changed. ``out`` is created completely or not at all.

        Args:
            source: Folder or .zip in the raw layout.
            out: Folder to write. It then contains ``images/``, ``masks/``, ``splits/``,
                ``dataset.json`` and ``report.json``.
            shares: Shares of train, val and test.
            progress: Called as files are done.
            options: One keyword per ``[[dataset.option]]``, with underscores for dashes.

        Raises:
            DataError: The source does not contain what it must; nothing is left at ``out``.
        """


class InitTarget(Protocol):
    """The function behind ``zoo data prepare --init``: a file to edit before ``prepare``."""

    def __call__(self, source: Path, *, progress: Progress | None = None, **options: Any) -> Draft:
        """Write one new file, such as a list of classes, and return a summary of it.

        Args:
            source: Folder or .zip, ideally in the raw layout.
            progress: Called as files are done.
            options: Options of the prepare target.

        Raises:
            DataError: The file already exists, or the source does not allow a guess; nothing is
                written.
        """


class SampleTarget(Protocol):
    """The function behind ``zoo data sample``: a synthetic data set in the raw layout."""

    def __call__(
        self,
        out: Path,
        *,
        seed: int = 0,
        count: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Write files that the prepare target accepts as a source.

        If the target also has the keyword ``size_px``, it receives ``--size`` of the command.

        Args:
            out: Output folder, new or empty.
            seed: Equal seeds give equal bytes.
            count: Number of images; None for the plugin's default.
            progress: Called as files are done.
        """
