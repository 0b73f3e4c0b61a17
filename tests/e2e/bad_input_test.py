"""Bad input gets a message that says what, where and what to do, and leaves nothing behind."""

import io
import os
import shutil
import subprocess
import tarfile
import unittest

from node import DATA, GALAXIES, IRIS, Node, NodeTestCase


class BadInputTest(NodeTestCase):
    def refused(self, text, *needles, code=2, arguments=()):
        before = self.node.json("list", "--all")["jobs"]
        result = self.node.run("submit", self.node.write("bad.yaml", text), *arguments, code=code)
        self.assertEqual(result.stdout, "")
        for needle in needles:
            self.assertIn(needle, result.stderr)
        self.assertEqual(self.node.json("list", "--all")["jobs"], before)

    def test_unknown_key_is_named_with_its_place_and_the_nearest_key(self):
        text = GALAXIES.replace("batch_size", "batchsize")
        line = next(i for i, l in enumerate(text.splitlines(), 1) if "batchsize" in l)
        self.refused(text, f"bad.yaml:{line}:", "'batchsize'", "'batch_size'")

    def test_wrong_type(self):
        self.refused(GALAXIES.replace("lr: 0.002", "lr: fast"), "optimizer.adamw.lr", "fast")

    def test_negative_epochs(self):
        self.refused(GALAXIES.replace("epochs: 12", "epochs: -3"), "epochs", "-3")

    def test_missing_data(self):
        self.refused(GALAXIES.replace("galaxies3.tar", "galaxies4.tar"), "galaxies4.tar", code=3)

    def test_data_outside_the_roots(self):
        self.refused(GALAXIES.replace(str(DATA / "galaxies3.tar"), "/etc/hostname"), "/etc/hostname", code=4)

    def test_empty_class(self):
        shutil.rmtree(self.node.root / "set", ignore_errors=True)
        with tarfile.open(DATA / "galaxies3.tar") as tar:
            tar.extractall(self.node.root / "set")
        for image in (self.node.root / "set").rglob("train/spiral/*"):
            image.unlink()
        self.refused(GALAXIES.replace(str(DATA / "galaxies3.tar"), str(self.node.root / "set")), "spiral")

    def truncated_set(self):
        path = self.node.root / "truncated.tar"
        with tarfile.open(DATA / "galaxies3.tar") as whole, tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as cut:
            done = False
            for member in whole:
                content = whole.extractfile(member).read() if member.isfile() else b""
                if member.isfile() and not done and "train/" in member.name and member.name.endswith((".jpg", ".jpeg")):
                    content = content[:len(content) // 2]
                    member.size = len(content)
                    self.victim, done = os.path.basename(member.name), True
                cut.addfile(member, io.BytesIO(content))
        return path

    def test_truncated_image_is_refused_by_name_or_skipped_and_counted(self):
        text = GALAXIES.replace(str(DATA / "galaxies3.tar"), str(self.truncated_set()))
        self.refused(text, self.victim, "data.corrupt: skip")

        job = self.node.submit(text, "--wait", "--set", "train.epochs=1", "--set", "data.corrupt=skip")
        (data,) = [event["data"] for event in self.node.jsonl("watch", job) if "data" in event]
        self.assertEqual(data["skipped"], 1)
        self.assertIn(self.victim, data["skipped_names"][0])

    def test_images_and_labels_that_do_not_match_are_counted_and_named(self):
        images = self.node.root / "images"
        shutil.rmtree(images, ignore_errors=True)
        images.mkdir()
        rows = ["OBJID,CLASS"]
        with tarfile.open(DATA / "galaxies3.tar") as tar:
            members = [m for m in tar if m.isfile() and m.name.endswith((".jpg", ".jpeg")) and "train/" in m.name]
            for member in members[::10]:
                label = member.name.split("/")[-2]
                stem, suffix = os.path.splitext(os.path.basename(member.name))
                (images / (stem + suffix)).write_bytes(tar.extractfile(member).read())
                rows.append(f"{stem},{label}")
        rows.append("587722952230174735,spiral")  # No such image; the id does not fit a double.
        self.node.write("labels.csv", "\n".join(rows) + "\n")
        source = f"files: {{images: [{images}], table: {self.node.root}/labels.csv, id: OBJID}}"
        text = GALAXIES.replace(f"dataset: {DATA}/galaxies3.tar", source)
        self.refused(text, "587722952230174735", "1")
        job = self.node.submit(text, "--wait", "--set", "data.unmatched=skip", "--set", "train.epochs=1",
                               "--set", "train.batch_size=8")
        self.assertEqual(self.node.json("show", job)["state"], "SUCCEEDED")

    def test_loss_that_becomes_infinite_ends_the_job_by_name(self):
        job = self.node.submit(IRIS.replace("adamw: {lr: 0.01}", "sgd: {lr: 1.0e+30}"))
        self.node.run("wait", job, code=1)
        shown = self.node.run("show", job).stdout
        self.assertIn("NON_FINITE_LOSS", shown)
        self.assertIn("lr", shown)

    def test_unknown_job(self):
        for command in ("show", "watch", "logs", "cancel", "wait"):
            self.assertIn("no-such-job", self.node.run(command, "no-such-job", code=3).stderr)


class FullDiskTest(unittest.TestCase):

    def setUp(self):
        self.node = Node()
        self.work = self.node.root / "work"
        self.work.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", self.work], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest(f"cannot mount a small tmpfs: {mounted.stderr.decode().strip()}")
        self.addCleanup(self.node.close)
        self.addCleanup(subprocess.run, ["umount", "-l", self.work])
        self.node.flags = ["--work-dir", self.work]

    def test_full_disk_ends_the_job_by_name(self):
        self.node.start()
        text = GALAXIES.replace("small_cnn: {width: 16}", "resnet: {depth: 18}")
        job = self.node.submit(text, "--set", "retry.max_attempts=1")
        self.node.run("wait", job, code=1)
        self.assertIn("DISK_FULL", self.node.run("show", job).stdout)


if __name__ == "__main__":
    unittest.main()
