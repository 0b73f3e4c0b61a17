"""The numbers of muon_test.cc: three steps of a [3, 2] matrix, by the formulas in float64 and by torch.optim.Muon (>= 2.9)."""

import math

import torch

WEIGHT = [[0.5, -0.25], [1.0, 0.75], [-0.5, 0.125]]
GRADIENTS = [[[1.0, 2.0], [0.5, -1.0], [0.25, 0.75]],
             [[-0.5, 1.0], [2.0, 0.25], [1.5, -0.75]],
             [[0.125, -1.0], [0.75, 1.5], [-2.0, 0.5]]]
LR, MOMENTUM, WEIGHT_DECAY = 0.1, 0.95, 0.01


def orthogonalised(gradient):
    x = gradient.T if gradient.size(0) > gradient.size(1) else gradient
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.T if gradient.size(0) > gradient.size(1) else x


weight = torch.tensor(WEIGHT, dtype=torch.float64)
buffer = torch.zeros_like(weight)
for values in GRADIENTS:
    gradient = torch.tensor(values, dtype=torch.float64)
    buffer = MOMENTUM * buffer + (1 - MOMENTUM) * gradient
    update = orthogonalised((1 - MOMENTUM) * gradient + MOMENTUM * buffer)
    shape = math.sqrt(max(1, weight.size(0) / weight.size(1)))
    weight = weight * (1 - LR * WEIGHT_DECAY) - LR * shape * update
print("formulas", weight.flatten().tolist())

parameter = torch.nn.Parameter(torch.tensor(WEIGHT))
optimizer = torch.optim.Muon([parameter], lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
for values in GRADIENTS:
    parameter.grad = torch.tensor(values)
    optimizer.step()
print("torch   ", parameter.flatten().tolist())
