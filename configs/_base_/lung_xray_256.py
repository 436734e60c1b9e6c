"""Chest X-rays with lung masks at 256x256; predictions are evaluated at the size of the files."""

_base_ = ["lung_xray_val_loss.py"]
image_size = (256, 256)  # px, width and height

train_pipeline = dict(
    _edit_=True,
    Resize=[
        dict(
            type="zoo.segmentation_transforms.RandomAffine",
            size=image_size,
            degree=10,
            scale=(0.9, 1.15),
            aspect=1.1,
            shift=0.05,
        )
    ],
    RandomRotate=None,
    RandomCrop=None,
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
