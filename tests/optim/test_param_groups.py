"""Which parameters decay."""

from __future__ import annotations

import numpy as np

from minigrad import nn
from minigrad.optim import AdamW, no_decay_groups


def test_batch_norm_and_biases_do_not_decay() -> None:
    net = nn.Sequential(
        nn.Embedding(7, 4), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2, bias=False)
    )
    decay, no_decay = AdamW(no_decay_groups(net, 0.2), lr=0.1).param_groups
    names = {param: name for name, param in net.named_parameters()}
    assert [names[param] for param in decay["params"]] == ["0.weight", "1.weight", "3.weight"]
    assert [names[param] for param in no_decay["params"]] == ["1.bias", "2.weight", "2.bias"]
    assert (decay["weight_decay"], no_decay["weight_decay"]) == (0.2, 0.0)


def test_a_group_without_parameters_is_left_out() -> None:
    groups = no_decay_groups(nn.Linear(3, 2, bias=False), 0.2)
    assert [len(group["params"]) for group in groups] == [1]


def test_a_bias_of_two_axes_does_not_decay() -> None:
    net = nn.Module()
    net.bias = nn.Parameter(np.zeros((2, 2)))
    assert [group["weight_decay"] for group in no_decay_groups(net, 0.2)] == [0.0]
