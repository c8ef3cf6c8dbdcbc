"""Tests of the optimisers."""
