"""The worker bundle: made, small enough, and running with nothing but the torch packages."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from node import DATA

BUILD = pathlib.Path(os.environ["SKYTRAIN_BIN_DIR"]).parent
BUNDLE = BUILD / "worker-bundle"


class WorkerBundleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        subprocess.run(["cmake", "--build", BUILD, "--target", "worker-bundle"], check=True, stdout=subprocess.DEVNULL)

    def run_program(self, name, *arguments, torch=None, code=0, **options):
        environment = {"PATH": "/usr/bin:/bin"}
        if torch:
            environment["SKYTRAIN_TORCH_DIR"] = torch
        result = subprocess.run([BUNDLE / name, *arguments], env=environment, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, cwd="/", timeout=300, **options)
        self.assertEqual(result.returncode, code, result.stdout)
        return result.stdout

    def test_stays_below_60_mebibytes(self):
        sizes = [f.lstat().st_size for f in BUNDLE.rglob("*") if f.is_file() and not f.is_symlink()]
        self.assertGreater(len(sizes), 10)
        self.assertLess(sum(sizes), 60 << 20)

    def test_needs_no_library_of_this_machine(self):
        speed = self.run_program("training_bench", "--steps", "1", "--batch", "4", "--size", "32",
                                torch=os.environ["SKYTRAIN_TORCH_DIR"], input="\n")
        self.assertGreater(float(speed), 0)
        listed = subprocess.run(
            [BUNDLE / "lib" / "ld-linux-x86-64.so.2", "--library-path",
             f"{BUNDLE}/lib:{os.environ['SKYTRAIN_TORCH_DIR']}/torch/lib:{os.environ['SKYTRAIN_TORCH_DIR']}/nvidia/cu13/lib",
             "--list", BUNDLE / "programs" / "skytrain-worker"], text=True, stdout=subprocess.PIPE, check=True).stdout
        foreign = [line for line in listed.splitlines() if "=> /lib/" in line or "=> /usr/" in line or "not found" in line]
        self.assertEqual(foreign, [])

    def probe(self, bundle, code=0):
        """What the bundle's probe says of three Parquet shards of images."""
        return self.run_program(bundle / "skytrain-probe", str(DATA / "parquet" / "images"), code=code,
                                torch=os.environ["SKYTRAIN_TORCH_DIR"])

    def test_parquet_is_left_out_for_its_size_and_said_to_be(self):
        self.assertIn("cannot read Parquet: libskytrain_parquet.so is not beside its programs", self.probe(BUNDLE, code=1))

    def test_parquet_is_read_once_its_libraries_are_put_in(self):
        arrow = pathlib.Path(os.environ["SKYTRAIN_ARROW_DIR"])
        libraries = [BUILD / "bin" / "libskytrain_parquet.so", arrow / "libarrow.so.2600", arrow / "libparquet.so.2600"]
        missing = [str(library) for library in libraries if not library.exists()]
        if missing:
            self.skipTest(f"built without Parquet: no {missing[0]}")
        with tempfile.TemporaryDirectory() as folder:
            bundle = pathlib.Path(folder) / "worker-bundle"
            shutil.copytree(BUNDLE, bundle, symlinks=True)
            for library in libraries:
                shutil.copy(library, bundle / "lib")
            said = self.probe(bundle)
            self.assertIn("edge_on", said)
            self.assertIn("smooth", said)

    def test_checks_end_with_a_table(self):
        table = self.run_program("gpu_checks", torch=os.environ["SKYTRAIN_TORCH_DIR"])
        self.assertRegex(table, r"gpu_gather_test +(passed|skipped: .+)\n")

    def test_without_torch_says_what_is_missing(self):
        self.assertIn("no LibTorch in /nowhere", self.run_program("skytrain-worker", torch="/nowhere", code=3))


if __name__ == "__main__":
    unittest.main()
