#!/usr/bin/env python3
"""How well galaxies are told apart: k-fold cross-validation through a real daemon, pooled over the folds.

    SKYTRAIN_BIN_DIR=build/release/bin tests/bench/galaxy_folds.py gz2 ../shared/data [--epochs 16] [--first N] [--set K=V]...

gz2       five classes of gz2-kaggle5, balanced class weights       accuracy >= 0.88, balanced >= 0.75
gz1       gz1-small, smooth / clockwise / anticlockwise / edge_on,  accuracy >= 0.86, balanced >= 0.65
          square roots of balanced class weights
handed    gz1-small, clockwise against anticlockwise                accuracy >= 0.83

Handedness is seen late: the last two want --epochs 60 --set train.ema.decay=0.99.

Each fold is tested once by a model that never saw it; its confusion matrix comes from the model's card. The interval is
the bootstrap's 95 %: galaxies drawn again with replacement, 2,000 times.
"""

import argparse
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from node import Node  # noqa: E402

GZ1 = "files: {{images: [{data}/gz1-small/smallGZ1.tar], table: {data}/gz1-small/smallCSV_class.csv, id: OBJID}}"
SETS = {
    "gz2": dict(
        data="files: {{images: [{data}/gz2-kaggle5/gz2_kaggle5.tar], table: {data}/gz2-kaggle5/labels.csv, id: GalaxyID}}",
        target="ClassName", augment="{rotate90: true, flip: true}", weights="balanced"),
    "gz1": dict(
        data=GZ1 + "\n  classes: {{merge: {{smooth: ['0'], clockwise: ['1'], anticlockwise: ['2'], edge_on: ['3']}},"
                   " drop: ['4', '5']}}",
        target="CLASS", weights="sqrt_balanced",
        augment="{rotate: {degrees: 180}, flip: true, flip_swaps_classes: [[clockwise, anticlockwise]]}"),
    "handed": dict(
        data=GZ1 + "\n  classes: {{merge: {{clockwise: ['1'], anticlockwise: ['2']}}, drop: ['0', '3', '4', '5']}}",
        target="CLASS", weights="none",
        augment="{rotate: {degrees: 180}, flip: true, flip_swaps_classes: [[clockwise, anticlockwise]]}"),
}
EXPERIMENT = """
name: {name}
data:
  {data}
  image: {{center_crop: 0.5, size: 64}}
  augment: {augment}
  unmatched: skip
  splits: {{validation: {{fraction: 0.1, seed: 0}}, test: {{kfold: {{folds: {folds}, fold: {fold}, seed: 0}}}}}}
task: {{classification: {{target: {target}, class_weights: {weights}}}}}
model: {{resnet: {{depth: 18}}}}
train: {{epochs: {epochs}, batch_size: 64, seed: 1, select: {{metric: val/balanced_accuracy}}}}
optimizer: {{adamw: {{lr: 1.0e-3, weight_decay: 0.05}}}}
schedule: {{one_cycle: {{}}}}
resources: {{cpus: 2}}
"""


def confusion_of(card):
    report = next(r for r in card["reports"] if r["split"] == "test")
    cells, classes = report["confusion_matrix"], report["classes"]
    flat = [n for row in cells for n in row] if isinstance(cells[0], list) else cells
    return classes, [flat[k * len(classes):(k + 1) * len(classes)] for k in range(len(classes))]


def scores(confusion):
    """Accuracy, and the mean of the recalls of the classes that have samples."""
    recalls = [row[k] / sum(row) for k, row in enumerate(confusion) if sum(row)]
    return sum(row[k] for k, row in enumerate(confusion)) / sum(map(sum, confusion)), sum(recalls) / len(recalls)


def bootstrap(confusion, rounds=2000):
    """95 % intervals of both scores."""
    cells = [(label, k) for label, row in enumerate(confusion) for k in range(len(row))]
    weights = [confusion[label][k] for label, k in cells]
    draw = random.Random(0)
    drawn = []
    for _ in range(rounds):
        again = [[0] * len(confusion) for _ in confusion]
        for label, k in draw.choices(cells, weights, k=sum(weights)):
            again[label][k] += 1
        drawn.append(scores(again))
    return [(sorted(s)[rounds // 40], sorted(s)[rounds - rounds // 40 - 1]) for s in zip(*drawn)]


def add_arguments(parser):
    """What submit_folds wants to know."""
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--first", type=int, default=None, metavar="N", help="run only N of the folds")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="K=V", help="as `submit --set`")


def submit_folds(node, data, args, chosen, name, weights, *changes):
    """A job for each fold of a set of SETS; their names."""
    changes = [*changes, *(word for change in args.changes for word in ("--set", change))]
    return [node.submit(EXPERIMENT.format(
        name=f"{name}-{fold}", folds=args.folds, fold=fold, epochs=args.epochs, target=chosen["target"], weights=weights,
        augment=chosen["augment"], data=chosen["data"].format(data=data)), *changes)
        for fold in range(args.folds)[:args.first]]


def fetched(node, jobs):
    """Each job's name and the folder with its model, once it is over."""
    for job in jobs:
        node.run("wait", job, timeout=7200)
        node.run("fetch", job, "-o", node.root / job)
        yield job, node.root / job


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("data", type=pathlib.Path)
    add_arguments(parser)
    args = parser.parse_args()
    data = args.data.resolve()
    chosen = SETS[args.set]
    node = Node("--data-root", str(data)).start()
    try:
        jobs = submit_folds(node, data, args, chosen, args.set, chosen["weights"])
        pooled = None
        for job, folder in fetched(node, jobs):
            classes, confusion = confusion_of(json.loads((folder / "model.json").read_text()))
            pooled = confusion if pooled is None else [[a + b for a, b in zip(*rows)] for rows in zip(pooled, confusion)]
            print(f"{job}: accuracy {scores(confusion)[0]:.4f}, balanced {scores(confusion)[1]:.4f}", flush=True)
    finally:
        node.close()
    for name, row in zip(classes, pooled):
        print(f"{name:>24} " + " ".join(f"{n:5d}" for n in row))
    for name, value, (low, high) in zip(("accuracy", "balanced accuracy"), scores(pooled), bootstrap(pooled)):
        print(f"{name}: {value:.4f}, 95 % interval {low:.4f} to {high:.4f}, {sum(map(sum, pooled))} galaxies")


if __name__ == "__main__":
    main()
