#!/usr/bin/env python3
"""Writes golden_logits.h: what torchvision's ResNets answer to weights and inputs that a formula gives.

Needs torch and torchvision (pip install --target DIR torch==2.11.0 torchvision==0.26.0 numpy; PYTHONPATH=DIR).
"""

import math
import pathlib

import numpy as np
import torch
import torchvision

CASES = [(18, 5), (50, 3)]


def uniform(shape, t):
    """Entry i of tensor t, in [0, 1): the same integers as Uniform in models_test.cc."""
    i = np.arange(math.prod(shape), dtype=np.uint32)
    with np.errstate(over="ignore"):
        x = i * np.uint32(2654435761) + np.uint32((t * 40503 + 977) & 0xFFFFFFFF)
        x ^= x >> np.uint32(15)
        x *= np.uint32(2246822519)
        x ^= x >> np.uint32(13)
    return torch.from_numpy((x >> np.uint32(8)).astype(np.float32) / np.float32(16777216)).reshape(shape)


def logits(depth, classes):
    model = getattr(torchvision.models, f"resnet{depth}")(num_classes=classes).eval()
    state = model.state_dict()
    for t, name in enumerate(sorted(state), start=1):
        tensor = state[name]
        if not tensor.is_floating_point():
            continue
        values = uniform(tuple(tensor.shape), t)
        if tensor.dim() > 1:
            fan_in = tensor.numel() // tensor.shape[0]
            tensor.copy_((values - 0.5) * (2.0 * math.sqrt(6.0 / fan_in)))
        else:
            tensor.copy_(values + 0.5)
    with torch.no_grad():
        return model(uniform((2, 3, 32, 32), 0) - 0.5).flatten().tolist()


def main():
    lines = [
        "#pragma once",
        "",
        "#include <vector>",
        "",
        "// Written by make_golden_logits.py from torchvision's models. Do not edit.",
        "struct GoldenLogits {",
        "  int depth;",
        "  int classes;",
        "  std::vector<double> logits;  // [2, classes]",
        "};",
        "",
        "inline const std::vector<GoldenLogits> kGoldenLogits = {",
    ]
    for depth, classes in CASES:
        lines.append(f"    {{{depth}, {classes}, {{")
        lines += [f"         {value!r}," for value in logits(depth, classes)]
        lines.append("     }},")
    lines += ["};", ""]
    pathlib.Path(__file__).with_name("golden_logits.h").write_text("\n".join(lines), encoding="utf-8")


main()
