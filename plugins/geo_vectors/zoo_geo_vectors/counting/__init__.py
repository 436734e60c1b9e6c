# SPDX-License-Identifier: Apache-2.0
"""How many objects of each class there are, and how large: a table, and a page with outlines."""

__all__ = ["writing"]
