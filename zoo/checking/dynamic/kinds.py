# SPDX-License-Identifier: Apache-2.0
"""ZP6 and ZP7: data sets, losses, hooks, metrics, transforms and commands, as the kit calls them.

A data set's rules come first: configs are checked on its sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zoo.checking.dynamic.author import kit_of
from zoo.checking.dynamic.kit_rules import kit_rule
from zoo.checking.finding import Finding
from zoo.checking.kinds.kit import Kit
from zoo.checking.rule import Case, Rule
from zoo.checking.static.cases import label_of, row_place
from zoo.checking.subject import Subject

__all__ = ["RULES"]

_BUILT = ("loss", "hook", "metric", "model", "transform")
_ARGUMENTS = "zoo.interfaces.Loss shows the call; "

_KIT_RULES = (
    (
        "ZP601",
        "sample-seeded",
        "sample_when_seeded_alike_is_equal_to_the_byte",
        "draw every random number from one generator made from the seed.",
    ),
    (
        "ZP602",
        "prepare-holds",
        "prepare_writes_a_folder_that_holds",
        "write the folder with zoo.data.write_semantic or zoo.data.write_instances.",
    ),
    (
        "ZP603",
        "prepare-repeats",
        "prepare_when_run_again_changes_nothing",
        "leave the source alone, and let zoo.data decide whether there is anything to write.",
    ),
    (
        "ZP604",
        "prepare-depends-on-source",
        "prepare_elsewhere_writes_equal_files",
        "drop times, paths of this machine and unseeded random numbers from what it writes.",
    ),
    (
        "ZP605",
        "dataset-yields-labels",
        "dataset_yields_what_heads_expect",
        "let the class load images and label maps as mmseg's BaseSegDataset does.",
    ),
    (
        "ZP606",
        "dataset-yields-instances",
        "dataset_of_instances_yields_what_heads_expect",
        "let the class load images and instances as mmdet's CocoDataset does.",
    ),
    (
        "ZP607",
        "dataset-spawns",
        "dataset_in_spawned_workers_yields_the_same",
        "keep what an item depends on in the data set, and out of globals of the module.",
    ),
    (
        "ZP701",
        "loss-in-decode-head",
        "loss_in_mmseg_head_trains_beside_cross_entropy",
        f"{_ARGUMENTS}give it a loss_name that begins with 'loss_'.",
    ),
    (
        "ZP702",
        "loss-has-gradient",
        "loss_when_called_by_keywords_is_a_finite_scalar_with_gradient",
        f"{_ARGUMENTS}return one value that is differentiable in pred.",
    ),
    (
        "ZP703",
        "loss-ignores",
        "loss_at_ignored_pixels_has_no_gradient_and_no_say",
        "leave pixels whose target is ignore_index out of every sum.",
    ),
    (
        "ZP704",
        "loss-when-empty",
        "loss_when_all_is_ignored_or_a_class_is_absent_stays_finite",
        "guard each division: count.clamp(min=1), or a small constant in both sums.",
    ),
    (
        "ZP705",
        "loss-in-bfloat16",
        "loss_when_in_bfloat16_stays_finite",
        "compute in float32: pred.float().",
    ),
    (
        "ZP706",
        "loss-takes-weights",
        "loss_when_given_pixel_weights_takes_them",
        f"{_ARGUMENTS}weight is None or (N, H, W).",
    ),
    (
        "ZP707",
        "loss-in-mask-head",
        "loss_in_mmdet_mask_head_is_called_by_position",
        "zoo.interfaces.MaskLoss shows the call: a mask head calls loss(pred, target, labels).",
    ),
    (
        "ZP708",
        "loss-gradient-agrees",
        "loss_has_the_gradient_of_its_value",
        "drop detach(), .data and in-place changes between pred and the value.",
    ),
    (
        "ZP709",
        "loss-at-extremes",
        "loss_at_huge_scores_stays_finite",
        "use log_softmax, logsigmoid or logsumexp instead of log of a probability.",
    ),
    (
        "ZP711",
        "model-takes-odd-sizes",
        "model_takes_images_of_odd_sizes",
        "pad, or interpolate to the size of the map that is joined, instead of by a factor.",
    ),
    (
        "ZP712",
        "model-trains-whole",
        "model_passes_gradients_to_every_parameter",
        "use the part in forward, or set requires_grad = False.",
    ),
    (
        "ZP713",
        "model-state-whole",
        "model_keeps_its_state",
        "register tensors by register_buffer or as parameters.",
    ),
    (
        "ZP714",
        "model-eval-repeats",
        "model_in_eval_mode_repeats_itself",
        "draw random numbers only if self.training.",
    ),
    (
        "ZP721",
        "hook-is-mmengines",
        "hook_is_mmengines_with_a_priority",
        "inherit from mmengine.hooks.Hook.",
    ),
    (
        "ZP722",
        "hook-takes-arguments",
        "hook_takes_the_arguments_of_each_point",
        "give the method the parameters of mmengine's, with their defaults.",
    ),
    (
        "ZP723",
        "hook-runs",
        "hook_in_a_run_lets_training_and_validation_end",
        "correct the hook; --debug shows where it fails.",
    ),
    (
        "ZP724",
        "hook-resumes",
        "hook_when_a_run_is_resumed_lets_it_end",
        "rebuild in before_run what the hook needs, instead of in the first epoch.",
    ),
    (
        "ZP731",
        "metric-gives-numbers",
        "metric_over_two_batches_gives_numbers",
        "return name -> float from compute_metrics, computed from results alone.",
    ),
    (
        "ZP732",
        "metric-ignores-batches",
        "metric_does_not_depend_on_the_batches",
        "add one entry an image to self.results, for every image of the batch.",
    ),
    (
        "ZP733",
        "metric-names-images",
        "metric_that_tells_images_apart_names_each",
        "give per_image_values one entry an image, in the order of the data set.",
    ),
    (
        "ZP734",
        "metric-states-directions",
        "metric_that_states_directions_states_one_for_each_value",
        "name each value in the row's direction, or write one direction for all.",
    ),
    (
        "ZP735",
        "evaluator-gives-numbers",
        "evaluator_over_two_batches_gives_numbers",
        "return name -> float from evaluate, and clear what process has collected.",
    ),
    (
        "ZP736",
        "metric-direction-agrees",
        "metric_direction_is_that_of_better_predictions",
        "state the direction that the value has: direction in docs/manifest.md.",
    ),
    (
        "ZP741",
        "transform-keeps-labels",
        "transform_keeps_image_and_labels_together",
        "change each of results['seg_fields'] as the image, with nearest neighbours.",
    ),
    (
        "ZP742",
        "transform-without-labels",
        "transform_without_labels_leaves_them_alone",
        "skip what results lacks: prediction has no labels.",
    ),
    (
        "ZP743",
        "transform-pickles",
        "transform_when_pickled_still_works",
        "keep lambdas, open files and generators out of the object.",
    ),
    (
        "ZP744",
        "transform-moves-labels",
        "transform_moves_labels_with_the_image",
        "apply the same flip, turn or crop to each of results['seg_fields'].",
    ),
    (
        "ZP745",
        "transform-image-type",
        "transform_returns_images_that_the_next_step_takes",
        "end with results['img'].astype(np.float32), or round, clip to 0..255 and use np.uint8.",
    ),
    (
        "ZP751",
        "command-helps",
        "help_of_command_works_and_imports_nothing_heavy",
        "import what is heavy inside the command's function.",
    ),
    (
        "ZP752",
        "command-has-its-name",
        "command_has_its_name_for_itself",
        "choose another name for the command.",
    ),
    (
        "ZP761",
        "check-yields-results",
        "check_yields_results_with_what_mends_them",
        "yield zoo.interfaces.CheckResult, with mend unless all is well.",
    ),
    (
        "ZP762",
        "panel-draws",
        "panel_draws_runs_and_tests_and_nothing_without",
        "yield a function of the axes for each panel, and nothing if there is nothing to show.",
    ),
    (
        "ZP763",
        "planner-plans",
        "planner_plans_for_data_of_its_task_within_the_time",
        "return a zoo.interfaces.Plan made from the arguments alone, which ends in its time.",
    ),
    (
        "ZP764",
        "exchange-counts-losses",
        "exchange_counts_what_it_loses",
        "give the report a line for each image and object that is left out.",
    ),
)


def _rows(subject: Subject) -> Iterator[Case]:
    """Yield the rows that are built by themselves, each variant that the author states."""
    kit = kit_of(subject)
    for row in () if subject.manifest is None else subject.manifest.contributions:
        if row.kind in _BUILT:
            yield label_of(row), (kit, row)


def _check_settings(subject: Subject, case: tuple[Kit, Any]) -> Iterator[Finding]:
    kit, row = case
    for config in [*kit.variants_of(row)]:
        missing = kit.missing_arguments(config)
        if row.kind == "loss" and row.name in kit.mask_settings and row.name not in kit.settings:
            continue
        if missing:
            message = f"{row.name} needs {', '.join(missing)}, and no test of the plugin states "
            message += "values: it is not checked by itself."
            mend = "state them in the plugin's test: "
            mend += f'conformance("{subject.name}", settings={{"{row.name}": [{{...}}]}}).'
            place = row_place(subject, row)
            yield Finding("ZP700", place, message, mend, level="note")
            return


RULES = (
    Rule(
        "ZP700",
        "row-settings",
        "deep",
        "Each row that is checked by itself can be built: its arguments have values.",
        _rows,
        _check_settings,
    ),
    *(kit_rule(id_, name, "deep", f"test_{check}", mend) for id_, name, check, mend in _KIT_RULES),
)
