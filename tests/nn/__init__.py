"""Tests of layers, modules and their state."""
