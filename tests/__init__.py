"""minigrad's own tests."""
