"""A run proves that it repeats: `skytrain verify`, with and without an interruption."""

import json
import shutil
import unittest

from node import DATA, GALAXIES, IRIS, NodeTestCase


class VerifyTest(NodeTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.job = cls.node.submit(GALAXIES, "--wait")

    def digest_of(self, job):
        out = self.node.root / f"fetched-{job}"
        self.node.run("fetch", job, "-o", out)
        return json.loads((out / "model.json").read_text())["sha256"]

    def test_second_run_has_the_same_bits(self):
        verdict = self.node.json("verify", self.job)
        self.assertTrue(verdict["identical"])
        self.assertEqual(verdict["sha256"], self.digest_of(self.job))
        self.assertEqual(verdict["sha256_again"], self.digest_of(verdict["again"]))
        self.assertEqual(verdict["interrupted_at_step"], 0)
        self.assertEqual(self.node.json("show", verdict["again"])["experiment"]["labels"]["verifies"], self.job)

    def test_second_run_is_interrupted_and_still_has_the_same_bits(self):
        verdict = self.node.json("verify", self.job, "--resume-check")
        self.assertTrue(verdict["identical"])
        self.assertGreater(verdict["interrupted_at_step"], 0)
        attempts = self.node.json("show", verdict["again"])["attempts"]
        self.assertEqual([a["end"] for a in attempts], ["STOPPED", "COMPLETED"])
        self.assertGreaterEqual(int(attempts[1]["resumed_from_step"]), verdict["interrupted_at_step"])

    def test_other_data_give_other_bits_and_it_says_so(self):
        table = self.node.root / "own.csv"
        shutil.copy(DATA / "iris.csv", table)
        job = self.node.submit(IRIS.replace(f"{DATA}/iris.csv", str(table)), "--wait")
        lines = table.read_text().splitlines(keepends=True)
        table.write_text("".join(lines[:1] + lines[:0:-1]))
        result = self.node.run("verify", job, code=1)
        self.assertIn("different: ", result.stdout)
        self.assertIn("train.deterministic", result.stdout)

    def test_jobs_without_a_model_are_refused(self):
        job = self.node.submit(GALAXIES)
        self.node.run("cancel", job)
        self.node.run("wait", job, code=10)
        self.assertIn("has published no model", self.node.run("verify", job, code=6).stderr)
        self.assertIn("no job", self.node.run("verify", "nobody", code=3).stderr)


if __name__ == "__main__":
    unittest.main()
