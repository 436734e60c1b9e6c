"""As default_runtime, for mmdetection: its scope and visualizer, and the best mask AP."""

_base_ = ["default_runtime.py"]
default_scope = "mmdet"
default_hooks = dict(
    checkpoint=dict(interval=250, save_best="coco/segm_mAP"),
    visualization=dict(_delete_=True, type="DetVisualizationHook"),
)
# Validates and saves the mean of the weights of the last steps.
custom_hooks = dict(_edit_=True, _after_=dict(type="EMAHook", momentum=0.005))
visualizer = dict(
    _delete_=True,
    type="DetLocalVisualizer",
    vis_backends=[dict(type="LocalVisBackend")],
    name="visualizer",
)
