# SPDX-License-Identifier: Apache-2.0
"""Fences around every test: no network but loopback, no discovery outside the checkout."""
