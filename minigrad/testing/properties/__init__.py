"""The promises of an op, one function each: `check_op` and the library's own tests run the same.

========== ===================================================================================
values     value, protocol, strides, dtype, float32, zero-size, rank 0, errors
gradients  gradient, complex step, order 2, order 3, create_graph, composite, masks,
           accumulation
memory     mutation, memory, arrays, no_grad
========== ===================================================================================
"""

from __future__ import annotations

from minigrad.testing.properties import gradients, memory, values
from minigrad.testing.properties.base import Property
from minigrad.testing.properties.gradients import derivative

__all__ = ["PROPERTIES", "Property", "derivative"]

PROPERTIES: tuple[Property, ...] = (
    *values.PROPERTIES,
    *gradients.PROPERTIES,
    *memory.PROPERTIES,
)
"""All of them, in the order in which they are checked."""
