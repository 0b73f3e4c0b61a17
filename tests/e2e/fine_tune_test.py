"""A published model is what other jobs start from, and the new model says so."""

import json
import struct
import unittest

from node import DATA, GALAXIES, NodeTestCase

TUNED = f"""
name: tuned
data:
  dataset: {DATA}/galaxies3.tar
  classes: {{merge: {{disk: [edge_on, spiral]}}}}
  splits: {{validation: {{fraction: 0.15, seed: 0}}}}
task: {{classification: {{}}}}
init: {{model: MODEL, freeze: [stage1, stage2], layer_decay: 0.5}}
train: {{epochs: 3, batch_size: 32, seed: 2}}
optimizer: {{adamw: {{lr: 0.002}}}}
resources: {{cpus: 1}}
"""


def tensors(path):
    """Name to (shape, bytes)."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    header.pop("__metadata__", None)
    data = content[8 + length:]
    return {name: (tensor["shape"], data[slice(*tensor["data_offsets"])]) for name, tensor in header.items()}


class FineTuneTest(NodeTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.parent = cls.node.submit(GALAXIES, "--wait", "--set", "train.epochs=4")

    def fetch(self, job):
        out = self.node.root / f"fetched-{job.replace('/', '-')}"
        self.node.run("fetch", job, "-o", out)
        return json.loads((out / "model.json").read_text()), tensors(out / "model.safetensors")

    def test_tuned_model_starts_from_its_parent_and_names_it(self):
        job = self.node.submit(TUNED.replace("MODEL", self.parent), "--wait")
        parent_card, parent = self.fetch(self.parent)
        card, tuned = self.fetch(job)
        self.assertEqual(card["family"], "small_cnn")
        self.assertEqual(card["classes"], ["disk", "elliptical"])
        name = self.parent.removeprefix("jobs/")
        self.assertEqual(card["parent"], f"models/{name}/versions/1")
        # Shown as to its parent: size, crop and the numbers of the normalisation.
        self.assertEqual(card["preprocessing"], parent_card["preprocessing"])
        for tensor in parent:
            same = parent[tensor] == tuned[tensor]
            frozen = tensor.startswith(("features.0.", "features.1."))
            self.assertEqual(same, frozen, tensor)
        self.assertEqual(tuned["fc.weight"][0][0], 2)
        self.assertGreaterEqual(self.node.json("show", job)["metrics"]["test/accuracy"], 0.6)

    def test_tuning_on_the_same_classes_goes_on_where_the_parent_ended(self):
        text = TUNED.replace("MODEL", self.parent).replace("  classes: {merge: {disk: [edge_on, spiral]}}\n", "")
        text = text.replace("layer_decay: 0.5", "head: keep").replace("lr: 0.002", "lr: 1.0e-9")
        job = self.node.submit(text, "--wait", "--set", "train.epochs=1")
        parent = self.node.json("show", self.parent)["metrics"]
        tuned = self.node.json("show", job)["metrics"]
        # Statistics of the two stages that are not frozen move a little.
        self.assertAlmostEqual(tuned["test/accuracy"], parent["test/accuracy"], delta=0.15)

    def refused(self, text, *parts):
        error = self.node.run("submit", self.node.write("bad.yaml", text), code=None)
        self.assertNotEqual(error.returncode, 0)
        for part in parts:
            self.assertIn(part, error.stderr)

    def test_what_does_not_fit_is_refused_at_once(self):
        text = TUNED.replace("MODEL", self.parent)
        self.refused(TUNED.replace("MODEL", "galaxy-nets"), "there is no model models/galaxy-nets")
        self.refused(text.replace("stage2]", "stage9]"), "init.freeze[1]", "stage4 of small_cnn")
        self.refused(text.replace("layer_decay: 0.5", "head: keep"), "init.head", "edge_on, elliptical, spiral")
        self.refused(text + "model: {resnet: {depth: 18}}\n", "is resnet18", "is small_cnn")

    def test_other_shape_is_named_by_its_tensor(self):
        text = TUNED.replace("MODEL", self.parent) + "model: {small_cnn: {width: 8}}\n"
        job = self.node.submit(text)
        self.node.run("wait", job, code=None)
        attempt = self.node.json("show", job)["attempts"][-1]
        self.assertEqual(attempt["end"], "INVALID_DATA")
        self.assertIn('its tensor "features.0.conv.weight" is [16, 3, 3, 3], this network\'s is [8, 3, 3, 3]',
                      attempt["message"])


if __name__ == "__main__":
    unittest.main()
