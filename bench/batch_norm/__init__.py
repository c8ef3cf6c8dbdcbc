"""BatchNorm beside PyTorch, NumPy and a copy: speed by shape, layout, dtype and threads; accuracy.

An `operation` is one thing that is computed, by us and by the peer; a `problem` the arrays that it
is computed on; `rows` measures any of the first on any of the second. The other modules are the
named benchmarks: each is a list of cases.
"""
