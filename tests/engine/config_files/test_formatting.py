# SPDX-License-Identifier: Apache-2.0
"""A run formats its config once for each text, and what it writes is what mmengine would write."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.mm


def test_text_that_was_formatted_is_not_formatted_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The log, the work dir and each checkpoint hold the same text; a changed config is another."""
    from mmengine.config import Config
    from mmengine.config import config as module

    from zoo.engine.config_files.written import writing_configs

    values = {"model": {"type": "A", "sizes": [1, 2, 3]}, "names": ("a", "b" * 90)}
    alone = Config(values).pretty_text
    formatted: list[str] = []
    real = module.FormatCode

    def counting(text: str, **kwargs: object) -> object:
        formatted.append(text)
        return real(text, **kwargs)

    monkeypatch.setattr(module, "FormatCode", counting)
    with writing_configs():
        config = Config(values)
        texts = {config.pretty_text for _ in range(5)}
        config.dump(tmp_path / "config.py")
        config.model.type = "B"
        changed = config.pretty_text

    assert texts == {alone}
    assert (tmp_path / "config.py").read_text() == alone
    assert changed == alone.replace("'A'", "'B'")
    assert len(formatted) == 2
    assert module.FormatCode is counting
