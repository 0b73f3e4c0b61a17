"""What people do to their jobs on the command line: real client, daemon and shepherd, with a scripted worker."""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from node import BIN, Node, scripted, wait_until  # noqa: E402
from socket_proxy import SocketProxy  # noqa: E402


class Muffler(SocketProxy):
    """Passes answers on only while `pass_on()` holds."""

    def __init__(self, path, server, pass_on):
        self.pass_on = pass_on
        super().__init__(path, server)

    def passes_answer(self, data):
        return self.pass_on()


class JobCommandsTest(unittest.TestCase):

    def setUp(self):
        self.node = Node("--cpus", "1", "--worker", BIN / "skytrain-fake-worker").start()
        self.addCleanup(self.node.close)
        self.state_home = self.node.root / "client"
        os.environ["XDG_STATE_HOME"] = str(self.state_home)
        self.addCleanup(os.environ.pop, "XDG_STATE_HOME")

    def state(self, job):
        return self.node.json("show", job)["state"]

    def running(self, **labels):
        job = self.node.submit(scripted(fake_steps="100000", fake_step_ms="5", **labels))
        wait_until(lambda: self.state(job) == "RUNNING", "a running job")
        return job

    def test_filter_picks_jobs_to_list_and_cancel(self):
        running = self.running()
        red = [self.node.submit(scripted(colour="red")) for _ in range(2)]
        blue = self.node.submit(scripted(colour="blue"))
        listed = self.node.json("list", "--filter", "labels.colour=red")["jobs"]
        self.assertEqual([job["name"] for job in listed], red[::-1])
        # Off a terminal there is nobody to ask.
        refused = self.node.run("cancel", "--filter", "labels.colour=red", code=2)
        self.assertIn("this would cancel 2 jobs: give --yes", refused.stderr)
        self.assertEqual(self.state(red[0]), "QUEUED")
        done = self.node.run("cancel", "--filter", "labels.colour=red", "--yes")
        self.assertEqual(done.stdout, f"{red[1]}  CANCELLED\n{red[0]}  CANCELLED\n")
        self.assertEqual(self.state(blue), "QUEUED")
        self.assertEqual(self.state(running), "RUNNING")
        none = self.node.run("cancel", "--filter", "labels.colour=red", "--yes")
        self.assertEqual((none.stdout, none.stderr), ("", "no job that one can cancel matches\n"))
        self.node.run("delete", "--filter", "labels.colour=red", "--yes")
        self.assertEqual(self.node.json("list", "--filter", "labels.colour=red")["jobs"], [])

    def test_mistake_in_a_filter_is_shown_with_its_place(self):
        result = self.node.run("list", "--filter", "colour=red", code=2)
        self.assertIn("filter, column 1: no field 'colour'", result.stderr)

    def test_each_of_several_jobs_gets_a_line_and_the_worst_decides(self):
        running = self.running()
        queued = self.node.submit(scripted())
        result = self.node.run("suspend", "no-such-job", queued, code=3)
        self.assertEqual(result.stdout, f"{queued}  SUSPENDED\n")
        self.assertIn("no-such-job  there is no job 'no-such-job'", result.stderr)
        self.node.run("suspend", running, "--filter", "state=RUNNING", code=2)  # One or the other.
        self.node.run("suspend", code=2)

    def test_suspended_job_waits_until_it_is_resumed(self):
        job = self.running()
        wait = self.node.popen("wait", job)
        self.assertIn("STOPPING", self.node.run("suspend", job).stdout)
        output, _ = wait.communicate(timeout=60)
        self.assertEqual((wait.returncode, output), (6, f"{job}  SUSPENDED\n"))
        self.assertIn(f"skytrain resume {job}", self.node.run("show", job).stdout)
        self.assertIn("QUEUED", self.node.run("resume", job).stdout)
        wait_until(lambda: self.state(job) == "RUNNING", "the job to go on")
        self.assertEqual(len(self.node.json("show", job)["attempts"]), 2)

    def pending(self):
        return list((self.state_home / "skytrain" / "requests").glob("*"))

    def test_submit_that_is_killed_before_its_answer_is_no_second_job_when_it_is_repeated(self):
        file = self.node.write("experiment.yaml", scripted())
        self.node.run("submit", file, "--name", "before")
        self.assertEqual(self.pending(), [])
        path = self.node.root / "muffled.sock"
        # The answer to the submit, the only call after its id was saved, never arrives.
        muffler = Muffler(path, str(self.node.root / "d.sock"), lambda: not self.pending())
        self.addCleanup(muffler.close)
        killed = self.node.popen("submit", file, "--server", f"unix:{path}")
        wait_until(lambda: len(self.node.json("list")["jobs"]) == 2, "the second job")
        killed.kill()
        killed.communicate()
        self.assertEqual(len(self.pending()), 1)
        muffler.pass_on = lambda: True
        # The threads that copy look at the old rule: a new connection gets the new one.
        again = self.node.run("submit", file, "--server", f"unix:{path}")
        (job,) = [job["name"] for job in self.node.json("list")["jobs"] if job["name"] != "before"]
        self.assertEqual(again.stdout.strip(), job)
        self.assertIn(f"already submitted as {job}: this command was interrupted", again.stderr)
        self.assertEqual(self.pending(), [])
        # The next one is a job of its own.
        other = self.node.run("submit", file, "--server", f"unix:{path}")
        self.assertNotEqual(other.stdout.strip(), job)
        self.assertEqual(len(self.node.json("list")["jobs"]), 3)

    def test_dry_run_says_what_a_job_would_need_and_stores_nothing(self):
        text = self.node.submit(scripted(), "--dry-run")
        self.assertRegex(text, r"estimate +\S+ ")
        self.assertRegex(text, r"time +about \S+ an epoch on 1 CPU core")
        self.assertEqual(self.node.json("list")["jobs"], [])
        checked = self.node.json("submit", self.node.write("experiment.yaml", scripted()), "--dry-run")
        self.assertGreater(checked["estimate"]["flops_per_sample"], 0)
        self.assertEqual(self.pending(), [])


if __name__ == "__main__":
    unittest.main()
