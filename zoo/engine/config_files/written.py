# SPDX-License-Identifier: Apache-2.0
"""A config as text, which says the same when it is read again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.patching import exchanged
from zoo.files import open_atomically

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["text_of", "writing_configs"]

_YAPF = "yapf.yapflib.yapf_api"


def text_of(config: Config) -> str:
    """Return a config as Python that mmengine reads back as the same values.

    mmengine exchanges ``{{ }}`` in the text of a config before Python reads it, inside strings too.
    A name of a class, which comes with data of others, could so name a variable of the environment,
    or end its string and go on as code. Two opening braces occur in a dumped config in strings
    alone; the second is written as an escape.

    Args:
        config: A config with its bases resolved.
    """
    return str(config.pretty_text).replace("{{", r"{\x7b")


@contextmanager
def writing_configs() -> Iterator[None]:
    """Let mmengine write configs whole or not at all, and as they are read back.

    mmengine formats the config for the log, for the work dir, for the visualizer and for each
    checkpoint, which takes yapf up to a second. The same text is formatted once.
    """
    from mmengine.config import Config
    from mmengine.config import config as module

    # The module holds the function; that of the maintained fork takes it from yapf at each call.
    holder: Any = module if hasattr(module, "FormatCode") else import_module(_YAPF)
    formatting = _remembering(holder.FormatCode)
    with exchanged(Config, dump=_dumping(Config.dump)), exchanged(holder, FormatCode=formatting):
        yield


def _remembering(format_code: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap yapf's `FormatCode`: keep what it returned for the last few texts."""

    @functools.lru_cache(maxsize=8)
    def kept(text: str, style: tuple[tuple[str, Any], ...], kwargs: tuple[Any, ...]) -> Any:
        return format_code(text, style_config=dict(style), **dict(kwargs))

    def formatting(text: str, *, style_config: dict[str, Any], **kwargs: Any) -> Any:
        return kept(text, tuple(style_config.items()), tuple(kwargs.items()))

    return formatting


def _dumping(dump: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `Config.dump`: a truncated config would make a work dir useless."""

    def dumping(self: Config, file: str | Path | None = None) -> Any:
        if file is None or Path(file).suffix != ".py":
            return dump(self, file)
        with open_atomically(file, "w") as stream:
            stream.write(text_of(self))
        return None

    return dumping
