"""Predictions as Parquet, as pyarrow reads them: ids of any letters, classes, features, votes and their deviations."""

import csv
import math
import pathlib
import tarfile
import unittest

from node import DATA, NodeTestCase

try:
    import pyarrow
    import pyarrow.parquet

    MISSING = ""
except ImportError as error:
    MISSING = f"{error}: needs pyarrow (cmake -D SKYTRAIN_TORCH_PYTHON=PYTHON)"

EACH = 10  # Images of each class.
EXPERIMENT = """
name: parquet
data:
  files: {{images: [{images}], table: {table}, id: id, file: [file]}}
  image: {{size: 32}}
  splits: {{validation: {{fraction: 0.2, seed: 0}}, test: {{fraction: 0.2, seed: 1}}}}
task: {task}
model: {{small_cnn: {{width: 8}}}}
train: {{epochs: 1, batch_size: 8, seed: 1}}
output: {{predictions: parquet, features: true}}
resources: {{cpus: 1}}
"""


@unittest.skipIf(MISSING, MISSING)
class ParquetTest(NodeTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.images = cls.node.root / "images"
        cls.images.mkdir()
        cls.rows = []
        with tarfile.open(DATA / "galaxies3.tar") as tar:
            for member in tar:
                name = pathlib.PurePath(member.name)
                kind = name.parent.name
                if name.suffix != ".jpg" or sum(row["kind"] == kind for row in cls.rows) == EACH:
                    continue
                (cls.images / name.name).write_bytes(tar.extractfile(member).read())
                number = len(cls.rows)
                cls.rows.append({"id": f"galaxi\u00e9 \u2116 {number}", "file": name.name, "kind": kind, "ra": 180 + number / 7,
                                 "dec": -number, "ring_yes": number % 4, "ring_no": 3})
        cls.table = cls.node.root / "catalog.csv"
        with open(cls.table, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(cls.rows[0]))
            writer.writeheader()
            writer.writerows(cls.rows)

    def train(self, task, *flags):
        text = EXPERIMENT.format(images=self.images, table=self.table, task=task)
        job = self.node.submit(text, "--wait", *flags)
        out = self.node.root / job
        self.node.run("fetch", job, "-o", out)
        return job, out

    def check_catalog(self, rows):
        """Each row is found again in the catalog."""
        self.assertEqual(len(rows), 3 * EACH)
        by_id = {row["id"]: row for row in self.rows}
        for row in rows:
            known = by_id.pop(row["id"])
            self.assertEqual((row["ra"], row["dec"]), (known["ra"], known["dec"]))
            yield row, known

    def test_classes_features_and_ids_of_any_letters(self):
        _, out = self.train("{classification: {target: kind}}")
        table = pyarrow.parquet.read_table(out / "predictions.parquet")
        table.validate(full=True)
        types = {field.name: str(field.type) for field in table.schema}
        self.assertEqual({types[name] for name in ("id", "split", "label", "prediction")}, {"string"})
        self.assertEqual((types["ra"], types["uncertainty"], types["probability/spiral"]), ("double", "float", "float"))
        self.assertRegex(types["features"], r"list.*float")
        widths = set()
        for row, known in self.check_catalog(table.to_pylist()):
            self.assertEqual(row["label"], known["kind"])
            shares = {name: row[f"probability/{name}"] for name in ("edge_on", "elliptical", "spiral")}
            self.assertAlmostEqual(sum(shares.values()), 1, places=5)
            self.assertEqual(row["prediction"], max(shares, key=shares.get))
            widths.add(len(row["features"]))
        self.assertEqual(len(widths), 1)
        self.assertEqual(sorted(table["split"].unique().to_pylist()), ["test", "train", "validation"])

    def test_votes_have_the_deviations_that_csv_has(self):
        job, out = self.train("{vote_counts: {builtin_tree: gz_rings}}")
        table = pyarrow.parquet.read_table(out / "predictions.parquet")
        table.validate(full=True)
        for row, known in self.check_catalog(table.to_pylist()):
            self.assertEqual((row["target/ring_yes"], row["target/ring_no"]), (known["ring_yes"], known["ring_no"]))
            mean, deviation = row["prediction/ring_yes"], row["uncertainty/ring_yes"]
            self.assertAlmostEqual(mean + row["prediction/ring_no"], 1, places=5)
            # Of a Dirichlet distribution, sqrt(m (1 - m) / (a0 + 1)), both concentrations being 1 to 101.
            self.assertAlmostEqual(deviation, row["uncertainty/ring_no"], places=5)
            spread = math.sqrt(mean * (1 - mean))
            self.assertTrue(spread / math.sqrt(203.1) <= deviation <= spread / math.sqrt(2.9), row)

        said = {}
        for suffix in ("csv", "parquet"):
            self.node.run("predict", job, self.images, "-o", self.node.root / f"votes.{suffix}")
        with open(self.node.root / "votes.csv", newline="") as file:
            said = {row["id"]: row for row in csv.DictReader(file)}
        columns = pyarrow.parquet.read_table(self.node.root / "votes.parquet")
        self.assertEqual(columns.schema.names, list(next(iter(said.values()))))
        self.assertIn("uncertainty/ring_yes", columns.schema.names)
        for row in columns.to_pylist():
            for name in columns.schema.names[1:]:
                self.assertAlmostEqual(row[name], float(said[row["id"]][name]), places=6)
        self.assertEqual(columns.num_rows, len(said))


if __name__ == "__main__":
    unittest.main()
