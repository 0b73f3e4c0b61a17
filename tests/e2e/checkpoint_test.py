"""A worker that is killed while it writes a checkpoint goes on from the one before, to the same bits.

SKYTRAIN_TEST_KILLS is the number of kills; 2 unless told."""

import os
import pathlib
import random
import signal
import time
import unittest

from node import GALAXIES, NodeTestCase, wait_until

KILLS = int(os.environ.get("SKYTRAIN_TEST_KILLS", "2"))
KILLS_PER_JOB = 2  # An attempt more than that is the bound.
EXPERIMENT = GALAXIES.replace("every_steps: 5", "every_steps: 1").replace("epochs: 12", "epochs: 3")


def is_stopped(pid):
    """True when every thread is: one may still have been within a rename."""
    stats = [task.joinpath("stat").read_text() for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    return all(stat.rpartition(") ")[2].startswith("T") for stat in stats)


class CheckpointTest(NodeTestCase):

    def digest(self, job):
        events = self.node.jsonl("watch", job)
        (published,) = [event["model"] for event in events if "model" in event]
        return published["sha256"]

    def looker(self, job, attempt):
        """A function that gives the steps of the whole checkpoints, and whether another is being written."""
        uid = self.node.json("show", job)["uid"]
        folder = self.node.root / "state" / "work" / "attempts" / f"{uid}-{attempt}" / "checkpoints"
        wait_until(folder.is_dir, "an attempt's folder")

        def look():
            names = os.listdir(folder)
            steps = [int(name.removeprefix("step-")) for name in names if not name.endswith(".tmp")]
            return sorted(steps), any(name.endswith(".tmp") for name in names)

        return look

    def kill_within_a_checkpoint(self, job, attempt, after):
        """Kills the attempt's worker in the `after`-th checkpoint it is seen in; the newest whole one's step."""
        look = self.looker(job, attempt)
        (worker,) = wait_until(lambda: self.node.worker_pids(job), "a worker")
        deadline = time.monotonic() + 120
        seen = 0
        while time.monotonic() < deadline:
            steps, writing = look()
            if not writing or not steps:
                continue
            # Stopped, it cannot finish the checkpoint between the look and the kill.
            os.kill(worker, signal.SIGSTOP)
            wait_until(lambda: is_stopped(worker), "a stopped worker")
            steps, writing = look()
            seen += writing
            if writing and seen >= after:
                os.kill(worker, signal.SIGKILL)
                return steps[-1]
            os.kill(worker, signal.SIGCONT)
        self.fail("no checkpoint was seen in the making")

    def test_worker_killed_within_a_checkpoint_resumes_from_the_one_before(self):
        unbroken = self.digest(self.node.submit(EXPERIMENT, "--wait"))
        choice = random.Random(7)
        kills = 0
        while kills < KILLS:
            job = self.node.submit(EXPERIMENT)
            whole = []
            for attempt in range(1, min(KILLS_PER_JOB, KILLS - kills) + 1):
                wait_until(lambda: len(self.node.json("show", job)["attempts"]) == attempt
                           and self.node.json("show", job)["state"] == "RUNNING", f"attempt {attempt}")
                whole.append(self.kill_within_a_checkpoint(job, attempt, choice.randint(1, 3)))
            self.node.run("wait", job)
            attempts = self.node.json("show", job)["attempts"]
            self.assertEqual([attempt["end"] for attempt in attempts], ["WORKER_CRASHED"] * len(whole) + ["COMPLETED"])
            self.assertEqual([int(attempt["resumed_from_step"]) for attempt in attempts[1:]], whole)
            self.assertEqual(self.digest(job), unbroken)
            kills += len(whole)
            print(f"{kills} kills", flush=True)


if __name__ == "__main__":
    unittest.main()
