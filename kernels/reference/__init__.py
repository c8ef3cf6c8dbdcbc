"""What each kernel means, in NumPy, for any floating dtype. Readable, not fast."""
