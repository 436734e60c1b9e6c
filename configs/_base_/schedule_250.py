"""250 steps of AdamW with a warm-up and a poly decay, validated every 50."""

_base_ = ["schedule_1200.py"]
max_iters = 250
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = dict(_edit_=True, PolyLR=dict(end=max_iters))
train_cfg = dict(max_iters=max_iters, val_interval=50)
