# SPDX-License-Identifier: Apache-2.0
"""The keys of an old config, each carried to its place in the new generation."""
