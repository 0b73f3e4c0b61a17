#!/usr/bin/env python3
"""Loads a model of skytrain strictly into torchvision's network and compares logits on real images.

    pip install --target ENV torch==2.11.0 torchvision==0.26.0 numpy safetensors
    build/release/tests/training_logits MODEL_DIR DATA logits.safetensors
    PYTHONPATH=ENV tests/bench/check_safetensors.py MODEL_DIR logits.safetensors

Exits 1 when a logit differs by more than 1e-4.
"""

import json
import pathlib
import sys

import safetensors.torch
import torch
import torchvision
from torchvision.models.convnext import CNBlockConfig


def network(card):
    """As server/training/README.md says for each family."""
    family, classes, size = card["family"], len(card["classes"]), card["preprocessing"]["size"]
    if family == "convnext_nano":
        widths = [80, 160, 320, 640, None]
        return torchvision.models.ConvNeXt(
            [CNBlockConfig(widths[i], widths[i + 1], depth) for i, depth in enumerate((2, 2, 8, 2))], num_classes=classes)
    if family.startswith("vit_small_"):
        patch = int(family.removeprefix("vit_small_"))
        return torchvision.models.VisionTransformer(size, patch, 12, 6, 384, 1536, num_classes=classes)
    model = getattr(torchvision.models, family)(num_classes=classes)
    if card["experiment"]["model"].get("resnet", {}).get("stem") == "STEM_CIFAR":
        model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        model.maxpool = torch.nn.Identity()
    return model


def main(model_dir, logits_file):
    folder = pathlib.Path(model_dir)
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    model = network(card)
    model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"), strict=True)
    sample = safetensors.torch.load_file(logits_file)
    with torch.no_grad():
        logits = model.eval()(sample["inputs"])
    difference = (logits - sample["logits"]).abs().max().item()
    print(f"{card['family']}, {len(card['classes'])} classes: strict load; {len(logits)} images, "
          f"largest difference of a logit {difference:.2e}")
    return 0 if difference <= 1e-4 else 1


sys.exit(main(*sys.argv[1:]))
