"""The disk of the state folder runs full under a real daemon: what a user can still do, and what is true afterwards."""

import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from node import BIN, Node, scripted, wait_until  # noqa: E402

DISK_MIB = 96


class DiskFullTest(unittest.TestCase):

    def setUp(self):
        self.node = Node("--worker", BIN / "skytrain-fake-worker")
        self.state_dir = self.node.root / "state"
        self.state_dir.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "skytrain", self.state_dir],
                                 capture_output=True, text=True)
        if mounted.returncode != 0:
            self.node.close()
            self.skipTest(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
        self.addCleanup(self.take_down)
        # The program writes to another disk.
        program = self.node.write("hook.sh", '#!/bin/sh\necho "$SKYTRAIN_JOB $SKYTRAIN_TO" >> "$1/told"\n')
        program.chmod(0o755)
        self.node.flags += ["--config", self.node.write("skytraind.yaml", json.dumps(
            {"hooks": [{"name": "h", "exec": [str(program), str(self.node.root)], "on": ["STOPPING", "CANCELLED"]}]}))]
        self.node.start()

    def take_down(self):
        self.free()
        if self.node.daemon is not None and self.node.daemon.poll() is None:
            self.node.run("cancel", "--filter", "state=RUNNING", "--yes", code=None)
            wait_until(lambda: not self.node.json("list", "--filter", "state=RUNNING")["jobs"]
                       and not self.node.json("list", "--filter", "state=STOPPING")["jobs"], "the end of every job")
            self.node.stop()
        wait_until(lambda: subprocess.run(["umount", self.state_dir], capture_output=True).returncode == 0, "an idle disk")
        self.node.close()

    def fill(self):
        """To the last block; whatever is freed meanwhile too."""
        with open(self.state_dir / "filler", "ab", buffering=0) as filler:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        filler.write(b"x" * size)
                except OSError:
                    pass

    def free(self):
        (self.state_dir / "filler").unlink(missing_ok=True)

    def state(self, job):
        return self.node.json("show", job)["state"]

    def told(self):
        path = self.node.root / "told"
        return path.read_text() if path.exists() else ""

    def refused(self):
        result = self.node.run("submit", self.node.write("refused.yaml", scripted()), code=None)
        return result.stderr if result.returncode != 0 else None

    def test_full_disk_refuses_new_jobs_lets_old_ones_go_and_loses_nothing(self):
        over = self.node.submit(scripted(), "--wait")
        kept = self.node.submit(scripted(), "--wait")
        told = self.node.jsonl("watch", kept)
        running = self.node.submit(scripted(fake_steps="1000000", fake_step_ms="2"))
        wait_until(lambda: self.state(running) == "RUNNING", "a running job")
        self.fill()
        accepted = set(job["name"] for job in self.node.json("list", "--all")["jobs"])
        errors = wait_until(self.refused, "a refused submit")
        self.assertIn("disk", errors)
        accepted |= set(job["name"] for job in self.node.json("list", "--all")["jobs"])
        self.node.run("cancel", running)
        wait_until(lambda: f"{running} STOPPING" in self.told(), "a hook that is told of a change on the full disk")
        self.node.run("delete", over)
        self.node.run("gc")
        self.assertEqual(self.node.jsonl("watch", kept), told)
        self.free()
        after = self.node.submit(scripted(), "--wait")
        self.node.run("wait", running, code=None)
        self.assertIn(self.state(running), ("CANCELLED", "FAILED"))
        for job in accepted - {over}:
            self.node.run("wait", job, code=None)
            sequence = [event["seq"] for event in self.node.jsonl("watch", job, code=None)]
            self.assertEqual(sequence, list(range(1, len(sequence) + 1)), job)
        names = {job["name"] for job in self.node.json("list", "--all")["jobs"]}
        self.assertEqual(names, (accepted - {over}) | {after})
        self.assertEqual(self.node.jsonl("watch", kept), told)

    def test_first_write_that_finds_the_disk_full_is_told_so_or_stored(self):
        before = self.node.submit(scripted(), "--wait")
        self.fill()
        # Nothing runs, so nobody has noticed yet. The space that was set aside takes the first ones.
        self.assertIn("disk", wait_until(self.refused, "a refused submit"))
        accepted = {job["name"] for job in self.node.json("list", "--all")["jobs"]}
        self.assertIn(before, accepted)
        self.free()
        for job in accepted:
            self.node.run("wait", job, code=None)
        self.node.submit(scripted(), "--wait")


if __name__ == "__main__":
    unittest.main()
