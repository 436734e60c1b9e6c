"""Chest X-rays with lung masks at 384x384, varied as if they came from other hospitals.

Poses, exposures, lighting, sharpness and noise vary more than within one source. No flips, because
the heart is on the left.
"""

_base_ = ["lung_xray_val_loss.py"]
image_size = (384, 384)  # px, width and height

train_pipeline = dict(
    _edit_=True,
    Resize=[
        dict(
            type="zoo.segmentation_transforms.RandomAffine",
            size=image_size,
            degree=15,
            scale=(0.75, 1.35),
            aspect=1.25,
            shift=0.1,
            seg_pad_val=0,  # what is outside the X-ray is not lung
        ),
        dict(
            type="RandomApply",
            transforms=[dict(type="CLAHE", clip_limit=2.0, tile_grid_size=(8, 8))],
            prob=0.2,
        ),
        dict(type="zoo.segmentation_transforms.RandomAppearance", gamma=(0.6, 1.6)),
    ],
    RandomRotate=None,
    RandomCrop=None,
    PhotoMetricDistortion=None,
)
test_pipeline = dict(_edit_=True, Resize=dict(scale=image_size, interpolation="area"))
val_loss_dataloader = dict(
    dataset=dict(
        pipeline=dict(
            _edit_=True,
            Resize=dict(scale=image_size, interpolation="area"),
            PackSegInputs={{_base_.test_pack}},
        ),
    )
)

# `zoo test --tta`: the mean of three sizes, each at three exposures.
tta_model = dict(type="SegTTAModel")
tta_pipeline = [
    dict(type="zoo.lung_xray.LoadXray"),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="Resize", scale=size, keep_ratio=False, interpolation="area")
                for size in ((320, 320), (384, 384), (448, 448))
            ],
            [dict(type="AdjustGamma", gamma=gamma) for gamma in (0.8, 1.0, 1.25)],
            [dict(type="LoadAnnotations")],
            [{{_base_.test_pack}}],
        ],
    ),
]
