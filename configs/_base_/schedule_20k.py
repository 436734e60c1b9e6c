"""20,000 steps of AdamW with a warm-up and a poly decay, validated every 1,000."""

_base_ = ["schedule_1200.py"]
max_iters = 20000
param_scheduler = dict(_edit_=True, LinearLR=dict(end=500), PolyLR=dict(begin=500, end=max_iters))
train_cfg = dict(max_iters=max_iters, val_interval=1000)
