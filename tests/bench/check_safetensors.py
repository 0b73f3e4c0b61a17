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


def main(model_dir, logits_file):
    folder = pathlib.Path(model_dir)
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    model = getattr(torchvision.models, card["family"])(num_classes=len(card["classes"]))
    model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"), strict=True)
    sample = safetensors.torch.load_file(logits_file)
    with torch.no_grad():
        logits = model.eval()(sample["inputs"])
    difference = (logits - sample["logits"]).abs().max().item()
    print(f"{card['family']}, {len(card['classes'])} classes: strict load; {len(logits)} images, "
          f"largest difference of a logit {difference:.2e}")
    return 0 if difference <= 1e-4 else 1


sys.exit(main(*sys.argv[1:]))
