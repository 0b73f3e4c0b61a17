#!/usr/bin/env python3
"""Writes golden_logits.h: what torchvision's networks answer to weights and inputs that a formula gives.

Needs torch and torchvision (pip install --target DIR torch==2.11.0 torchvision==0.26.0 numpy; PYTHONPATH=DIR).
"""

import hashlib
import math
import pathlib

import numpy as np
import torch
import torchvision
from torch import nn
from torchvision.models.convnext import CNBlockConfig

class CifarResnet(torchvision.models.ResNet):
    """ResNet-18 whose stem is a 3x3 convolution of stride 1."""

    def __init__(self, num_classes):
        super().__init__(torchvision.models.resnet.BasicBlock, [2, 2, 2, 2], num_classes=num_classes)
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.maxpool = nn.Identity()


class WideBlock(nn.Module):
    def __init__(self, fan_in, fan_out, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(fan_in)
        self.conv1 = nn.Conv2d(fan_in, fan_out, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(fan_out)
        self.conv2 = nn.Conv2d(fan_out, fan_out, 3, 1, 1, bias=False)
        self.convShortcut = nn.Conv2d(fan_in, fan_out, 1, stride, bias=False) if fan_in != fan_out else None

    def forward(self, x):
        active = self.bn1(x).relu()
        out = self.conv2(self.bn2(self.conv1(active)).relu())
        return out + (x if self.convShortcut is None else self.convShortcut(active))


class WideGroup(nn.Module):
    def __init__(self, *blocks):
        super().__init__()
        self.layer = nn.Sequential(*blocks)

    def forward(self, x):
        return self.layer(x)


class WideResnet(nn.Module):
    """arXiv:1605.07146 with the names of WideResNet-pytorch; torchvision has another network of that name."""

    def __init__(self, depth, widen, num_classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        fan_in = 16
        for group in (1, 2, 3):
            fan_out = 8 * 2**group * widen
            blocks = [WideBlock(fan_in if i == 0 else fan_out, fan_out, 2 if group > 1 and i == 0 else 1)
                      for i in range((depth - 4) // 6)]
            setattr(self, f"block{group}", WideGroup(*blocks))
            fan_in = fan_out
        self.bn1 = nn.BatchNorm2d(fan_in)
        self.fc = nn.Linear(fan_in, num_classes)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(self.bn1(x).relu().mean((2, 3)))


def convnext_nano(num_classes):
    widths = [80, 160, 320, 640, None]
    blocks = [CNBlockConfig(widths[i], widths[i + 1], depth) for i, depth in enumerate([2, 2, 8, 2])]
    return torchvision.models.ConvNeXt(blocks, num_classes=num_classes)


def vit_small(size, patch, num_classes):
    return torchvision.models.VisionTransformer(size, patch, num_layers=12, num_heads=6, hidden_dim=384, mlp_dim=1536,
                                                num_classes=num_classes)


# Name as in models_test.cc, size of the images, classes, the network.
CASES = [
    ("resnet18", 32, 5, torchvision.models.resnet18),
    ("resnet50", 32, 3, torchvision.models.resnet50),
    ("resnet101", 32, 2, torchvision.models.resnet101),
    ("resnet18_cifar", 32, 3, CifarResnet),
    ("wide_resnet16_2", 32, 3, lambda num_classes: WideResnet(16, 2, num_classes)),
    ("convnext_nano", 64, 3, convnext_nano),
    ("convnext_tiny", 64, 3, torchvision.models.convnext_tiny),
    ("efficientnet_b0", 64, 3, torchvision.models.efficientnet_b0),
    ("vit_small_8", 32, 3, lambda num_classes: vit_small(32, 8, num_classes)),
]


def uniform(shape, t):
    """Entry i of tensor t, in [0, 1): the same integers as Uniform in models_test.cc."""
    i = np.arange(math.prod(shape), dtype=np.uint32)
    with np.errstate(over="ignore"):
        x = i * np.uint32(2654435761) + np.uint32((t * 40503 + 977) & 0xFFFFFFFF)
        x ^= x >> np.uint32(15)
        x *= np.uint32(2246822519)
        x ^= x >> np.uint32(13)
    return torch.from_numpy((x >> np.uint32(8)).astype(np.float32) / np.float32(16777216)).reshape(shape)


def fill(state):
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


def main():
    lines = [
        "#pragma once",
        "",
        "#include <cstdint>",
        "#include <string>",
        "#include <vector>",
        "",
        "// Written by make_golden_logits.py from torchvision's models. Do not edit.",
        "struct GoldenLogits {",
        "  std::string network;",
        "  int64_t size, classes, parameters;",
        "  std::string state;           // SHA-256 of its sorted names and shapes.",
        "  std::vector<double> logits;  // [2, classes]",
        "};",
        "",
        "// clang-format off",
        "inline const std::vector<GoldenLogits> kGoldenLogits = {",
    ]
    for network, size, classes, make in CASES:
        model = make(num_classes=classes).eval()
        state = model.state_dict()
        parameters = sum(p.numel() for p in model.parameters())
        shapes = "".join(f"{name} {','.join(map(str, state[name].shape))}\n" for name in sorted(state))
        fill(state)
        with torch.no_grad():
            logits = model(uniform((2, 3, size, size), 0) - 0.5).flatten().tolist()
        digest = hashlib.sha256(shapes.encode()).hexdigest()
        lines.append(f'    {{"{network}", {size}, {classes}, {parameters},')
        lines.append(f'     "{digest}",')
        lines.append("     {" + ", ".join(map(repr, logits)) + "}},")
    lines += ["};", "// clang-format on", ""]
    pathlib.Path(__file__).with_name("golden_logits.h").write_text("\n".join(lines), encoding="utf-8")


main()
