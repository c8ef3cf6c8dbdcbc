"""The shapes of x that are measured."""

from __future__ import annotations

from minigrad.typing import Shape

__all__ = ["IMAGES", "RESNET", "TABLES", "VECTORS"]

VECTORS: tuple[Shape, ...] = ((60, 100), (256, 100))
"""(N, C) of small nets."""

IMAGES: tuple[Shape, ...] = (
    (8, 512, 4, 4),
    (64, 64, 8, 8),
    (64, 16, 32, 32),
    (64, 64, 32, 32),
    (128, 256, 16, 16),
)
"""(N, C, H, W) from 0.3 to 34 MB in float32."""

RESNET: tuple[Shape, ...] = (
    (32, 64, 112, 112),
    (32, 64, 56, 56),
    (32, 256, 56, 56),
    (32, 128, 28, 28),
    (32, 512, 28, 28),
    (32, 256, 14, 14),
    (32, 2048, 7, 7),
    (8, 16, 512, 512),
)
"""Activations of a ResNet-50 for images of 224 x 224, and large images: 6 to 134 MB in float32."""

TABLES: tuple[Shape, ...] = ((128, 1024), (4096, 1024), (65536, 256))
"""(N, C) from 0.5 to 67 MB in float32."""
