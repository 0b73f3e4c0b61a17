#!/usr/bin/env python3
"""Writes the lists beside it: names and shapes of what torchvision and timm publish, a line each.

Needs torch 2.11, torchvision 0.26 and timm. No weights are downloaded: a name says nothing of a value.
"""

import pathlib

import timm
import torchvision

HERE = pathlib.Path(__file__).parent
MODELS = {
    "torchvision_resnet18": torchvision.models.resnet18,
    "torchvision_convnext_tiny": torchvision.models.convnext_tiny,
    "torchvision_efficientnet_b0": torchvision.models.efficientnet_b0,
    **{f"timm_{name}": lambda name=name: timm.create_model(name)
       for name in ("resnet18", "convnext_tiny", "convnext_nano", "efficientnet_b0", "vit_small_patch16_224")},
}

for name, make in MODELS.items():
    lines = [f"{key} {'x'.join(map(str, tensor.shape))}\n" for key, tensor in make().state_dict().items()]
    (HERE / f"{name}.txt").write_text("".join(lines))
