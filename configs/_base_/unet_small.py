"""mmseg's U-Net with 16 base channels (1.8 M parameters), sized for a CPU; cross-entropy + Dice."""

_base_ = ["mmseg::_base_/models/fcn_unet_s5-d16.py"]
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(448, 448)),
    # The first convolution halves the image; the head resizes its scores to the labels' size, so
    # labels are never downscaled, and a step costs as much as at half the size.
    backbone=dict(base_channels=16, strides=(2, 1, 1, 1, 1), norm_cfg=norm_cfg),
    decode_head=dict(
        in_channels=16,
        channels=16,
        norm_cfg=norm_cfg,
        # Dice first: it reports a target that is not a class, while cross-entropy only fails.
        loss_decode=[
            dict(type="zoo.dice_loss.DiceLoss", loss_name="loss_dice"),
            dict(type="CrossEntropyLoss", loss_name="loss_ce", avg_non_ignore=True),
        ],
    ),
    # At this size, the auxiliary head costs time and does not help.
    auxiliary_head=None,
    test_cfg=dict(_delete_=True, mode="whole"),
)
