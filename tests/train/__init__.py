"""Tests of minigrad.train."""
