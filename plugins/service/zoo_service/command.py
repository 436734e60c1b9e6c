# SPDX-License-Identifier: Apache-2.0
"""``zoo serve``: models over HTTP."""

from __future__ import annotations

import click

from zoo.texts import counted, printable

__all__ = ["command"]


@click.command("serve")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port; 0: any that is free.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that predict; each holds all models.",
)
@click.option(
    "--queue",
    type=click.IntRange(0, 10_000),
    default=16,
    show_default=True,
    metavar="N",
    help="Requests that may wait; more are answered with 429.",
)
@click.option(
    "--max-size",
    type=click.FloatRange(0, 4096, min_open=True),
    default=64,
    show_default=True,
    metavar="MB",
    help="Largest body.",
)
@click.option(
    "--max-pixels",
    type=click.FloatRange(0, 268, min_open=True),
    default=50,
    show_default=True,
    metavar="MILLIONS",
    help="Most pixels of an image.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, 86400, min_open=True),
    default=60,
    show_default=True,
    metavar="S",
    help="Time of a request, from its header to its answer.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, ...")
def command(
    models: tuple[str, ...],
    host: str,
    port: int,
    workers: int,
    queue: int,
    max_size: float,
    max_pixels: float,
    timeout: float,
    device: str,
) -> None:
    """Serve MODEL... over HTTP.

    MODEL is a weights name (`zoo list`), a published .safetensors, a work dir, or
    CONFIG,CHECKPOINT; NAME=MODEL gives it another name. POST an image to
    /v1/models/NAME/predict: the header Accept chooses labels, JSON, COCO or GeoJSON. A page to try
    it is at /, and /docs lists the addresses.

    Nothing asks who calls: on another address than 127.0.0.1, put a proxy with TLS and
    authentication in front. Ctrl-C and SIGTERM let running requests finish.
    """
    from zoo_service.serving import serve
    from zoo_service.settings import MEGABYTE, Settings, parse_specs

    settings = Settings(
        specs=parse_specs(models),
        host=host,
        port=port,
        workers=workers,
        queue=queue,
        max_bytes=int(max_size * MEGABYTE),
        most_px=int(max_pixels * 1e6),
        timeout_s=timeout,
        device=device,
    )
    count = counted(len(settings.specs), "model")

    def say(address: str) -> None:
        click.echo(printable(f"serving {count} at {address}"))

    if not serve(settings, say):
        click.get_current_context().exit(130)
