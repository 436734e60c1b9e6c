# SPDX-License-Identifier: Apache-2.0
"""Old configs, read as data: their Python is interpreted, never run."""
