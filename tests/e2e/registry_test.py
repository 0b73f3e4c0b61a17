"""From registered real data to a model with a name of its own, with all real binaries."""

import json
import struct
import unittest
import zlib

from node import SOURCE, Node

GZ2 = SOURCE.parent / "shared" / "data" / "gz2-kaggle5"
COUNTS = {"completely_round_smooth": (451, 105), "in_between_smooth": (444, 103), "cigar_shaped_smooth": (33, 8),
          "edge_on": (203, 47), "spiral": (843, 197)}

EXPERIMENT = """
name: gz2
data: {dataset: gz2-kaggle5, image: {center_crop: 0.5, size: 32}, splits: {test: {fraction: 0.1}}}
task: {classification: {}}
model: {small_cnn: {width: 8}}
train: {epochs: 1, batch_size: 64, seed: 1}
resources: {cpus: 1}
"""


@unittest.skipUnless(GZ2.exists(), "the larger data sets are not beside the clone")
class RegistryTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.node = Node("--data-root", GZ2).start()
        cls.node.run("datasets", "add", "gz2-kaggle5", GZ2 / "gz2_kaggle5.tar")

    @classmethod
    def tearDownClass(cls):
        cls.node.close()

    def test_folders_and_table_say_the_same(self):
        by_folder = self.node.json("datasets", "show", "gz2-kaggle5")
        self.assertEqual(by_folder["count"], 2434)
        self.assertEqual((by_folder["min_width"], by_folder["max_height"]), (424, 424))
        self.assertEqual([split["name"] for split in by_folder["splits"]], ["train", "val"])
        for i, found in enumerate(by_folder["classes"]):
            counts = tuple(split["class_counts"][i] for split in by_folder["splits"])
            self.assertEqual(counts, COUNTS[found["name"]])
        # The table is of a larger set: its other rows have no image here.
        self.node.run("datasets", "add", "gz2/table", GZ2 / "gz2_kaggle5.tar", "--table", GZ2 / "labels.csv",
                      "--id", "GalaxyID", "--split", "Split", "--target", "ClassName", "--unmatched", "skip")
        by_table = self.node.json("datasets", "show", "gz2/table")
        self.assertEqual({c["name"]: c["count"] for c in by_table["classes"]},
                         {c["name"]: c["count"] for c in by_folder["classes"]})

    def test_sheet_has_a_row_for_each_class(self):
        self.node.run("datasets", "preview", "gz2-kaggle5", "-o", "sheet.png", "--only-split", "val", "--center-crop", "0.5")
        png = (self.node.root / "sheet.png").read_bytes()
        self.assertEqual(png[:8], b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", png[16:24])
        self.assertEqual((width, height), (4 + 8 * 100, 4 + 5 * (18 + 111)))
        # One IDAT chunk after the other, then the end.
        at, pixels = 8, b""
        while at < len(png):
            (length,) = struct.unpack(">I", png[at:at + 4])
            pixels += png[at + 8:at + 8 + length] if png[at + 4:at + 8] == b"IDAT" else b""
            at += 12 + length
        self.assertEqual(len(zlib.decompress(pixels)), height * (1 + 3 * width))

    def test_model_knows_its_data_and_goes_by_an_alias(self):
        job = self.node.submit(EXPERIMENT, "--wait")
        stored = self.node.json("show", job)
        self.assertEqual((stored["state"], stored["dataset"]), ("SUCCEEDED", "datasets/gz2-kaggle5"))
        self.assertEqual(stored["experiment"]["data"]["dataset"], str(GZ2 / "gz2_kaggle5.tar"))
        model = self.node.json("models", "show", job)
        self.assertEqual(model["job"], f"jobs/{job}")
        self.assertEqual(model["dataset"], "datasets/gz2-kaggle5")
        self.assertEqual(model["data_fingerprint"], self.node.json("datasets", "show", "gz2-kaggle5")["fingerprint"])

        done = self.node.run("models", "alias", job, "best")
        self.assertEqual(done.stdout, f"{job}@best  stands for {job}@1\n")
        self.assertIn("aliases  best", self.node.run("models", "show", f"{job}@best").stdout)
        report = self.node.json("evaluate", f"{job}@best", "--data", "gz2-kaggle5", "--split", "val")
        self.assertEqual(report["count"], 460)
        self.node.run("fetch", f"{job}@best", "-o", "fetched")
        card = json.loads((self.node.root / "fetched" / "model.json").read_text())
        self.assertEqual(card["job"], f"jobs/{job}")
        self.node.run("models", "delete", f"{job}@best")
        self.assertIn("there is no model", self.node.run("models", "show", f"{job}@1", code=3).stderr)


if __name__ == "__main__":
    unittest.main()
