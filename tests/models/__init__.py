"""Tests of minigrad.models."""
