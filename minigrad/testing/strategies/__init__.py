"""Hypothesis strategies for arrays that gradients can be checked on, layers and networks.

Values are drawn through a seed, so examples are quick to make; what shrinks is the shape.
Needs Hypothesis: ``pip install "minigrad-numba[test]"``.
"""

try:
    import hypothesis  # noqa: F401 - whether it is there
except ImportError as error:
    raise ImportError(
        "minigrad.testing.strategies needs hypothesis, which is not installed; "
        'pip install "minigrad-numba[test]"'
    ) from error

from minigrad.testing.arrays import relaid, spread_values
from minigrad.testing.strategies.arrays import (
    axes,
    broadcastable_arrays,
    broadcastable_shapes,
    dtypes,
    extreme_arrays,
    float_arrays,
    index_expressions,
    layouts,
    permutations,
    seeds,
    shapes,
)
from minigrad.testing.strategies.layers import (
    SMOOTH_ACTIVATIONS,
    BatchNormConfig,
    BatchNormExample,
    NetworkSpec,
    batch_norm_configs,
    batch_norm_examples,
    networks,
)

__all__ = [
    "SMOOTH_ACTIVATIONS",
    "BatchNormConfig",
    "BatchNormExample",
    "NetworkSpec",
    "axes",
    "batch_norm_configs",
    "batch_norm_examples",
    "broadcastable_arrays",
    "broadcastable_shapes",
    "dtypes",
    "extreme_arrays",
    "float_arrays",
    "index_expressions",
    "layouts",
    "networks",
    "permutations",
    "relaid",
    "seeds",
    "shapes",
    "spread_values",
]
