"""minigrad beside PyTorch: the same calls, the same values, gradients and signatures.

``entries`` and ``layers`` say what is compared and on which inputs, ``differences`` what is known
to differ and why. Without PyTorch each test module is skipped, with one line that says so.
"""
