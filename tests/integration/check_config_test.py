"""What skytraind says of a configuration before anything is started."""

import os
import pathlib
import subprocess
import tempfile
import unittest

SKYTRAIND = pathlib.Path(os.environ["SKYTRAIN_BIN_DIR"]) / "skytraind"
# One mistake of each kind: of the file's keys, of its values, and those that show when it is completed.
WRONG = """\
stat_dir: /s
cpus: many
launcher: kubernetes
listen: ["tls:[::]:7443", "unix:relative"]
data_roots: [/nowhere/at/all, /usr]
metrics_listen: 9464
worker: /no/worker
"""
NAMED = ["wrong.yaml:1:1: unknown key 'stat_dir'; did you mean 'state_dir'?", "wrong.yaml:2:7: cpus: ", "launcher: ",
         "tls.certificate", "unix:relative", "/nowhere/at/all", "metrics_listen: "]


class CheckConfigTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def skytraind(self, *arguments):
        return subprocess.run([SKYTRAIND, *map(str, arguments)], capture_output=True, text=True, timeout=60,
                              cwd=self.folder)

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return name

    def test_every_mistake_is_told_at_once(self):
        result = self.skytraind("check-config", self.write("wrong.yaml", WRONG))
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        lines = result.stderr.splitlines()
        for part in [*NAMED, "/no/worker cannot be executed"]:
            self.assertEqual(sum(part in line for line in lines), 1, f"{part}\n{result.stderr}")
        self.assertTrue(all(line.startswith("skytraind: ") for line in lines), result.stderr)

    def test_the_start_tells_them_too_with_those_of_the_flags(self):
        result = self.skytraind("--config", self.write("wrong.yaml", WRONG), "--gpus", "-3", "--mode", "public")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        for part in [*NAMED, "--gpus ", "--mode "]:
            self.assertIn(part, result.stderr)

    def test_file_that_is_not_there_is_the_only_mistake(self):
        result = self.skytraind("check-config", "absent.yaml")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn("absent.yaml", result.stderr)

    def test_right_file_says_what_would_be_served(self):
        true = "/bin/true"
        text = f"state_dir: {self.folder}/state\nworker: {true}\nshepherd: {true}\nprobe: {true}\nretention: {{uploads: 30d}}\n"
        result = self.skytraind("check-config", self.write("right.yaml", text))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn(f"work_dir   {self.folder}/state/work", result.stdout)
        self.assertFalse((self.folder / "state").exists())


if __name__ == "__main__":
    unittest.main()
