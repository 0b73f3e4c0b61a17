#!/usr/bin/env python3
"""ResNet18 training, images/s: skytrain's loop against PyTorch of the same wheel, in alternating rounds.

    pip install --target ENV torch==2.11.0 torchvision==0.26.0 numpy
    PYTHONPATH=ENV tests/bench/training_vs_pytorch.py build/release/tests/training_bench [--busy]

Every way is a process of its own with the same threads, batches, network and AdamW with its fused kernel:
    fp32      eager, channels_last
    bf16      autocast, channels_last
    compile   torch.compile of bf16 autocast, channels_last
    loader    as tutorials do it: a DataLoader that transforms one PIL image at a time, float32
    skytrain  in --precision, with the environment that the shepherd gives a rank
The first three get finished batches; skytrain and loader also gather, turn and normalise their images. Each round runs
every way once; the table shows the median of each and the median of the ratios within rounds. `--busy` keeps one core
occupied by another process meanwhile.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

BARS = {"fp32": 1.7, "bf16": 1.15, "compile": 1.25, "loader": 2.1}
BARS_BUSY = {"fp32": 3.0, "bf16": 3.0}


def answer(way, args):
    """A child: runs a round for each line on stdin and answers with its images/s."""
    import torch
    import torchvision

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    loader = way == "loader"
    model = torchvision.models.resnet18(num_classes=5).train()
    if not loader:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    forward = torch.compile(model) if way == "compile" else model
    if loader:
        batches = tutorial_loader(args)
    else:
        inputs = torch.randn(args.batch, 3, args.size, args.size).contiguous(memory_format=torch.channels_last)
        batches = [(inputs, torch.arange(args.batch) % 5)] * args.steps
    for _ in sys.stdin:
        start = time.perf_counter()
        for inputs, labels in batches:
            with torch.autocast("cpu", torch.bfloat16, enabled=way in ("bf16", "compile")):
                logits = forward(inputs)
            loss = torch.nn.functional.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
        print(args.steps * args.batch / (time.perf_counter() - start), flush=True)


def tutorial_loader(args):
    import numpy
    import PIL.Image
    import torch
    from torchvision import transforms

    pixels = numpy.random.default_rng(1).integers(0, 256, (args.steps * args.batch, args.size, args.size, 3), "uint8")
    transform = transforms.Compose([
        transforms.RandomHorizontalFlip(),
        transforms.RandomRotation(180),
        transforms.ToTensor(),
        transforms.Normalize([0.5] * 3, [0.25] * 3),
    ])

    class Images(torch.utils.data.Dataset):
        def __len__(self):
            return len(pixels)

        def __getitem__(self, i):
            return transform(PIL.Image.fromarray(pixels[i])), i % 5

    return torch.utils.data.DataLoader(Images(), batch_size=args.batch, shuffle=True)


class Child:
    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, **(environment or {})))

    def round(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("--ways", default="fp32,bf16,compile,loader", help="of PyTorch, separated by commas")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=3, help="of a round")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--busy", action="store_true", help="occupy one core, and compare with PyTorch's defaults")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return answer(args.child, args)

    flags = [part for name in ("steps", "batch", "size", "threads") for part in (f"--{name}", str(getattr(args, name)))]
    children = {way: Child([sys.executable, __file__, args.bench, "--child", way, *flags])
                for way in args.ways.split(",")}
    children["skytrain"] = Child([args.bench, *flags, "--precision", args.precision], {"OMP_WAIT_POLICY": "passive"})
    for child in children.values():
        child.round()  # Warms up, and compiles.
    spinner = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if args.busy else None
    rounds = []
    try:
        for number in range(args.rounds):
            rounds.append({way: child.round() for way, child in children.items()})
            speeds = ", ".join(f"{way} {speed:.0f}" for way, speed in rounds[-1].items())
            print(f"round {number + 1} (load {os.getloadavg()[0]:.1f}): {speeds} images/s", flush=True)
    finally:
        if spinner:
            spinner.kill()
    for child in children.values():
        child.end()
    bars = BARS_BUSY if args.busy else BARS
    print(f"{'way':10} {'images/s':>9} {'skytrain is':>12} {'bar':>6}")
    for way in children:
        speed = statistics.median(r[way] for r in rounds)
        ratio = statistics.median(r["skytrain"] / r[way] for r in rounds)
        print(f"{way:10} {speed:9.1f} {ratio:11.2f}x {bars.get(way, ''):>6}")


main()
