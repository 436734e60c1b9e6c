"""SegNet (VGG-16, unpooling, no skips) on lung X-rays at 256x256, for a CPU; not yet trained."""

_base_ = ["unet_vgg16_lung-256.py"]
model = dict(
    backbone=dict(
        upsample="unpool",
        skips=False,
        # VGG-16 reversed: unpooled maps have the channels of the pooled ones.
        decoder_channels=(512, 256, 128, 64, 64),
    ),
    decode_head=dict(in_channels=64, channels=64, num_convs=0, concat_input=False),
)
# The decoder costs as much as the encoder, up to full resolution.
train_dataloader = dict(batch_size=2)
val_loss_dataloader = dict(batch_size=2)
