#!/usr/bin/env python3
"""A deterministic run that is killed anywhere: ResNet18 on real galaxies, through a real daemon.

    SKYTRAIN_BIN_DIR=build/release/bin tests/bench/random_kills.py [--kills 20] [--seed 0]

Trains once undisturbed. Then, for every kill, the same job again, whose worker gets SIGKILL at a random moment between its
first step and its end; the daemon's next attempt goes on from the newest checkpoint. Wanted: the same digest of
model.safetensors each time.
"""

import argparse
import os
import random
import signal
import sys
import time
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from node import DATA, Node, wait_until  # noqa: E402

EXPERIMENT = f"""
name: kills
data:
  dataset: {DATA}/galaxies3.tar
  image: {{size: 64}}
  augment: {{rotate: {{degrees: 180}}, flip: true}}
  splits: {{validation: {{fraction: 0.15, seed: 0}}}}
task: {{classification: {{}}}}
model: {{resnet: {{depth: 18, width: 16, dropout: 0.2}}}}
train: {{epochs: 16, batch_size: 32, seed: 1, deterministic: true, checkpoint: {{every_steps: 4}}, ema: {{decay: 0.99}}}}
optimizer: {{adamw: {{lr: 0.001}}}}
schedule: {{one_cycle: {{}}}}
resources: {{cpus: 2}}
"""


def digest_of(node, job):
    node.run("wait", job)
    return node.json("show", job), next(
        event["model"]["sha256"] for event in node.jsonl("watch", job) if "model" in event)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args()
    draw = random.Random(args.seed)
    node = Node().start()

    def begin():
        job = node.submit(EXPERIMENT)
        wait_until(lambda: any("checkpoint" in event for event in node.jsonl("watch", job, "--no-follow")), "first checkpoint")
        return job

    try:
        job = begin()
        start = time.monotonic()
        _, expected = digest_of(node, job)
        duration = time.monotonic() - start
        print(f"undisturbed: {expected}", flush=True)
        kills = other = 0
        while kills < args.kills:
            job = begin()
            time.sleep(draw.uniform(0, 0.9 * duration))
            pids = node.worker_pids(job)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            job, digest = digest_of(node, job)
            if len(job["attempts"]) < 2:
                print("  it was over before", flush=True)
                continue
            kills += 1
            other += digest != expected
            step = job["attempts"][1].get("resumed_from_step", 0)
            print(f"kill {kills}, went on from step {step}: {'the same' if digest == expected else digest}", flush=True)
    finally:
        node.close()
    print(f"{kills} kills, {other} of them with other weights")
    return 1 if other else 0


sys.exit(main())
