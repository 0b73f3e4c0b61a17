"""A published model that is damaged on the server's disk: named, never used, and no other model is touched."""

import random
import unittest

from node import DATA, IRIS, NodeTestCase

FLIPS = 40  # Of each file.
CORRUPT = 9  # Exit code.


class ModelDamageTest(NodeTestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.job = cls.node.submit(IRIS, "--wait", "--set", "train.epochs=3")
        cls.other = cls.node.submit(IRIS, "--wait", "--set", "train.epochs=3")
        (cls.folder,) = cls.node.root.glob(f"state/**/models/{cls.job}/1")

    def damages(self, path):
        """Damages the file in one way after the other, and says which; mends it in the end."""
        whole = path.read_bytes()
        rng = random.Random(path.name)
        try:
            for position in rng.sample(range(len(whole)), FLIPS):
                flipped = bytearray(whole)
                flipped[position] ^= 1 << rng.randrange(8)
                path.write_bytes(flipped)
                yield f"bit of byte {position}"
            for length in (0, len(whole) // 2, len(whole) - 1):
                path.write_bytes(whole[:length])
                yield f"cut to {length}"
            path.unlink()
            yield "absent"
        finally:
            path.write_bytes(whole)

    def fetch_is_refused(self, path, damage):
        out = self.node.root / "out"
        refused = self.node.run("fetch", self.job, "-o", out, code=CORRUPT)
        self.assertIn(str(path), refused.stderr, damage)
        self.assertIn("running its job again", refused.stderr, damage)
        self.assertEqual(list(out.iterdir()), [], damage)

    def evaluate_is_refused(self, path, damage):
        refused = self.node.run("evaluate", self.job, "--data", DATA / "iris.csv", code=1)
        self.assertIn(path.name, refused.stderr, damage)
        self.assertIn("train it again", refused.stderr, damage)
        self.assertEqual(refused.stdout, "", damage)

    def test_damage_is_named_and_nothing_of_the_model_is_used(self):
        for name in ("model.safetensors", "model.json"):
            path = self.folder / name
            for count, damage in enumerate(self.damages(path)):
                with self.subTest(file=name, damage=damage):
                    self.fetch_is_refused(path, damage)
                    if count % 20 == 0 or "bit" not in damage:
                        self.evaluate_is_refused(path, damage)
            self.node.run("evaluate", self.other, "--data", DATA / "iris.csv")
        self.node.run("fetch", self.job, "-o", self.node.root / "whole")
        self.node.run("fetch", self.other, "-o", self.node.root / "other")
        self.node.run("evaluate", self.job, "--data", DATA / "iris.csv")


if __name__ == "__main__":
    unittest.main()
