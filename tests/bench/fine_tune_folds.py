#!/usr/bin/env python3
"""What starting from another survey's model is worth: rings of DECaLS from scratch and from a gz2 model, through a daemon.

    SKYTRAIN_BIN_DIR=build/release/bin tests/bench/fine_tune_folds.py ../shared/data [--seeds 3] [--epochs 20]

Trains ResNet18 on gz2-kaggle5 (five classes) once. Then, for every fold and seed, trains on decals-rings (370 galaxies)
twice, with the same split, order and augmentation: from random weights and from that model. Prints both accuracies of each
pair, and the mean difference over the galaxies with the bootstrap's 95 % interval over pairs (drawn 10,000 times).
Wanted: at least 3 points.
"""

import argparse
import json
import pathlib
import random
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from node import Node  # noqa: E402

PARENT = """
name: gz2
data:
  files: {{images: [{data}/gz2-kaggle5/gz2_kaggle5.tar], table: {data}/gz2-kaggle5/labels.csv, id: GalaxyID}}
  image: {{center_crop: 0.5, size: 64}}
  augment: {{rotate90: true, flip: true}}
  unmatched: skip
  splits: {{validation: {{fraction: 0.1, seed: 0}}}}
task: {{classification: {{target: ClassName, class_weights: balanced}}}}
model: {{resnet: {{depth: 18}}}}
train: {{epochs: {epochs}, batch_size: 64, seed: 1, select: {{metric: val/balanced_accuracy}}}}
optimizer: {{adamw: {{lr: 1.0e-3, weight_decay: 0.05}}}}
schedule: {{one_cycle: {{}}}}
resources: {{cpus: 2}}
"""
RINGS = """
name: {name}
data:
  files: {{images: [{data}/decals-rings/images.tar], table: {data}/decals-rings/ring_catalog.csv, id: id_str}}
  image: {{center_crop: 0.5, size: 64}}
  augment: {{rotate90: true, flip: true}}
  splits: {{validation: {{fraction: 0.1, seed: {seed}}}, test: {{kfold: {{folds: {folds}, fold: {fold}, seed: {seed}}}}}}}
task: {{classification: {{target: ring}}}}
{start}
train: {{epochs: {epochs}, batch_size: 32, seed: {seed}, select: {{metric: val/loss}}}}
optimizer: {{adamw: {{lr: {lr}, weight_decay: 0.05}}}}
schedule: {{one_cycle: {{}}}}
resources: {{cpus: 2}}
"""


def tested(node, job):
    """Galaxies told right, and all, of the test split."""
    node.run("wait", job, timeout=7200)
    node.run("fetch", job, "-o", node.root / job)
    card = json.loads((node.root / job / "model.json").read_text())
    report = next(r for r in card["reports"] if r["split"] == "test")
    return round(report["accuracy"] * report["count"]), report["count"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--parent-epochs", type=int, default=16)
    parser.add_argument("--lr", type=float, default=1e-3, help="from random weights")
    parser.add_argument("--tune-lr", type=float, default=1e-3, help="from the model")
    parser.add_argument("--layer-decay", type=float, default=0.7)
    parser.add_argument("--freeze", default="", help="stages, as in `stem, stage1`")
    args = parser.parse_args()
    data = args.data.resolve()
    node = Node("--data-root", str(data)).start()
    try:
        parent = node.submit(PARENT.format(data=data, epochs=args.parent_epochs))
        node.run("wait", parent, timeout=7200)
        print(f"gz2: validation accuracy {node.json('show', parent)['metrics']['val/accuracy']:.4f}", flush=True)
        starts = {
            "scratch": (args.lr, "model: {resnet: {depth: 18}}"),
            "tuned": (args.tune_lr, f"init: {{model: {parent}, head: new, freeze: [{args.freeze}], "
                                    f"layer_decay: {args.layer_decay}}}"),
        }
        jobs = {}
        for seed in range(1, args.seeds + 1):
            for fold in range(args.folds):
                for start, (lr, text) in starts.items():
                    jobs[seed, fold, start] = node.submit(RINGS.format(
                        name=f"{start}-{seed}-{fold}", data=data, seed=seed, folds=args.folds, fold=fold,
                        epochs=args.epochs, lr=lr, start=text))
        pairs = []
        print("seed fold scratch   tuned", flush=True)
        for seed in range(1, args.seeds + 1):
            for fold in range(args.folds):
                scratch, count = tested(node, jobs[seed, fold, "scratch"])
                tuned, _ = tested(node, jobs[seed, fold, "tuned"])
                pairs.append((scratch, tuned, count))
                print(f"{seed:4d} {fold:4d} {scratch / count:7.4f} {tuned / count:7.4f}", flush=True)
    finally:
        node.close()

    def gain(drawn):
        return sum(tuned - scratch for scratch, tuned, _ in drawn) / sum(count for _, _, count in drawn)

    draw = random.Random(0)
    again = sorted(gain(draw.choices(pairs, k=len(pairs))) for _ in range(10000))
    total = sum(count for _, _, count in pairs)
    print(f"all       {sum(p[0] for p in pairs) / total:7.4f} {sum(p[1] for p in pairs) / total:7.4f}")
    print(f"gain {100 * gain(pairs):.1f} points, 95 % interval {100 * again[250]:.1f} to {100 * again[9749]:.1f}; "
          f"median of a pair {100 * statistics.median((p[1] - p[0]) / p[2] for p in pairs):.1f}")


if __name__ == "__main__":
    main()
