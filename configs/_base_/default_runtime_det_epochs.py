"""As default_runtime_det, by epoch, for long training, whose last weights need no averaging."""

_base_ = ["default_runtime_det.py"]
default_hooks = dict(
    checkpoint=dict(by_epoch=True, interval=1), logger=dict(log_metric_by_epoch=True)
)
custom_hooks = dict(_edit_=True, EMAHook=None)
log_processor = dict(by_epoch=True)
