"""A user's way from an experiment file to a model, with all real binaries."""

import csv
import hashlib
import json
import pathlib
import struct
import tarfile
import unittest
import zipfile

from node import DATA, GALAXIES, IRIS, NodeTestCase


def safetensors_header(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))


def npy(descr, shape, numbers):
    """An array as numpy writes it."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape})
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + numbers


def write_stripes(path, count):
    """`count` images of 16x16, class = number % 4: upright or level stripes, of either phase."""
    images, labels = bytearray(), bytearray()
    for i in range(count):
        label = i % 4
        for y in range(16):
            for x in range(16):
                wave = ((x if label < 2 else y) // 2 + label) % 2
                images += bytes([40 + 150 * wave + (7 * i + 3 * x + 5 * y) % 50] * 3)
        labels.append(label)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as npz:
        npz.writestr("images.npy", npy("|u1", (count, 16, 16, 3), bytes(images)))
        npz.writestr("labels.npy", npy("|u1", (count,), bytes(labels)))


STRIPES = """
name: stripes
data:
  dataset: {path}
  image: {{size: 16}}
  classes: {{merge: {{upright: ["0", "1"], level: ["2", "3"]}}}}
  splits: {{test: {{kfold: {{folds: 4, fold: 1}}}}}}
task: {{classification: {{}}}}
model: {{small_cnn: {{width: 8}}}}
train: {{epochs: 3, batch_size: 16, seed: 1}}
optimizer: {{adamw: {{lr: 1.0e-2}}}}
resources: {{cpus: 1}}
"""


FAITHFUL = """
name: faithful
data:
  dataset: {path}
  splits: {{test: {{fraction: 0.2, seed: 1}}}}
