#!/usr/bin/env python3
"""How well 37 vote fractions are predicted: k-fold cross-validation through a real daemon, pooled over the folds.

    SKYTRAIN_BIN_DIR=build/release/bin tests/bench/vote_fraction_folds.py ../shared/data [--epochs 40] [--set K=V]...

The 180 galaxies of kaggle-challenge-mini, each predicted once by a model that never saw it (predictions.csv of each model):
RMSE over all 37 x 180 numbers <= 0.157. The means of the other folds, also printed, score 0.1712. The identities of the
decision tree must hold in every prediction to 1e-5.
"""

import argparse
import csv
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from galaxy_folds import fetched  # noqa: E402
from node import Node  # noqa: E402

EXPERIMENT = """
name: votes37-{fold}
data:
  files: {{images: [{data}/images_training_rev1.zip], table: {data}/training_solutions_rev1.csv, id: GalaxyID}}
  image: {{center_crop: 0.5, size: 64}}
  augment: {{rotate90: true, flip: true}}
  splits: {{validation: {{fraction: 0.1, seed: 0}}, test: {{kfold: {{folds: {folds}, fold: {fold}, seed: 0}}}}}}
task: {{vote_fractions: {{builtin_tree: kaggle37}}}}
model: {{resnet: {{depth: 18}}}}
train: {{epochs: {epochs}, batch_size: 16, seed: 1}}
optimizer: {{adamw: {{lr: 5.0e-4, weight_decay: 0.05}}}}
schedule: {{one_cycle: {{}}}}
resources: {{cpus: 2}}
"""


# Question: the columns whose sum the sum of its answers is; none: 1.
IDENTITIES = {1: (), 2: ("1.2",), 3: ("2.2",), 4: ("2.2",), 5: ("2.2",), 6: (), 7: ("1.1",), 8: ("6.1",), 9: ("2.1",),
              10: ("4.1",), 11: ("4.1",)}


def predictions_of(folder):
    """(target, prediction) by column, of each galaxy of the test split."""
    with open(folder / "predictions.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == "test":
                names = [name.removeprefix("target/Class") for name in row if name.startswith("target/")]
                yield {name: (float(row[f"target/Class{name}"]), float(row[f"prediction/Class{name}"])) for name in names}


def farthest_from_the_tree(galaxy):
    worst = 0.0
    for question, parents in IDENTITIES.items():
        answers = sum(p for name, (_, p) in galaxy.items() if name.split(".")[0] == str(question))
        worst = max(worst, abs(answers - (sum(galaxy[name][1] for name in parents) if parents else 1.0)))
    return worst


def rmse(galaxies):
    squares = [(t - p) ** 2 for galaxy in galaxies for t, p in galaxy.values()]
    return math.sqrt(sum(squares) / len(squares))


def predict_the_mean(table, folds):
    """RMSE when each of `folds` interleaved parts is predicted by the mean of the others."""
    rows = [[float(x) for x in row[1:]] for row in list(csv.reader(table.open()))[1:]]
    squares = 0.0
    for fold in range(folds):
        train = [row for i, row in enumerate(rows) if i % folds != fold]
        mean = [sum(column) / len(train) for column in zip(*train)]
        squares += sum((x - m) ** 2 for row in rows[fold::folds] for x, m in zip(row, mean))
    return math.sqrt(squares / len(rows) / len(rows[0]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="K=V", help="as `submit --set`")
    args = parser.parse_args()
    data = args.data.resolve() / "kaggle-challenge-mini"
    node = Node("--data-root", str(data)).start()
    try:
        changes = [word for change in args.changes for word in ("--set", change)]
        jobs = [node.submit(EXPERIMENT.format(fold=fold, folds=args.folds, epochs=args.epochs, data=data), *changes)
                for fold in range(args.folds)]
        pooled = []
        for job, folder in fetched(node, jobs):
            galaxies = list(predictions_of(folder))
            pooled += galaxies
            print(f"{job}: rmse {rmse(galaxies):.4f} of {len(galaxies)}", flush=True)
    finally:
        node.close()
    print(f"pooled rmse: {rmse(pooled):.4f}, {len(pooled)} galaxies")
    print(f"farthest from the tree's identities: {max(map(farthest_from_the_tree, pooled)):.1e}")
    print(f"predict the mean: {predict_the_mean(data / 'training_solutions_rev1.csv', args.folds):.4f}")


if __name__ == "__main__":
    main()
