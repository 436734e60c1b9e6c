# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin import``: folders of other projects as plugins. They are read, and never run."""

__all__: list[str] = []