task: {{regression: {{targets: [waiting]}}}}
model: {{mlp: {{hidden: [16]}}}}
train: {{epochs: 60, batch_size: 32, seed: 1}}
optimizer: {{adamw: {{lr: 1.0e-2}}}}
resources: {{cpus: 1}}
"""


class TrainTest(NodeTestCase):
    def test_regression_is_measured_in_minutes_and_evaluates_as_it_was_tested(self):
        path = DATA / "old_faithful.csv"
        job = self.node.submit(FAITHFUL.format(path=path), "--wait")
        tested = self.node.json("show", job)["metrics"]
        self.assertGreaterEqual(tested["test/r2"], 0.7)
        self.assertTrue(3 < tested["test/rmse"] < 9, tested)  # The minutes have a deviation of 13.6.
        self.assertNotIn("test/accuracy", tested)
        report = self.node.json("evaluate", job, "--data", path)
        self.assertEqual((report["task"], report["count"]), ("regression", 272))
        self.assertTrue(3 < report["measures"]["rmse"] < 9, report)
        self.assertNotIn("accuracy", report)

        out = self.node.root / "faithful"
        self.node.run("fetch", job, "-o", out)
        card = json.loads((out / "model.json").read_text())
        self.assertEqual(card["targets"]["names"], ["waiting"])
        text = (out / "predictions.csv").read_bytes()
        self.assertEqual(card["files"], [{"name": "predictions.csv", "size_bytes": len(text),
                                          "sha256": hashlib.sha256(text).hexdigest()}])
        rows = [row for row in csv.DictReader(text.decode().splitlines()) if row["split"] == "test"]
        squares = [(float(row["target/waiting"]) - float(row["prediction/waiting"])) ** 2 for row in rows]
        self.assertEqual(len(rows), 54)
        self.assertAlmostEqual((sum(squares) / len(squares)) ** 0.5, tested["test/rmse"], places=4)

    def test_iris_learns(self):
        job = self.node.submit(IRIS, "--wait")
        shown = self.node.json("show", job)
        self.assertEqual(shown["state"], "SUCCEEDED")
        self.assertGreaterEqual(shown["metrics"]["test/accuracy"], 0.9)

    def test_resnet_on_galaxies_is_fetched_and_evaluates_as_it_was_tested(self):
        text = GALAXIES.replace("small_cnn: {width: 16}", "resnet: {depth: 18}")
        job = self.node.submit(text, "--wait", "--set", "train.epochs=4")
        tested = self.node.json("show", job)["metrics"]
        self.assertGreaterEqual(tested["test/accuracy"], 0.6)

        out = self.node.root / "model"
        self.node.run("fetch", job, "-o", out)
        header = safetensors_header(out / "model.safetensors")
        self.assertEqual(header["conv1.weight"]["shape"], [64, 3, 7, 7])
        self.assertEqual(header["layer4.1.bn2.running_var"]["shape"], [512])
        self.assertEqual(header["fc.weight"]["shape"], [3, 512])
        card = json.loads((out / "model.json").read_text())
        self.assertEqual(card["classes"], ["edge_on", "elliptical", "spiral"])

        report = self.node.json("evaluate", job, "--data", DATA / "galaxies3.tar", "--split", "test")
        self.assertAlmostEqual(report["accuracy"], tested["test/accuracy"], places=6)
        self.assertAlmostEqual(report["balanced_accuracy"], tested["test/balanced_accuracy"], places=6)
        self.assertEqual(sum(map(sum, report["confusion_matrix"])), report["count"])

    def test_arrays_with_merged_classes_are_tested_on_a_fold(self):
        path = self.node.root / "stripes.npz"
        write_stripes(path, 160)
        job = self.node.submit(STRIPES.format(path=path), "--wait")
        self.assertGreaterEqual(self.node.json("show", job)["metrics"]["test/accuracy"], 0.95)
        out = self.node.root / "stripes"
        self.node.run("fetch", job, "-o", out)
        self.assertEqual(json.loads((out / "model.json").read_text())["classes"], ["level", "upright"])

    def leaks_of(self, folder, *flags):
        """What a job on the images of `folder` says of those that it both trains and measures on."""
        text = GALAXIES.replace(f"{DATA}/galaxies3.tar", str(folder)).replace(
            "  splits: {validation: {fraction: 0.15, seed: 0}}\n", "")
        job = self.node.submit(text, "--wait", "--set", "train.epochs=1", *flags)
        (data,) = [event["data"] for event in self.node.jsonl("watch", job) if "data" in event]
        return data, self.node.run("show", job).stdout, self.node.run("watch", job).stdout

    def test_image_that_is_in_train_and_test_is_counted_and_named(self):
        folder = self.node.root / "leaking"
        taken = {}
        with tarfile.open(DATA / "galaxies3.tar") as tar:
            for member in tar:
                parts = pathlib.PurePath(member.name).parts[-3:]
                if not member.isfile() or len(parts) < 3 or taken.get(parts[:2], 0) >= 12:
                    continue
                taken[parts[:2]] = taken.get(parts[:2], 0) + 1
                path = folder.joinpath(*parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(tar.extractfile(member).read())
        self.assertEqual(len(taken), 6, taken)
        data, shown, watched = self.leaks_of(folder)
        self.assertEqual(int(data.get("leaked", 0)), 0, data)
        self.assertNotIn("also in train", shown + watched)

        twice = sorted((folder / "test/spiral").iterdir())[0]
        (folder / "train/spiral/again.jpg").write_bytes(twice.read_bytes())
        data, shown, watched = self.leaks_of(folder)
        self.assertEqual(int(data["leaked"]), 1, data)
        said = f"{twice.stem} (test) is again (train)"
        self.assertEqual(data["leaked_names"], [said])
        for text in (shown, watched):
            self.assertIn(f"1 image of validation or test is also in train: {said}", text)

    def test_stream_is_numbered_without_a_gap_and_resumes_anywhere(self):
        job = self.node.submit(IRIS, "--wait", "--set", "train.epochs=5")
        events = self.node.jsonl("watch", job)
        self.assertEqual([event["seq"] for event in events], list(range(1, len(events) + 1)))
        self.assertIn("state", events[-1])
        middle = len(events) // 2
        self.assertEqual(self.node.jsonl("watch", job, "--after-seq", middle), events[middle:])

    def test_metrics_come_as_a_curve(self):
        job = self.node.submit(IRIS, "--wait", "--set", "train.epochs=7")
        points = [point for point in self.node.jsonl("metrics", job) if point["name"] == "val/accuracy"]
        self.assertEqual([point["epoch"] for point in points], list(range(1, 8)))
        self.assertEqual({point["attempt"] for point in points}, {1})

    def test_logs_of_the_worker_do_not_mix_with_results(self):
        job = self.node.submit(IRIS, "--wait", "--set", "train.epochs=2")
        self.assertNotIn("\x1b", self.node.run("logs", job).stdout)
        listed = {entry["name"]: entry["state"] for entry in self.node.json("list")["jobs"]}
        self.assertEqual(listed.get(job, listed.get(f"jobs/{job}")), "SUCCEEDED")


if __name__ == "__main__":
    unittest.main()
