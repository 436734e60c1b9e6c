"""Settings of every run: scope, workers, logging, checkpoints and the guard against NaN."""

default_scope = "mmseg"
env_cfg = dict(
    cudnn_benchmark=True,
    # Spawned workers behave the same on Linux, macOS and Windows.
    mp_cfg=dict(mp_start_method="spawn", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=20, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(
        type="CheckpointHook",
        by_epoch=False,
        interval=200,  # steps; also the interval of validation
        max_keep_ckpts=2,  # a damaged one is replaced by the one before
        save_best="mean_dice",
        rule="greater",
    ),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="SegVisualizationHook"),
)
custom_hooks = [
    dict(type="zoo.training_hooks.StopOnNonFiniteLoss"),
    dict(type="zoo.training_hooks.ValidationLoss", required=False),
    dict(type="zoo.training_hooks.ChannelsLast"),  # on a CPU: docs/guide/speed.md
]
log_processor = dict(by_epoch=False)
vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="SegLocalVisualizer", vis_backends=vis_backends, name="visualizer")
log_level = "INFO"
load_from = None
resume = False
randomness = dict(seed=0)
