"""`skytrain datasets`: names for data, and looks into them. Real client, daemon and probe, with a scripted worker."""

import csv
import io
import json
import os
import pathlib
import shutil
import struct
import sys
import tarfile
import unittest
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from node import BIN, DATA, IRIS, Node, wait_until  # noqa: E402


def pixels_of(png):
    """Width, height and rows of an RGB PNG of 8 bits; asserts that it is whole."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, []
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at:at + 4]), png[at + 4:at + 8]
        content = png[at + 8:at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length:at + 12 + length])[0] == zlib.crc32(kind + content)
        chunks.append((kind, content))
        at += 12 + length
    width, height, bits, colour = struct.unpack(">IIBB", chunks[0][1][:10])
    assert (bits, colour, chunks[-1][0]) == (8, 2, b"IEND")
    raw = zlib.decompress(b"".join(content for kind, content in chunks if kind == b"IDAT"))
    assert len(raw) == height * (1 + 3 * width)
    return width, height, raw


def add_image(tar, name, count=None):
    """The first `count` bytes of a galaxy of the repository (None: all) as the file `name`."""
    with tarfile.open(DATA / "galaxies3.tar") as galaxies:
        image = next(member for member in galaxies if member.name.endswith(".jpg"))
        content = galaxies.extractfile(image).read()[:count]
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


class DatasetsTest(unittest.TestCase):

    def setUp(self):
        self.node = Node("--cpus", "1", "--worker", BIN / "skytrain-fake-worker").start()
        self.addCleanup(self.node.close)

    def add(self, name, *arguments, code=0):
        return self.node.run("datasets", "add", name, *arguments, code=code)

    def names(self):
        return [dataset["name"] for dataset in self.node.json("datasets", "list")["datasets"]]

    def test_added_set_is_listed_shown_and_deleted(self):
        self.assertIn("skytrain datasets add", self.node.run("datasets", "list").stdout)
        text = self.add("gz/three", DATA / "galaxies3.tar", "--description", "300 of each").stdout
        for part in ("gz/three", "300 of each", "900 images, 3 classes", "elliptical", str(DATA / "galaxies3.tar")):
            self.assertIn(part, text)
        self.add("faithful", DATA / "iris.csv", "--target", "Species")
        self.assertEqual(self.names(), ["faithful", "gz/three"])
        self.assertEqual(self.node.run("datasets").stdout, self.node.run("datasets", "list").stdout)
        self.assertRegex(self.node.run("datasets", "list").stdout, r"gz/three +900 images, 3 classes +\S+galaxies3\.tar")
        shown = self.node.json("datasets", "show", "gz/three")
        self.assertEqual((shown["count"], shown["registered"]["name"], shown["changed"]), (900, "gz/three", False))
        self.assertEqual({c["name"]: c["count"] for c in shown["classes"]},
                         {"edge_on": 300, "elliptical": 300, "spiral": 300})
        self.assertEqual(self.node.json("datasets", "show", "faithful")["target"], "Species")
        done = self.node.run("datasets", "delete", "gz/three", "nothing", code=3)
        self.assertEqual(done.stdout, "gz/three  deleted\n")
        self.assertIn("no data set is registered as 'nothing'", done.stderr)
        self.assertEqual(self.names(), ["faithful"])

    def test_paths_are_shown_without_a_name(self):
        shown = self.node.json("datasets", "show", DATA / "galaxies3.tar")
        self.assertEqual(shown["count"], 900)
        self.assertNotIn("registered", shown)
        os.symlink(DATA / "iris.csv", self.node.root / "mine.csv")
        self.assertEqual(self.node.json("datasets", "show", "mine.csv", "--target", "Species")["count"], 150)
        refused = self.node.run("datasets", "show", "galaxis", code=3)
        self.assertIn("no data set is registered as 'galaxis'", refused.stderr)

    def test_catalog_and_its_images_are_one_set(self):
        folder = self.node.root / "catalog"
        folder.mkdir()
        with tarfile.open(folder / "images.tar", "w") as tar:
            for i in range(6):
                add_image(tar, f"{i}.jpg")
        with open(folder / "labels.csv", "w", newline="") as file:
            csv.writer(file).writerows([["objid", "class"], *[[i, "ab"[i % 2]] for i in range(5)]])
        columns = ["--table", folder / "labels.csv", "--id", "objid", "--target", "class"]
        # One image has no label: nothing that training would refuse is registered.
        refused = self.add("catalog", folder / "images.tar", *columns, code=2)
        self.assertIn("1 image without a label (5.jpg)", refused.stderr)
        self.assertEqual(self.names(), [])
        self.add("catalog", folder / "images.tar", *columns, "--unmatched", "skip")
        shown = self.node.json("datasets", "show", "catalog")
        self.assertEqual((shown["count"], shown["registered"]["data"]["files"]["id"]), (5, "objid"))
        # Jobs take files, columns and policies from the name.
        job = self.node.submit("""
