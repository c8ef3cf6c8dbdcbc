"""Tools for batch normalisation in whole nets: freeze, re-estimate, fold away, and find out why.

The layers themselves are in `minigrad.nn.norm`; what is here walks over a net that has them.
"""

from minigrad.nn.tools.fold import (
    fold_batch_norm,
    fold_batch_norm_linear,
    fold_linear_batch_norm,
)
from minigrad.nn.tools.freeze import freeze_batch_norm, unfreeze_batch_norm
from minigrad.nn.tools.precise import precise_batch_norm
from minigrad.nn.tools.report import (
    BatchNormLayerReport,
    BatchNormProblem,
    BatchNormReport,
    bn_report,
)

__all__ = [
    "BatchNormLayerReport",
    "BatchNormProblem",
    "BatchNormReport",
    "bn_report",
    "fold_batch_norm",
    "fold_batch_norm_linear",
    "fold_linear_batch_norm",
    "freeze_batch_norm",
    "precise_batch_norm",
    "unfreeze_batch_norm",
]
