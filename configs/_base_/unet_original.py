"""The U-Net of 2015: valid convolutions, no norm layers; labels cropped, prediction in tiles."""

_base_ = ["mmseg::_base_/models/fcn_unet_s5-d16.py"]
model = dict(
    type="zoo.vgg_unet.TiledEncoderDecoder",
    data_preprocessor=dict(size=(572, 572)),
    backbone=dict(_delete_=True, type="zoo.vgg_unet.OriginalUNet"),
    decode_head=dict(
        type="zoo.vgg_unet.CroppedFCNHead",
        in_index=-1,
        num_convs=0,
        dropout_ratio=0.0,
        # Dice first: it reports a target that is not a class, while cross-entropy only fails.
        loss_decode=[
            dict(type="zoo.dice_loss.DiceLoss", loss_name="loss_dice"),
            dict(type="CrossEntropyLoss", loss_name="loss_ce", avg_non_ignore=True),
        ],
    ),
    auxiliary_head=None,
    test_cfg=dict(_delete_=True, mode="whole", tile_px=572),
)