name: by-name
data: {dataset: catalog, image: {size: 16}, splits: {validation: {fraction: 0.4}}}
task: {classification: {}}
model: {small_cnn: {}}
train: {epochs: 1, batch_size: 2}
resources: {cpus: 1}
labels: {fake.model: '1'}
""")
        stored = self.node.json("show", job)
        self.assertEqual(stored["dataset"], "datasets/catalog")
        self.assertEqual(stored["experiment"]["data"]["files"]["table"], str(folder / "labels.csv"))
        self.assertEqual(stored["experiment"]["data"]["unmatched"], "skip")
        self.assertEqual(stored["experiment"]["task"]["classification"]["target"], "class")

    def test_table_of_many_columns_needs_no_target_and_each_job_names_its_own(self):
        added = self.add("faithful", DATA / "old_faithful.csv")
        self.assertIn("272 rows", added.stdout)
        self.assertRegex(added.stdout, r"columns +.*eruptions.*waiting")
        self.assertIn("--target COLUMN", added.stderr)
        shown = self.node.json("datasets", "show", "faithful")
        self.assertEqual((shown["count"], shown.get("target", ""), shown.get("classes", [])), (272, "", []))
        text = IRIS.replace(f"{DATA}/iris.csv", "faithful") + "labels: {fake.model: '1'}\n"
        refused = self.node.run("submit", self.node.write("e.yaml", text.replace("{target: Species}", "{}")), code=2)
        self.assertIn("task.classification.target: say which column", refused.stderr)
        job = self.node.submit(text.replace("classification: {target: Species}", "regression: {targets: [waiting]}"))
        self.assertEqual(self.node.json("show", job)["dataset"], "datasets/faithful")
        # With one, nothing need be said.
        self.assertNotIn("--target", self.add("flowers", DATA / "iris.csv", "--target", "Species").stderr)

        # A text in each row that is no other's names the row: it is no class.
        named = self.node.write("named.csv", "name,x,y\n" + "".join(f"star {i},{i},{i * i}\n" for i in range(9)))
        self.assertIn("9 rows\n", self.add("named", named).stdout.replace("; table", ""))

    def test_images_with_a_catalog_of_votes_need_no_target(self):
        with tarfile.open(self.node.root / "images.tar", "w") as tar:
            for i in range(6):
                add_image(tar, f"{i}.jpg")
        votes = self.node.write("votes.csv", "objid,ring_yes,ring_no,seen\n" + "".join(f"{i},{i},3,9\n" for i in range(6)))
        columns = ("--table", votes, "--id", "objid")
        added = self.add("rings", self.node.root / "images.tar", *columns)
        self.assertIn("6 images", added.stdout)
        self.assertIn("--target COLUMN", added.stderr)
        self.assertEqual(self.node.json("datasets", "preview", "rings", "-o", "x.png")["groups"], 1)
        text = """
