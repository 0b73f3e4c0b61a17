#!/usr/bin/env python3
"""Does bfloat16 cost accuracy? gz2-kaggle5 by k-fold cross-validation in both precisions, through a real daemon.

    SKYTRAIN_BIN_DIR=build/release/bin tests/bench/precision_folds.py ../shared/data [--epochs 16] [--first N] [--set K=V]...

The folds, seeds and augmentations are the same; the predictions of each fold's test galaxies are pooled and compared galaxy
by galaxy: McNemar's exact test of those that only one of the two gets right. Wanted: p > 0.05.
"""

import argparse
import csv
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from galaxy_folds import SETS, add_arguments, fetched, submit_folds  # noqa: E402
from node import Node  # noqa: E402


def right_by_galaxy(file):
    with open(file, newline="") as rows:
        return {row["id"]: row["prediction"] == row["label"] for row in csv.DictReader(rows) if row["split"] == "test"}


def exact_p(only_one, only_other):
    """Two-sided, of a fair coin that falls this way or further from the middle."""
    tosses, fewer = only_one + only_other, min(only_one, only_other)
    return min(1.0, 2 * sum(math.comb(tosses, k) for k in range(fewer + 1)) / 2**tosses)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    add_arguments(parser)
    args = parser.parse_args()
    data = args.data.resolve()
    node = Node("--data-root", str(data)).start()
    right = {}
    try:
        for precision in ("fp32", "bf16"):
            jobs = submit_folds(node, data, args, SETS["gz2"], precision, "none", "--set", f"train.precision={precision}")
            right[precision] = {}
            for _, folder in fetched(node, jobs):
                right[precision] |= right_by_galaxy(folder / "predictions.csv")
            share = sum(right[precision].values()) / len(right[precision])
            print(f"{precision}: accuracy {share:.4f} of {len(right[precision])} galaxies", flush=True)
    finally:
        node.close()
    if right["fp32"].keys() != right["bf16"].keys():
        raise AssertionError("the two have not tested the same galaxies")
    only = {p: sum(right[p][g] and not right[q][g] for g in right[p]) for p, q in (("fp32", "bf16"), ("bf16", "fp32"))}
    print(f"right in fp32 alone {only['fp32']}, in bf16 alone {only['bf16']}: p = {exact_p(only['fp32'], only['bf16']):.3f}")


if __name__ == "__main__":
    main()
