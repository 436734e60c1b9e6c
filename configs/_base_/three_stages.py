"""24 epochs in three stages, as with Matterport: heads, all layers, all layers at a low rate.

Replaces a runtime and a schedule. For Mask R-CNN and similar models; for other models, name the
heads with custom_hooks.1.stages.0.train. Each stage continues from the previous one. Saves the
checkpoint with the lowest loss on val_loss_dataloader; for mask AP instead: --cfg-options
default_hooks.checkpoint.save_best=coco/segm_mAP default_hooks.checkpoint.rule=greater.
"""

_base_ = ["default_runtime_det_epochs.py"]

default_hooks = dict(checkpoint=dict(save_best="val/loss", rule="less"))

find_unused_parameters = True  # for several devices: frozen parameters have no gradients
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
    dict(type="zoo.training_hooks.ChannelsLast"),
]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=24, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
