"""What a job's owner sees when something dies: the same numbers as if nothing had."""

import json
import os
import signal
import unittest

from node import GALAXIES, Node, wait_until


class RecoveryTest(unittest.TestCase):

    def setUp(self):
        self.node = Node().start()
        self.addCleanup(self.node.close)

    def digest(self, job):
        """SHA-256 of the published weights."""
        events = self.node.jsonl("watch", job)
        (published,) = [event["model"] for event in events if "model" in event]
        return published["sha256"]

    def validation_curve(self, job):
        return [(p["epoch"], p["step"], p["value"]) for p in self.node.jsonl("metrics", job)
                if p["name"] == "val/loss"]

    def running_after_checkpoint(self, job):
        return wait_until(lambda: [e for e in self.node.jsonl("watch", job, "--no-follow") if "checkpoint" in e],
                          "a checkpoint")

    def test_killed_worker_resumes_to_the_same_bits(self):
        unbroken = self.node.submit(GALAXIES, "--wait")
        job = self.node.submit(GALAXIES)
        self.running_after_checkpoint(job)
        (worker,) = wait_until(lambda: self.node.worker_pids(job), "a worker")
        os.kill(worker, signal.SIGKILL)
        self.node.run("wait", job)
        attempts = self.node.json("show", job)["attempts"]
        self.assertEqual([attempt["end"] for attempt in attempts], ["WORKER_CRASHED", "COMPLETED"])
        self.assertGreater(attempts[1]["resumed_from_step"], 0)
        self.assertEqual(self.digest(job), self.digest(unbroken))
        self.assertEqual(self.validation_curve(job), self.validation_curve(unbroken))

    def test_suspended_job_resumes_to_the_same_bits(self):
        unbroken = self.node.submit(GALAXIES, "--wait")
        job = self.node.submit(GALAXIES)
        self.running_after_checkpoint(job)
        self.node.run("suspend", job)
        self.node.run("wait", job, code=6)
        suspended = self.node.json("show", job)
        self.assertEqual((suspended["state"], suspended["attempts"][0]["end"]), ("SUSPENDED", "STOPPED"))
        self.assertEqual(self.node.worker_pids(job), [])
        self.node.kill()  # It is still there for the next daemon.
        self.node.start()
        self.node.run("resume", job)
        self.node.run("wait", job)
        attempts = self.node.json("show", job)["attempts"]
        self.assertEqual([attempt["end"] for attempt in attempts], ["STOPPED", "COMPLETED"])
        self.assertGreater(attempts[1]["resumed_from_step"], 0)
        self.assertEqual(self.digest(job), self.digest(unbroken))
        self.assertEqual(self.validation_curve(job), self.validation_curve(unbroken))

    def test_killed_daemon_finds_its_job_again(self):
        unbroken = self.node.submit(GALAXIES, "--wait")
        job = self.node.submit(GALAXIES)
        self.running_after_checkpoint(job)
        (worker,) = wait_until(lambda: self.node.worker_pids(job), "a worker")
        watch = self.node.popen("watch", job, "--output", "jsonl")
        first = watch.stdout.readline()
        self.node.kill()
        os.kill(worker, 0)  # It goes on without the daemon.
        self.node.start()
        # Not communicate(): it would leave out what readline() had read ahead.
        with watch:
            output = watch.stdout.read()
            errors = watch.stderr.read()
        self.assertEqual(watch.returncode, 0, errors)
        sequence = [json.loads(line)["seq"] for line in [first, *output.splitlines()]]
        self.assertEqual(sequence, list(range(1, len(sequence) + 1)))
        self.assertEqual(len(self.node.json("show", job)["attempts"]), 1)
        self.assertEqual(self.digest(job), self.digest(unbroken))

    def test_preempted_job_goes_on_to_the_same_bits(self):
        self.node.stop()
        self.node.flags = ["--cpus", "1", "--max-priority", "10"]
        self.node.start()
        unbroken = self.node.submit(GALAXIES, "--wait")
        job = self.node.submit(GALAXIES + "queue: {preemptible: true}\n")
        self.running_after_checkpoint(job)
        self.node.submit(GALAXIES, "--wait", "--set", "train.epochs=1", "--set", "queue.priority=10")
        self.node.run("wait", job)
        attempts = self.node.json("show", job)["attempts"]
        self.assertEqual([attempt["end"] for attempt in attempts], ["PREEMPTED", "COMPLETED"])
        self.assertGreater(attempts[1]["resumed_from_step"], 0)
        self.assertEqual(self.digest(job), self.digest(unbroken))
        self.assertEqual(self.validation_curve(job), self.validation_curve(unbroken))

    def test_stopped_daemon_leaves_jobs_alone_and_exits_with_0(self):
        job = self.node.submit(GALAXIES)
        self.running_after_checkpoint(job)
        self.assertEqual(self.node.stop(), 0)
        self.node.start()
        self.node.run("wait", job)

    def test_cancelled_job_is_cancelled_when_its_processes_are_gone(self):
        job = self.node.submit(GALAXIES.replace("epochs: 12", "epochs: 1000"))
        self.running_after_checkpoint(job)
        self.node.run("cancel", job)
        self.node.run("wait", job, code=10)
        self.assertEqual(self.node.worker_pids(job), [])
        self.node.run("cancel", job)  # Asking again changes nothing.

    def test_finished_job_cannot_be_cancelled(self):
        job = self.node.submit(GALAXIES, "--wait", "--set", "train.epochs=1")
        self.assertIn("SUCCEEDED", self.node.run("cancel", job, code=6).stderr)

    def test_interrupted_watch_leaves_the_job_alone(self):
        job = self.node.submit(GALAXIES.replace("epochs: 12", "epochs: 1000"))
        self.running_after_checkpoint(job)
        watch = self.node.popen("watch", job)
        watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        _, errors = watch.communicate(timeout=30)
        self.assertEqual(watch.returncode, 130)
        self.assertIn(f"skytrain watch {job}", errors)
        self.assertEqual(self.node.json("show", job)["state"], "RUNNING")

    def test_server_that_is_gone_is_named(self):
        self.node.stop()
        result = self.node.run("list", code=7)
        self.assertIn(str(self.node.root), result.stderr)
        self.node.start()


if __name__ == "__main__":
    unittest.main()
