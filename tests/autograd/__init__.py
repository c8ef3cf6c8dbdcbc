"""Tests of what autograd offers beyond backward and grad."""
