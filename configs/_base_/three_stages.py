"""24 epochs in three stages, as Matterport's users train: heads, all layers, all of them slowly.

In place of a runtime and a schedule. For Mask R-CNN and its like; another model's heads are named
with custom_hooks.1.stages.0.train. Each stage goes on from the one before. The checkpoint of the
lowest loss on the images of val_loss_dataloader is kept; by mask AP instead: --cfg-options
default_hooks.checkpoint.save_best=coco/segm_mAP default_hooks.checkpoint.rule=greater.
"""

_base_ = ["default_runtime_det_epochs.py"]

default_hooks = dict(checkpoint=dict(save_best="val/loss", rule="less"))

find_unused_parameters = True  # on several devices: a stage leaves parameters without gradients
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=2e-4, weight_decay=1e-2),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=500)]
custom_hooks = [
    dict(type="zoo.training_hooks.StopOnNonFiniteLoss"),
    dict(
        type="zoo.training_hooks.StagedTraining",
        stages=[
            dict(name="heads", train=["neck.*", "rpn_head.*", "roi_head.*"], until=6, lr=2e-4),
            dict(name="all", train=["*"], until=12, lr=1e-4),
            dict(name="fine", train=["*"], until=24, lr=2e-5),
        ],
    ),
    dict(type="zoo.training_hooks.ValidationLoss"),
    dict(type="zoo.training_hooks.ModelSummary"),
]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=24, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
