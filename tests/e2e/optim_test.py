"""Ways of training beyond plain steps: Muon, SAM and SWA repeat bit for bit; a learning rate is looked for."""

import re
import unittest

from node import GALAXIES, NodeTestCase


class OptimTest(NodeTestCase):
    def test_muon_with_sam_and_swa_has_the_same_bits_after_an_interruption(self):
        text = GALAXIES.replace("optimizer: {adamw: {lr: 0.002}}", "optimizer: {muon: {lr: 0.02}, sam: {}}")
        text = text.replace("deterministic: true", "deterministic: true, swa: {start: 0.5, lr: 0.01}")
        job = self.node.submit(text, "--wait")
        verdict = self.node.json("verify", job, "--resume-check")
        self.assertTrue(verdict["identical"])
        self.assertGreater(verdict["interrupted_at_step"], 0)

    def test_find_lr_prints_the_curve_and_the_line_for_the_file(self):
        text = GALAXIES.replace("epochs: 12, ", "").replace("schedule: {one_cycle: {}}", "")
        path = self.node.write("find.yaml", text)
        found = self.node.run("find-lr", path, "--name", "search", "--set", "train.find_lr.steps=60")
        self.assertIn("log10(learning rate)", found.stdout)
        line = found.stdout.splitlines()[-1]
        rate = re.fullmatch(r"optimizer: \{adamw: \{lr: ([0-9.e-]+)\}\}", line)
        self.assertIsNotNone(rate, line)
        self.assertRegex(found.stderr, rf"SUCCEEDED in [^\n]*\n  suggested learning rate {re.escape(rate[1])}\n")
        job = self.node.json("show", "search")
        self.assertEqual(job["state"], "SUCCEEDED")
        self.assertEqual(job.get("model", ""), "")
        self.assertIn("suggested learning rate", job["termination"]["message"])
        self.assertNotEqual(self.node.run("fetch", "search", code=None).returncode, 0)
        # The rate is good for training.
        again = self.node.write("again.yaml", GALAXIES.replace("optimizer: {adamw: {lr: 0.002}}", line))
        self.node.run("submit", again, "--dry-run")

    def test_find_lr_of_a_whole_training_file_as_json(self):
        path = self.node.write("train.yaml", GALAXIES)
        found = self.node.json("find-lr", path, "--set", "train.find_lr={steps: 40, min: 1.0e-6}")
        self.assertEqual(set(found), {"job", "suggestion", "curve"})
        self.assertGreater(len(found["curve"]), 10)
        self.assertAlmostEqual(found["curve"][0]["lr"], 1e-6)
        self.assertGreater(found["suggestion"], 1e-6)
        job = self.node.submit(GALAXIES, "--set", "train.find_lr={steps: 10}", "--wait")
        self.assertEqual(self.node.json("show", job)["state"], "SUCCEEDED")

    def test_mistakes_are_told_before_anything_is_queued(self):
        path = self.node.write("bad.yaml", GALAXIES.replace("deterministic: true", "swa: {}, ema: {}"))
        refused = self.node.run("find-lr", path, "--set", "train.find_lr.steps=5", code=2)
        self.assertIn("train.swa is another average than train.ema: take one of the two", refused.stderr)
        self.assertIn("train.find_lr.steps must be between 10 and 100,000, not 5", refused.stderr)
        self.assertIn("2 errors, nothing submitted", refused.stderr)


if __name__ == "__main__":
    unittest.main()
