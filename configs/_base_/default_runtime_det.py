"""As default_runtime, for mmdetection: its scope and visualizer, and the mask AP that is kept."""

_base_ = ["default_runtime.py"]
default_scope = "mmdet"
default_hooks = dict(
    checkpoint=dict(save_best="coco/segm_mAP"),
    visualization=dict(_delete_=True, type="DetVisualizationHook"),
)
visualizer = dict(
    _delete_=True,
    type="DetLocalVisualizer",
    vis_backends=[dict(type="LocalVisBackend")],
    name="visualizer",
)
