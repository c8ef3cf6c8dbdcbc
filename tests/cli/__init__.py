"""Tests of minigrad.cli."""
