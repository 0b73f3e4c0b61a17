"""Weights from elsewhere become a model that is shown, evaluated, fetched and started from like any other."""

import json
import os
import pickle
import struct
import subprocess
import unittest
import zipfile

from node import BIN, DATA, GALAXIES, Node, NodeTestCase

CLASSES = "edge_on,elliptical,spiral"
TUNED = f"""
name: tuned
data:
  dataset: {DATA}/galaxies3.tar
  splits: {{validation: {{fraction: 0.15, seed: 0}}}}
task: {{classification: {{}}}}
init: {{model: MODEL, freeze: [stage1]}}
train: {{epochs: 1, batch_size: 32, seed: 2}}
resources: {{cpus: 1}}
"""


def read(path):
    """The header of a safetensors file without its metadata, and the tensors' bytes."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    header.pop("__metadata__", None)
    return header, content[8 + length:]


def write(path, tensors):
    """`tensors`: name to (dtype, shape, bytes)."""
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def small_cnn(width):
    """Weights of zeros, variances of one."""
    tensors = {}
    inputs = 3
    for i in range(4):
        outputs = width << i
        tensors[f"features.{i}.conv.weight"] = ("F32", [outputs, inputs, 3, 3], b"\0" * 4 * outputs * inputs * 9)
        for name in ("weight", "bias", "running_mean", "running_var"):
            tensors[f"features.{i}.bn.{name}"] = ("F32", [outputs], struct.pack("<f", 1.0) * outputs)
        inputs = outputs
    tensors["fc.weight"] = ("F32", [2, inputs], b"\0" * 8 * inputs)
    tensors["fc.bias"] = ("F32", [2], b"\0" * 8)
    return tensors


class ImportTest(NodeTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.job = cls.node.submit(GALAXIES, "--wait", "--set", "train.epochs=3", "--set",
                                  "data.image.normalize={imagenet: {}}")
        cls.node.run("fetch", cls.job, "-o", cls.node.root / "trained")
        cls.weights = cls.node.root / "trained" / "model.safetensors"
        header, data = read(cls.weights)
        cls.tensors = {name: (t["dtype"], t["shape"], data[slice(*t["data_offsets"])]) for name, t in header.items()}

    def bring(self, file, *arguments, code=0, name="published", width=16, classes=CLASSES):
        return self.node.run("models", "import", file, "--arch", "small_cnn", "--width", width, "--size", 32, "--classes",
                             classes, "--name", name, *arguments, code=code)

    def evaluate(self, model):
        return self.node.json("evaluate", model, "--data", DATA / "galaxies3.tar", "--split", "test")

    def test_imported_weights_evaluate_as_where_they_come_from(self):
        done = self.bring(self.weights, "--source", "our own, of last year", name="same")
        self.assertEqual(done.stdout, "same@1\n")
        self.assertIn("init: {model: same@1}", done.stderr)
        here, there = self.evaluate("same@1"), self.evaluate(self.job)
        # In batches of another size, so with other rounding.
        self.assertAlmostEqual(here["loss"], there["loss"], delta=1e-5)
        self.assertEqual(here["confusion_matrix"], there["confusion_matrix"])
        shown = self.node.json("models", "show", "same")
        self.assertEqual(shown["source"], "our own, of last year")
        self.assertFalse(shown.get("job"))
        text = self.node.run("models", "show", "same@1").stdout
        self.assertIn("imported: our own, of last year", text)
        self.assertNotIn("  job ", text)
        out = self.node.root / "fetched"
        self.node.run("fetch", "same@1", "-o", out)
        self.assertEqual(read(out / "model.safetensors"), read(self.weights))
        card = json.loads((out / "model.json").read_text())
        self.assertEqual(card["job"], "")
        self.assertEqual(card["reports"], [])

    def test_versions_go_on_aliases_work_and_names_are_not_taken_twice(self):
        self.assertEqual(self.bring(self.weights).stdout, "published@1\n")
        self.assertEqual(self.bring(self.weights).stdout, "published@1\n")  # As a repeated call would.
        self.assertEqual(self.bring(self.weights, "--source", "elsewhere").stdout, "published@2\n")
        self.node.run("models", "alias", "published@1", "best")
        self.assertIn("published@1", self.node.run("models", "show", "published@best").stdout)
        self.node.run("models", "delete", "published@2")
        self.assertEqual(self.bring(self.weights, "--source", "elsewhere").stdout, "published@3\n")
        taken = self.bring(self.weights, name=self.job.removeprefix("jobs/"), code=None)
        self.assertNotEqual(taken.returncode, 0)
        self.assertIn("is that of a job", taken.stderr)
        job = self.node.run("submit", self.node.write("galaxies.yaml", GALAXIES), "--name", "published", code=None)
        self.assertIn("there is an imported model published", job.stderr)

    def test_dry_run_checks_all_and_publishes_nothing(self):
        self.assertIn("fits: small_cnn", self.bring(self.weights, "--dry-run", name="dry").stdout)
        self.node.run("models", "show", "dry", code=3)

    def test_training_starts_from_imported_weights(self):
        self.bring(self.weights, name="start")
        job = self.node.submit(TUNED.replace("MODEL", "start@1"), "--wait")
        out = self.node.root / "tuned"
        self.node.run("fetch", job, "-o", out)
        card = json.loads((out / "model.json").read_text())
        self.assertEqual(card["parent"], "models/start/versions/1")
        self.assertEqual(card["preprocessing"]["mean"], [0.485, 0.456, 0.406])
        header, data = read(out / "model.safetensors")
        for name, (_, _, content) in self.tensors.items():
            same = data[slice(*header[name]["data_offsets"])] == content
            self.assertEqual(same, name.startswith("features.0."), name)

    def test_verify_says_that_an_import_has_no_job(self):
        self.bring(self.weights, name="unverified")
        refused = self.node.run("verify", "unverified", code=None)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("unverified is imported: no job trained it, so there is nothing to run again", refused.stderr)

    def refused(self, file, *parts, **options):
        error = self.bring(file, code=2, name="refused", **options)
        for part in parts:
            self.assertIn(part, error.stderr)
        self.node.run("models", "show", "refused", code=3)

    def changed(self, **changes):
        """The weights with some tensors exchanged, or left out (None)."""
        tensors = {**self.tensors, **{name.replace("__", "."): tensor for name, tensor in changes.items()}}
        return write(self.node.root / "changed.safetensors", {k: v for k, v in tensors.items() if v is not None})

    def test_tensors_that_do_not_fit_are_named(self):
        self.refused(self.changed(fc__bias=None), 'tensor "fc.bias" [outputs] of small_cnn is missing')
        self.refused(self.changed(fc__scale=("F32", [1], b"\0" * 4)), '"fc.scale" [1] belongs to no layer')
        self.refused(self.changed(fc__bias=("F32", [3, 1, 2], b"\0" * 24)), '"fc.bias" is [3, 1, 2]')
        self.refused(self.changed(fc__bias=("F64", [3], b"\0" * 24)), '"fc.bias" is F64')
        self.refused(self.changed(fc__bias=("F32", [3], struct.pack("<3f", 0, float("nan"), 0))),
                     '"fc.bias" holds numbers that are not finite')
        self.refused(self.weights, 'that of small_cnn is [8, 3, 3, 3]', width=8)
        self.refused(self.weights, "outputs: are 2, but the last layer of these weights has 3",
                     classes="a,b")

    def test_files_that_lie_are_refused(self):
        whole = self.weights.read_bytes()
        lying = self.node.root / "lying.safetensors"
        lying.write_bytes(struct.pack("<Q", 1 << 40) + whole[8:])
        self.refused(lying, "not a whole safetensors file: its header claims 1099511627776 bytes")
        lying.write_bytes(whole + b"more")
        self.refused(lying, "4 bytes belong to no tensor")
        lying.write_bytes(whole[:-100])
        self.refused(lying, "not a whole safetensors file")

    def test_other_formats_are_refused_here_with_the_lines_that_convert_them(self):
        pickled = self.node.root / "old.pth"
        pickled.write_bytes(pickle.dumps({"fc.bias": [0.0]}, protocol=2))
        archive = self.node.root / "weights.pth"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("archive/data.pkl", b"")
        arrays = self.node.root / "weights.npz"
        with zipfile.ZipFile(arrays, "w") as file:
            file.writestr("fc.bias.npy", b"")
        self.refused(pickled, "is a file of PyTorch, not safetensors", 'torch.load("', "weights_only=True")
        self.refused(archive, "is a file of PyTorch", '"weights.safetensors")')
        self.refused(arrays, "is a file of NumPy", "numpy.load(")
        self.refused(self.node.write("text.safetensors", "no weights at all"), "is not a safetensors file")
        missing = self.bring(self.node.root / "nothing.safetensors", code=3)
        self.assertIn("there is no file", missing.stderr)

    def test_mistakes_on_the_command_line(self):
        def bad(*arguments):
            return self.node.run("models", "import", self.weights, *arguments, code=2).stderr

        self.assertIn("there is no architecture 'resnet19'; did you mean 'resnet18'?", bad("--arch", "resnet19"))
        self.assertIn("convnext_tiny has no --width", bad("--arch", "convnext_tiny", "--width", 8))
        self.assertIn("is no name for a model", bad("--arch", "small_cnn", "--name", "Big"))
        self.assertIn("must be between 8 and 1024, not 4", bad("--arch", "resnet18", "--size", 4))
        self.assertIn("source: must have at most 1000 bytes", bad("--arch", "resnet18", "--source", "x" * 1001))


USER = "daemon"  # An account that every Debian has.


def can_run_worker():
    """Whether that user can start the worker where it was built."""
    try:
        run = subprocess.run([BIN / "skytrain-worker"], user=USER, group=USER, capture_output=True, text=True, timeout=60)
    except (OSError, KeyError):
        return False
    return "usage" in run.stderr


@unittest.skipUnless(os.geteuid() == 0, "mode: site needs root")
class SiteImportTest(unittest.TestCase):
    def test_weights_are_checked_as_the_user_and_belong_to_him(self):
        if not can_run_worker():
            self.skipTest(f"the user {USER} cannot reach the worker")
        node = Node("--mode", "site")
        self.addCleanup(node.close)
        os.chmod(node.root, 0o711)
        node.start()
        weights = write(node.root / "weights.safetensors",
                        {"0.weight": ("F32", [2, 192], b"\0" * 1536), "0.bias": ("F32", [2], b"\0" * 8)})
        weights.chmod(0o644)
        environment = {"SKYTRAIN_SERVER": node.server, "PATH": os.environ["PATH"], "HOME": "/nonexistent"}

        def skytrain(*arguments):
            return subprocess.run([BIN / "skytrain", *map(str, arguments)], user=USER, group=USER, extra_groups=[],
                                  env=environment, cwd="/", capture_output=True, text=True, timeout=120)

        refused = skytrain("models", "import", weights, "--arch", "resnet18")
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("of resnet18 is missing", refused.stderr)
        small = node.root / "small.safetensors"
        write(small, small_cnn(width=1))
        small.chmod(0o644)
        done = skytrain("models", "import", small, "--arch", "small_cnn", "--width", 1, "--name", "tiny")
        self.assertEqual(done.returncode, 0, done.stderr + node.log())
        self.assertEqual(done.stdout, "tiny@1\n")
        self.assertEqual(node.json("models", "show", "tiny")["owner"], USER)
        write(small, {**small_cnn(width=1), "fc.bias": ("F32", [2], struct.pack("<2f", 0, 1))})
        taken = node.run("models", "import", small, "--arch", "small_cnn", "--width", 1, "--name", "tiny", code=None)
        self.assertIn("belongs to somebody else", taken.stderr)
        scratch = node.root / "state" / "work" / "probe"
        left = [path for folder in scratch.iterdir() for path in folder.iterdir()]
        self.assertEqual(left, [])


if __name__ == "__main__":
    unittest.main()
