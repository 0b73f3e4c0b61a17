#!/usr/bin/env python3
"""ResNet18 training, images/s: skytrain's loop against eager PyTorch of the same wheel, in alternating rounds.

    pip install --target ENV torch==2.11.0 torchvision==0.26.0 numpy
    PYTHONPATH=ENV tests/bench/training_vs_pytorch.py build/release/tests/training_bench

Both: float32, channels_last, the same threads, AdamW with its fused kernel. PyTorch gets finished float batches;
skytrain also gathers, turns and normalises its images. Prints each round and the ratio of the medians.
"""

import argparse
import statistics
import subprocess
import time

import torch
import torchvision


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=6, help="of a round")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    model = torchvision.models.resnet18(num_classes=5).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    inputs = torch.randn(args.batch, 3, args.size, args.size).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(args.batch) % 5

    def pytorch_round():
        start = time.perf_counter()
        for _ in range(args.steps):
            loss = torch.nn.functional.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
        return args.steps * args.batch / (time.perf_counter() - start)

    flags = [f"--{name}={getattr(args, name)}".split("=") for name in ("steps", "batch", "size", "threads")]
    bench = subprocess.Popen([args.bench, *(part for flag in flags for part in flag)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def skytrain_round():
        bench.stdin.write("go\n")
        bench.stdin.flush()
        return float(bench.stdout.readline())

    pytorch_round(), skytrain_round()  # Warm up.
    ours, theirs = [], []
    for number in range(args.rounds):
        theirs.append(pytorch_round())
        ours.append(skytrain_round())
        print(f"round {number + 1}: pytorch {theirs[-1]:.1f} images/s, skytrain {ours[-1]:.1f} images/s", flush=True)
    bench.stdin.close()
    bench.wait()
    a, b = statistics.median(ours), statistics.median(theirs)
    pairs = statistics.median(x / y for x, y in zip(ours, theirs))
    print(f"median: pytorch {b:.1f}, skytrain {a:.1f}, ratio of medians {a / b:.3f}, median of ratios {pairs:.3f}")


main()
