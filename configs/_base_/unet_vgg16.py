"""U-Net with VGG-16 as its encoder (batch norm, from scratch) and a narrow decoder; 256x256."""

_base_ = ["mmseg::_base_/models/fcn_unet_s5-d16.py"]
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(256, 256)),
    backbone=dict(
        _delete_=True,
        type="zoo.vgg_unet.EncoderDecoderUNet",
        # As in keras-segmentation, skips come from after the poolings: the finest has stride 2, and
        # the head resizes its scores to the labels' size.
        encoder=dict(type="zoo.vgg_unet.VGG16Encoder", norm_cfg=norm_cfg, tap="pool"),
        decoder_channels=(256, 128, 64, 32),
        num_convs=2,
        upsample="bilinear",
        norm_cfg=norm_cfg,
    ),
    decode_head=dict(
        in_channels=32,
        in_index=-1,
        channels=32,
        norm_cfg=norm_cfg,
        # Dice first: it reports a target that is not a class, while cross-entropy only fails.
        loss_decode=[
            dict(type="zoo.dice_loss.DiceLoss", loss_name="loss_dice"),
            dict(type="CrossEntropyLoss", loss_name="loss_ce", avg_non_ignore=True),
        ],
    ),
    auxiliary_head=None,
    test_cfg=dict(_delete_=True, mode="whole"),
)
