# SPDX-License-Identifier: Apache-2.0
"""Weights of the old generation under the names of the new one."""
