# SPDX-License-Identifier: Apache-2.0
"""The files that a migration writes: each appears whole, and none replaces another."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Output"]

# Under this key `zoo.load_checkpoint` finds the classes of weights that were converted.
_NOTE = "zoo_converted"


class Output:
    """The folder that ``--out`` names.

    Args:
        folder: The folder; it is made if it is missing.

    Raises:
        DataError: It is a file, or cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[Path] = []
        if folder.exists() and not folder.is_dir():
            message = f"cannot write into {str(folder)!r}: found a file, expected a folder."
            raise DataError(message, path=folder, hint="name another folder with --out.")

    def check_free(self, *names: str) -> None:
        """Refuse to replace a file; other files in the folder are left alone.

        Args:
            names: Of the files to write.

        Raises:
            DataError: One of them exists.
        """
        for name in names:
            file = self.folder / name
            if os.path.lexists(file):
                message = f"cannot write {name!r}: found a file of that name, "
                message += "expected none."
                hint = "name another folder with --out, or remove that file."
                raise DataError(message, path=file, hint=hint)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file.

        Args:
            name: Of the file.
            text: Its content.

        Raises:
            DataError: It cannot be written.
        """
        self._write(name, lambda staged: staged.write_text(text, encoding="utf-8"))

    def write_weights(
        self, name: str, weights: Mapping[str, Tensor], note: Mapping[str, Any]
    ) -> None:
        """Write tensors and a note as one ``.safetensors``.

        Args:
            name: Of the file.
            weights: Tensors by name.
            note: What its header says.

        Raises:
            DataError: It cannot be written.
        """
        from safetensors.torch import save_file

        # Copies: safetensors refuses tensors that share memory, as tied weights do.
        tensors = {key: value.detach().contiguous().clone() for key, value in weights.items()}
        text = json.dumps(note, sort_keys=True, separators=(",", ":"))
        self._write(name, lambda staged: save_file(tensors, staged, metadata={_NOTE: text}))

    def _write(self, name: str, write: Callable[[Path], Any]) -> None:
        from safetensors import SafetensorError

        file = self.folder / name
        staged = self.folder / f".{name}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write(staged)
            staged.replace(file)
        except (OSError, SafetensorError) as error:
            staged.unlink(missing_ok=True) if self.folder.is_dir() else None
            reason = getattr(error, "strerror", None) or str(error)
            message = f"cannot write {name!r}: {reason}."
            hint = "name a folder with --out that you may write to, on a disk with space."
            raise DataError(message, path=file, hint=hint) from error
        self.written.append(file)
