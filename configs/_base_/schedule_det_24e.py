"""24 epochs of AdamW with a stepped lr as in Matterport: 2e-4, 1e-4 from epoch 6, 2e-5 from 12."""

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=2e-4, weight_decay=1e-2),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=500),
    dict(type="MultiStepLR", milestones=[6], gamma=0.5, by_epoch=True, begin=0, end=24),
    dict(type="MultiStepLR", milestones=[12], gamma=0.2, by_epoch=True, begin=0, end=24),
]
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=24, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
