# SPDX-License-Identifier: Apache-2.0
"""What the bytes of a picture say before they are decoded, and what decodes which of them."""

__all__: list[str] = []