name: rings
data: {dataset: rings, image: {size: 16}, splits: {validation: {fraction: 0.4}}}
task: {vote_counts: {builtin_tree: gz_rings}}
model: {small_cnn: {}}
train: {epochs: 1, batch_size: 2}
resources: {cpus: 1}
labels: {fake.model: '1'}
"""
        self.assertEqual(self.node.json("show", self.node.submit(text))["dataset"], "datasets/rings")
        # What cannot be used is refused all the same.
        os.truncate(self.node.root / "images.tar", 2000)
        self.add("torn", self.node.root / "images.tar", *columns, code=2)

    def test_wrong_arguments_are_named(self):
        for arguments, said in (
                (("Galaxies", DATA / "iris.csv"), "'Galaxies' is not the name of a data set"),
                (("gz", "/nowhere"), "/nowhere"),
                (("gz", DATA / "a.tar", DATA / "b.tar"), "name it with --table"),
                (("gz", DATA / "a.tar", "--id", "x"), "are columns of a --table"),
                (("gz", DATA / "a.tar", "--table", "x.csv"), "--table needs --id"),
                (("gz", DATA / "old_faithful.csv", "--target", "duration"), "duration")):
            result = self.node.run("datasets", "add", *arguments, code=None)
            self.assertIn(result.returncode, (2, 3, 4))
            self.assertIn(said, result.stderr)
        self.assertEqual(self.names(), [])
        self.add("gz", DATA / "galaxies3.tar")
        self.add("gz", DATA / "galaxies3.tar")  # The same again.
        self.assertIn("there is already a data set 'gz'", self.add("gz", DATA / "iris.csv", code=6).stderr)

    def test_job_goes_on_when_its_name_is_gone(self):
        self.add("flowers", DATA / "iris.csv", "--target", "Species")
        text = IRIS.replace(f"{DATA}/iris.csv", "flowers").replace("{target: Species}", "{}")
        hold = self.node.submit(text + "labels: {fake.hang: '1'}\n")
        waiting = self.node.submit(text + "labels: {fake.model: '1'}\n")
        self.node.run("datasets", "delete", "flowers")
        self.node.run("cancel", hold)
        self.node.run("wait", waiting)
        stored = self.node.json("show", waiting)
        self.assertEqual((stored["state"], stored["dataset"]), ("SUCCEEDED", "datasets/flowers"))
        self.assertEqual(stored["experiment"]["data"]["dataset"], str(DATA / "iris.csv"))
        (model,) = [m for m in self.node.json("models")["models"] if waiting in m["name"]]
        self.assertEqual(model["dataset"], "datasets/flowers")
        refused = self.node.run("submit", self.node.write("again.yaml", text), code=3)
        self.assertIn("no data set is registered as 'flowers'", refused.stderr)

    def test_name_wins_over_a_relative_path_and_never_over_an_absolute_one(self):
        shutil.copy(DATA / "iris.csv", self.node.root / "flowers")
        shown = self.node.json("datasets", "show", "flowers", "--target", "Species")
        self.assertEqual(shown["path"], str(self.node.root / "flowers"))
        self.add("flowers", DATA / "galaxies3.tar")
        self.assertEqual(self.node.json("datasets", "show", "flowers")["count"], 900)
        for path in ("./flowers", self.node.root / "flowers"):
            self.assertEqual(self.node.json("datasets", "show", path, "--target", "Species")["count"], 150)

    def test_set_whose_files_changed_or_went_says_so(self):
        path = self.node.root / "set.csv"
        shutil.copy(DATA / "iris.csv", path)
        self.add("set", path, "--target", "Species")
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
        self.assertTrue(self.node.json("datasets", "show", "set")["changed"])
        self.assertIn("its files are not those that were registered", self.node.run("datasets", "show", "set").stdout)
        path.unlink()
        gone = self.node.run("datasets", "show", "set", code=3)
        self.assertIn(str(path), gone.stdout)  # What is known of it.
        self.assertIn("set.csv", gone.stderr)

    def test_uploaded_set_is_sent_named_and_kept(self):
        result = self.node.run("datasets", "upload", "sent", DATA / "galaxies3.tar")
        self.assertIn("900 images, 3 classes", result.stdout)
        data = self.node.json("datasets", "show", "sent")["registered"]["data"]
        self.assertTrue(data["dataset"].startswith("blobs/"), data)
        for path, said in (("/nowhere", "there is no file /nowhere here"),
                           (self.node.root, f"tar -cf {self.node.root.name}.tar -C {self.node.root} .")):
            self.assertIn(said, self.node.run("datasets", "upload", "other", path, code=None).stderr)

    def test_upload_that_is_registered_outlives_the_others(self):
        self.node.stop()
        self.node.flags += ["--keep-uploads", "1s"]
        self.node.start()
        self.node.run("datasets", "upload", "sent", DATA / "iris.csv", "--target", "Species")
        kept = self.node.json("datasets", "show", "sent")["registered"]["data"]["dataset"]
        other = self.node.run("upload", DATA / "old_faithful.csv").stdout.strip()

        def garbage():
            return [item["what"] for item in self.node.json("gc", "--dry-run")["garbage"]]

        wait_until(lambda: other in garbage(), "the other upload is garbage")
        self.assertNotIn(kept, garbage())
        self.node.run("datasets", "delete", "sent")
        wait_until(lambda: kept in garbage(), "what nothing names any more is garbage")

    def test_sheet_shows_each_class(self):
        sheet = self.node.root / "sheet.png"
        done = self.node.run("datasets", "preview", DATA / "galaxies3.tar", "-o", sheet)
        width, height, raw = pixels_of(sheet.read_bytes())
        self.assertIn(f"{width}x{height} pixels", done.stdout)
        # Eight images of 96 pixels in a row, three rows with titles and captions.
        self.assertEqual((width, height), (4 + 8 * 100, 4 + 3 * (18 + 111)))
        self.assertGreater(len(set(raw)), 100)  # Galaxies, not a blank sheet.
        again = self.node.run("datasets", "preview", DATA / "galaxies3.tar", "-o", "again.png", "--seed", "0")
        self.assertEqual((self.node.root / "again.png").read_bytes(), sheet.read_bytes(), again.stderr)
        self.add("gz", DATA / "galaxies3.tar")
        small = self.node.json("datasets", "preview", "gz", "-o", "small.png", "--tile", "32", "--per-class", "3",
                               "--center-crop", "0.5", "--seed", "7")
        self.assertEqual((small["width"], small["groups"], small["groups_shown"]), (4 + 8 * 36, 3, 3))
        self.assertEqual(pixels_of((self.node.root / "small.png").read_bytes())[0], small["width"])

    def test_sheet_of_what_has_no_images_or_bad_numbers_is_refused(self):
        for arguments, said in ((("iris.csv",), "it has no images"),
                                (("galaxies3.tar", "--per-class", "65"), "per_class: must be between 1 and 64, not 65"),
                                (("galaxies3.tar", "--tile", "9"), "tile_size: must be between 32 and 256, not 9"),
                                (("galaxies3.tar", "--center-crop", "2"), "center_crop"),
                                (("galaxies3.tar", "--only-split", "dev"), 'no split "dev"')):
            path, *rest = arguments
            result = self.node.run("datasets", "preview", DATA / path, *rest, "-o", "x.png", code=2)
            self.assertIn(said, result.stderr)
        self.assertFalse((self.node.root / "x.png").exists())
        self.node.run("datasets", "preview", DATA / "galaxies3.tar", "-o", "/nowhere/x.png", code=1)

    def test_sheet_leaves_out_what_cannot_be_decoded(self):
        with tarfile.open(self.node.root / "torn.tar", "w") as tar:
            for i in range(3):
                add_image(tar, f"a/{i}.jpg")
                add_image(tar, f"b/{i}.jpg", None if i else 900)
        done = self.node.run("datasets", "preview", self.node.root / "torn.tar", "-o", "torn.png")
        self.assertIn("1 image cannot be decoded", done.stderr)
        pixels_of((self.node.root / "torn.png").read_bytes())

    def test_calls_that_change_something_are_in_the_audit_log(self):
        self.add("gz", DATA / "galaxies3.tar")
        self.node.run("datasets", "preview", "gz", "-o", "x.png")
        self.node.run("datasets", "delete", "gz")
        entries = [json.loads(line) for line in (self.node.root / "state/audit.jsonl").read_text().splitlines()]
        seen = [(entry["method"], entry["resource"]) for entry in entries if "Dataset" in entry["method"]]
        self.assertEqual(seen, [("DatasetService/RegisterDataset", "datasets/gz"),
                                ("DatasetService/DeleteDataset", "datasets/gz")])


if __name__ == "__main__":
    unittest.main()
