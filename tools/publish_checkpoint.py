# SPDX-License-Identifier: Apache-2.0
"""Write a run's checkpoint as one .safetensors and print its [[weights]] row."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import zoo  # noqa: F401 - provides mmcv._ext before mmengine looks for it
from zoo.errors import ZooError


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="path or name of the config")
    parser.add_argument("checkpoint", help="what training wrote, e.g. best_*.pth")
    parser.add_argument("--name", required=True, help="name of the weights")
    parser.add_argument("--out", required=True, type=Path, help="folder for NAME.safetensors")
    parser.add_argument("--metrics", required=True, type=Path, help="JSON of zoo test --out")
    parser.add_argument("--metric", action="append", help="publish only this one; repeatable")
    parser.add_argument("--dataset", help="data set of metrics that do not say it")
    parser.add_argument("--protocol", help="protocol of metrics that do not say it")
    parser.add_argument("--labels", default="true", choices=["true", "derived"])
    parser.add_argument("--licence", default="Apache-2.0", help="of the weights")
    parser.add_argument("--data-licence", required=True, help="of the training data")
    parser.add_argument("--data", type=Path, help="prepared folder the run was trained with")
    return parser.parse_args()


def main() -> int:
    """Publish, print the manifest's row, and return the exit code."""
    from zoo.engine.config import read_config
    from zoo.engine.publishing import ModelCard, publish, read_metric_rows

    given = _arguments()
    stated = {"dataset": given.dataset, "protocol": given.protocol, "labels": given.labels}
    try:
        config = read_config(given.config, data=given.data, pretrained="none")
        rows = read_metric_rows(given.metrics, **stated)
        card = ModelCard(
            name=given.name,
            config_name=Path(given.config).stem,
            licence=given.licence,
            data_licence=given.data_licence,
            labels=given.labels,
            metrics=[row for row in rows if not given.metric or row["name"] in given.metric],
        )
        published = publish(config, given.checkpoint, given.out, card)
    except ZooError as error:
        print(error, file=sys.stderr)
        return 1
    print(published.manifest_row(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
