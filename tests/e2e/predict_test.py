"""Predictions of a trained model for samples without labels, with all real binaries on real galaxies."""

import csv
import io
import json
import pathlib
import shutil
import signal
import tarfile
import tempfile
import unittest

from node import DATA, GALAXIES, IRIS, NodeTestCase, wait_until

CLASSES = ["edge_on", "elliptical", "spiral"]
DROPOUT = GALAXIES.replace("small_cnn: {width: 16}", "wide_resnet: {depth: 10, widen: 1, dropout: 0.3}")


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


class Predict(NodeTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = cls.node.submit(GALAXIES, "--wait", "--set", "train.epochs=2")
        cls.other = cls.node.submit(GALAXIES, "--wait", "--set", "train.epochs=1", "--set", "train.seed=2")
        cls.dropout = cls.node.submit(DROPOUT, "--wait", "--set", "train.epochs=1")
        cls.iris = cls.node.submit(IRIS, "--wait", "--set", "train.epochs=3")
        # The test images, flat and in folders that mean nothing.
        cls.flat = cls.node.root / "flat"
        cls.nested = cls.node.root / "nested"
        cls.flat.mkdir()
        cls.labels = {}
        with tarfile.open(DATA / "galaxies3.tar") as tar:
            for number, member in enumerate(m for m in tar if m.isfile() and "/test/" in "/" + m.name):
                name = pathlib.PurePath(member.name)
                content = tar.extractfile(member).read()
                (cls.flat / name.name).write_bytes(content)
                folder = cls.nested / f"field {number % 3}" / ("train" if number % 2 else "x")
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name.name).write_bytes(content)
                cls.labels[name.stem] = name.parent.name

    def predict(self, *arguments, code=0):
        return self.node.run("predict", *arguments, code=code)

    def same(self, said, expected):
        """But for the last digits, which depend on what else is in a batch."""
        rows = rows_of(said.stdout)
        self.assertEqual([row["id"] for row in rows], [row["id"] for row in expected])
        for row, other in zip(rows, expected):
            self.assertAlmostEqual(float(row["probability/spiral"]), float(other["probability/spiral"]), places=5)

    def test_images_without_labels_are_predicted_as_those_with_are(self):
        out = self.node.root / "flat.csv"
        said = self.predict(self.model, self.flat, "-o", out)
        self.assertEqual(said.stdout.strip(), str(out))
        rows = rows_of(out.read_text())
        self.assertEqual(sorted(row["id"] for row in rows), sorted(self.labels))
        for row in rows:
            self.assertNotIn("label", row)
            self.assertFalse([name for name in row if name.startswith("uncertainty/")])
            shares = [float(row[f"probability/{name}"]) for name in CLASSES]
            self.assertAlmostEqual(sum(shares), 1, places=5)
            self.assertEqual(row["prediction"], CLASSES[shares.index(max(shares))])

        with_labels = self.node.root / "with_labels.csv"
        report = self.node.json("evaluate", self.model, DATA / "galaxies3.tar", "--split", "test", "-o", with_labels)
        labelled = {row["id"]: row for row in rows_of(with_labels.read_text())}
        self.assertEqual({id: row["label"] for id, row in labelled.items()}, self.labels)
        for row in rows:
            self.assertAlmostEqual(float(row["probability/spiral"]), float(labelled[row["id"]]["probability/spiral"]), places=5)
        right = sum(row["label"] == row["prediction"] for row in labelled.values())
        self.assertAlmostEqual(report["accuracy"], right / report["count"], places=6)

    def test_folders_names_mean_nothing_and_stdout_takes_the_table(self):
        flat = self.predict(self.model, self.flat, "-o", "-").stdout
        nested = self.predict(self.model, self.nested).stdout  # No terminal: stdout.
        by_id = lambda text: sorted((row["id"], row["probability/spiral"]) for row in rows_of(text))
        for (one, share), (other, again) in zip(by_id(flat), by_id(nested), strict=True):
            self.assertEqual(one, other)
            self.assertAlmostEqual(float(share), float(again), places=5)

    def test_what_is_here_goes_along(self):
        name = sorted(self.labels)[0]
        image = next(self.flat.glob(name + ".*"))
        expected = [row for row in rows_of(self.predict(self.model, self.flat).stdout) if row["id"] == name]
        self.same(self.predict(self.model, image), expected)  # A single file on the server.
        with tempfile.TemporaryDirectory(dir="/tmp") as elsewhere:
            here = pathlib.Path(elsewhere) / ("long " * 30) / "images"
            shutil.copytree(self.flat, here)
            refused = self.predict(self.model, here, code=4)
            self.assertIn("--upload", refused.stderr)
            self.assertEqual(len(rows_of(self.predict(self.model, here, "--upload").stdout)), len(self.labels))
            one = here / image.name
            self.same(self.predict(self.model, one, "--upload"), expected)
            two = [one, next(path for path in here.iterdir() if path != one)]
            self.assertEqual(len(rows_of(self.predict(self.model, *two, "--upload").stdout)), 2)
            self.assertIn("--upload", self.predict(self.model, *two, code=2).stderr)
            (here.parent / "notes.txt").write_text("no image")
            self.assertIn("notes.txt", self.predict(self.model, one, here.parent / "notes.txt", "--upload", code=2).stderr)
            self.predict(self.model, here / "absent", "--upload", code=3)

    def test_several_models_turns_and_dropout_say_how_certain_they_are(self):
        def spread(text):
            return max(float(value) for row in rows_of(text) for name, value in row.items() if name.startswith("uncertainty/"))

        alone = rows_of(self.predict(self.model, self.flat).stdout)
        second = rows_of(self.predict(self.other, self.flat).stdout)
        both = self.predict(f"{self.model},{self.other}", self.flat).stdout
        for a, b, mean in zip(alone, second, rows_of(both)):
            self.assertEqual(a["id"], mean["id"])
            expected = (float(a["probability/spiral"]) + float(b["probability/spiral"])) / 2
            self.assertAlmostEqual(float(mean["probability/spiral"]), expected, places=5)
        self.assertGreater(spread(both), 0)
        self.assertEqual(spread(self.predict(f"{self.model},{self.model}", self.flat).stdout), 0)
        self.assertGreater(spread(self.predict(self.model, self.flat, "--dihedral").stdout), 0)
        passes = self.predict(self.dropout, self.flat, "--dropout", "5").stdout
        self.assertGreater(spread(passes), 0)
        self.assertEqual(passes, self.predict(self.dropout, self.flat, "--dropout", "5").stdout)

        # Measured alike, with an average that is a prediction of its own.
        report = self.node.json("evaluate", self.model, "--data", DATA / "galaxies3.tar", "--split", "test",
                                "--ensemble", self.other, "--dihedral")
        self.assertEqual(report["count"], len(self.labels))
        self.assertGreater(report["accuracy"], 0.3)

    def test_a_split_with_labels_is_measured_too(self):
        out = self.node.root / "split.csv"
        said = self.node.json("predict", self.model, DATA / "galaxies3.tar", "--labelled-split", "test", "-o", out)
        self.assertEqual(said["report"]["count"], len(self.labels))
        self.assertEqual(len(rows_of(out.read_text())), len(self.labels))
        self.assertEqual(said["size_bytes"], out.stat().st_size)

    def test_formats_hold_the_same(self):
        expected = rows_of(self.predict(self.model, self.flat).stdout)
        lines = self.node.root / "flat.jsonl"
        self.predict(self.model, self.flat, "-o", lines)
        for row, other in zip([json.loads(line) for line in lines.read_text().splitlines()], expected, strict=True):
            self.assertEqual((row["id"], row["prediction"]), (other["id"], other["prediction"]))
            self.assertAlmostEqual(row["probability/spiral"], float(other["probability/spiral"]), places=5)
        table = self.node.root / "flat.parquet"
        self.predict(self.model, self.flat, "-o", table, "--features")
        content = table.read_bytes()
        self.assertEqual((content[:4], content[-4:]), (b"PAR1", b"PAR1"))
        # As a table with ids and positions of its own it can be read again.
        columns = self.node.json("datasets", "show", table)["columns"]
        self.assertEqual([name for name in columns if name.startswith("probability/")],
                         [f"probability/{name}" for name in CLASSES])

    def test_a_run_leaves_the_files_that_it_was_asked_for(self):
        job = self.node.submit(GALAXIES, "--wait", "--set", "train.epochs=1", "--set", "output.predictions=json_lines",
                               "--set", "output.mistakes=5")
        out = self.node.root / "asked"
        self.node.run("fetch", job, "-o", out)
        rows = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
        self.assertEqual({row["split"] for row in rows}, {"train", "validation", "test"})
        self.assertEqual({row["id"] for row in rows if row["split"] == "test"}, set(self.labels))
        self.assertTrue(all(0 <= row["uncertainty"] <= 1 for row in rows))
        self.assertEqual((out / "mistakes.png").read_bytes()[:4], b"\x89PNG")
        self.assertFalse((out / "predictions.csv").exists())
        listed = {file["name"] for file in json.loads((out / "model.json").read_text())["files"]}
        self.assertEqual(listed, {"predictions.jsonl", "mistakes.png"})
        none = self.node.submit(GALAXIES, "--wait", "--set", "train.epochs=1", "--set", "output.predictions=none",
                                "--set", "output.mistakes=0")
        self.node.run("fetch", none, "-o", self.node.root / "none")
        self.assertEqual({file.name for file in (self.node.root / "none").iterdir()}, {"model.json", "model.safetensors"})

    def test_a_table_needs_no_class(self):
        rows = rows_of((DATA / "iris.csv").read_text())
        path = self.node.root / "measured.csv"
        names = [name for name in rows[0] if name != "Species"]
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, ["note", *reversed(names)], extrasaction="ignore")
            writer.writeheader()
            writer.writerows({**row, "note": "seen"} for row in rows)
        predicted = rows_of(self.predict(self.iris, path).stdout)
        self.assertEqual([row["id"] for row in predicted], [str(i) for i in range(1, 151)])
        # Columns go by their names, whatever their order.
        with_class = self.node.root / "iris_predicted.csv"
        self.node.run("evaluate", self.iris, "--data", DATA / "iris.csv", "-o", with_class)
        self.assertEqual([row["prediction"] for row in predicted],
                         [row["prediction"] for row in rows_of(with_class.read_text())])
        short = self.node.write("short.csv", f"{names[0]}\n1.5\n")
        failed = self.predict(self.iris, short, code=1)
        self.assertIn(names[1], failed.stderr)

    def test_models_of_numbers_need_none(self):
        """A folder of images for a model of votes, a table without the target for one of a regression."""
        votes = self.node.write("votes.csv", "id,ring_yes,ring_no\n" + "".join(
            f"{name},{number % 4},3\n" for number, name in enumerate(sorted(self.labels))))
        text = GALAXIES.replace(f"dataset: {DATA}/galaxies3.tar", f"files: {{images: [{self.flat}], table: {votes}, id: id}}")
        model = self.node.submit(text.replace("classification: {}", "vote_counts: {builtin_tree: gz_rings}"), "--wait",
                                 "--set", "train.epochs=1")
        rows = rows_of(self.predict(model, self.flat).stdout)
        self.assertEqual(sorted(row["id"] for row in rows), sorted(self.labels))
        self.assertEqual(list(rows[0]), ["id", "prediction/ring_yes", "prediction/ring_no", "uncertainty/ring_yes",
                                         "uncertainty/ring_no"])
        self.assertTrue(all(0 < float(row["prediction/ring_yes"]) < 1 for row in rows))

        text = IRIS.replace("iris.csv", "old_faithful.csv").replace("classification: {target: Species}",
                                                                    "regression: {targets: [waiting]}")
        model = self.node.submit(text, "--wait", "--set", "train.epochs=10")
        rows = rows_of(self.predict(model, self.node.write("erupts.csv", "eruptions\n3.6\n1.8\n")).stdout)
        self.assertEqual([list(row) for row in rows], 2 * [["id", "prediction/waiting"]])
        self.assertTrue(30 < float(rows[1]["prediction/waiting"]) < float(rows[0]["prediction/waiting"]) < 110, rows)

    def test_fetch_brings_the_same_bytes_until_the_job_is_deleted(self):
        job = self.predict(self.model, self.flat, "--detach").stdout.strip()
        self.node.run("wait", job)
        shown = self.node.json("show", job)
        self.assertEqual([file["name"] for file in shown["files"]], ["predictions.csv"])
        self.assertIn("fetch", self.node.run("show", job).stdout)
        out = self.node.root / "fetched"
        self.node.run("fetch", job, "-o", out)
        direct = self.predict(self.model, self.flat).stdout
        self.assertEqual((out / "predictions.csv").read_text(), direct)
        self.node.run("gc")
        self.node.run("fetch", job, "-o", self.node.root / "again")
        kinds = [next(key for key in event if key not in ("seq", "attempt", "time"))
                 for event in self.node.jsonl("watch", job)]
        self.assertIn("files", kinds)
        self.assertNotIn("report", kinds)
        self.node.run("delete", job)
        self.node.run("fetch", job, "-o", self.node.root / "gone", code=3)

    def test_ctrl_c_leaves_the_job_and_says_how_to_go_on(self):
        holding = self.node.submit(IRIS.replace("cpus: 1", "cpus: 0"), "--set", "train.epochs=1000000")
        waiting = self.node.popen("predict", self.model, self.flat, "--cpus", "2")
        try:
            job = wait_until(lambda: [j["name"] for j in self.node.json("list")["jobs"]
                                      if j["name"].startswith("predict-") and j["state"] == "QUEUED"], "the job waits")[0]
            waiting.send_signal(signal.SIGINT)
            out, err = waiting.communicate(timeout=60)
            self.assertEqual(waiting.returncode, 130, err)
            self.assertEqual(out, "")
            self.assertIn(f"skytrain fetch {job}", err)
        finally:
            waiting.kill()
            self.node.run("cancel", holding)
        self.node.run("wait", job, "--timeout", "120")
        self.node.run("fetch", job, "-o", self.node.root / "later")
        self.assertEqual(len(rows_of((self.node.root / "later" / "predictions.csv").read_text())), len(self.labels))

    def test_mistakes_are_refused_before_anything_is_queued(self):
        jobs = len(self.node.json("list", "--all")["jobs"])
        for arguments, code, words in [
                ([f"{self.model},{self.iris}", self.flat], 2, "cannot be averaged"),
                ([self.model, self.flat, "--dropout", "4"], 2, "dropout"),
                ([self.model, self.flat, "--dropout", "0"], 2, "--dropout"),
                ([self.model, self.flat, "-o", "table.xlsx"], 2, ".parquet"),
                ([self.iris, DATA / "iris.csv", "--dihedral"], 2, "dihedral"),
                ([self.model, self.flat, "--features", "-o", "x.jsonl"], 2, "features"),
                ([self.model, self.node.root / "nowhere-at-all"], 3, "nowhere-at-all"),
                (["no-such-model", self.flat], 3, "no-such-model"),
                ([self.model, self.flat, "-o", "-", "--output", "json"], 2, "stdout"),
        ]:
            with self.subTest(arguments=arguments):
                self.assertIn(words, self.predict(*arguments, code=code).stderr)
        self.assertEqual(len(self.node.json("list", "--all")["jobs"]), jobs)


if __name__ == "__main__":
    unittest.main()
