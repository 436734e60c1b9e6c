"""A U-Net of 4.0 M parameters: EfficientNet-Lite0 from ImageNet, a narrow decoder; CE + Dice."""

model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[127.0, 127.0, 127.0],
        std=[128.0, 128.0, 128.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type="zoo.vgg_unet.EncoderDecoderUNet",
        encoder=dict(
            type="zoo.efficientnet_lite.EfficientNetLite0",
            drop_path_rate=0.1,
            init_cfg=dict(type="zoo.efficientnet_lite.ImageNetWeights"),
        ),
        decoder_channels=(128, 64, 48, 32),
    ),
    decode_head=dict(
        type="FCNHead",
        in_channels=32,
        in_index=4,
        channels=32,
        num_convs=1,
        concat_input=False,
        num_classes=2,
        norm_cfg=dict(type="BN", requires_grad=True),
        # Dice first: it reports a target that is not a class, while cross-entropy only fails.
        loss_decode=[
            dict(type="zoo.dice_loss.DiceLoss", loss_name="loss_dice"),
            dict(type="CrossEntropyLoss", loss_name="loss_ce", avg_non_ignore=True),
        ],
    ),
    test_cfg=dict(mode="whole"),
)
