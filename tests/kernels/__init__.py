"""Tests of the kernels: each device's functions against the reference."""
