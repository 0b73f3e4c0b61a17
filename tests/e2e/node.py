"""A real node for tests: skytraind with all real binaries on a Unix socket and folders of its own."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
if "SKYTRAIN_BIN_DIR" not in os.environ:
    raise SystemExit("SKYTRAIN_BIN_DIR must name the folder with the built programs, as build/release/bin")
BIN = pathlib.Path(os.environ["SKYTRAIN_BIN_DIR"])
DATA = SOURCE / "tests" / "data"


class Node:
    """One daemon. `root` holds its state, the socket and whatever a test writes; close() ends everything."""

    def __init__(self, *flags):
        # A socket's path may have 107 characters at most.
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="skytrain-", dir="/tmp"))
        self.server = f"unix:{self.root}/d.sock"
        self.flags = list(flags)
        self.daemon = None
        self.before = None  # Called in the daemon's process before it becomes skytraind.

    def start(self):
        with open(self.root / "skytraind.log", "ab") as log:
            self.daemon = subprocess.Popen(
                [BIN / "skytraind", "--listen", self.server, "--state-dir", self.root / "state",
                 "--data-root", DATA, "--data-root", self.root, *self.flags],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=self.before)
        line = self.daemon.stdout.readline()
        if "serving" not in line:
            raise AssertionError(f"skytraind does not serve: {line!r}\n{self.log()}")
        return self

    def log(self):
        return (self.root / "skytraind.log").read_text(errors="replace")

    def kill(self):
        """As a crash would."""
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()
        self.daemon.stdout.close()

    def stop(self):
        """As an administrator would; the exit code."""
        self.daemon.send_signal(signal.SIGTERM)
        code = self.daemon.wait(timeout=60)
        self.daemon.stdout.close()
        return code

    def close(self):
        if self.daemon is not None and self.daemon.poll() is None:
            for job in self.json("list")["jobs"]:
                if job["state"] in ("QUEUED", "STARTING", "RUNNING", "STOPPING", "SUSPENDED"):
                    self.run("cancel", job["name"], code=None)
                    self.run("wait", job["name"], "--timeout", "90", code=None)
            self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def popen(self, *arguments, **options):
        environment = {**os.environ, "SKYTRAIN_SERVER": self.server}
        return subprocess.Popen([BIN / "skytrain", *map(str, arguments)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
                                cwd=self.root, **options)

    def run(self, *arguments, code=0, timeout=240):
        """Runs the client and checks its exit code (None: any). Its result has .stdout, .stderr, .returncode."""
        process = self.popen(*arguments)
        try:
            process.stdout_text, process.stderr_text = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"skytrain {arguments} did not end within {timeout} s: {process.communicate()}")
        if code is not None and process.returncode != code:
            raise AssertionError(f"skytrain {' '.join(map(str, arguments))}: exit code {process.returncode}, not {code}\n"
                                 f"stdout: {process.stdout_text}\nstderr: {process.stderr_text}\n"
                                 f"daemon: {self.log()[-3000:]}")
        return subprocess.CompletedProcess(arguments, process.returncode, process.stdout_text, process.stderr_text)

    def json(self, *arguments, **options):
        return json.loads(self.run(*arguments, "--output", "json", **options).stdout)

    def jsonl(self, *arguments, **options):
        return [json.loads(line) for line in self.run(*arguments, "--output", "jsonl", **options).stdout.splitlines()]

    def write(self, name, text):
        path = self.root / name
        path.write_text(text)
        return path

    def submit(self, text, *arguments, code=0):
        """Submits an experiment; the job's name."""
        return self.run("submit", self.write("experiment.yaml", text), *arguments, code=code).stdout.strip()

    def worker_pids(self, job):
        """Processes whose command line is a worker of an attempt below this node's folder."""
        pids = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if command[0].endswith(b"skytrain-worker") and str(self.root).encode() in b" ".join(command):
                    pids.append(int(entry.name))
        return pids


class NodeTestCase(unittest.TestCase):
    """Tests that share one node."""

    @classmethod
    def setUpClass(cls):
        cls.node = Node().start()

    @classmethod
    def tearDownClass(cls):
        cls.node.close()


def wait_until(condition, what, seconds=60):
    """Polls `condition` until it gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


IRIS = f"""
name: iris
data: {{dataset: {DATA}/iris.csv, splits: {{validation: {{fraction: 0.2, seed: 0}}, test: {{fraction: 0.2, seed: 1}}}}}}
task: {{classification: {{target: Species}}}}
model: {{mlp: {{hidden: [32]}}}}
train: {{epochs: 60, batch_size: 16, seed: 1}}
optimizer: {{adamw: {{lr: 0.01}}}}
resources: {{cpus: 1}}
"""


def scripted(**labels):
    """IRIS for the scripted worker, which reads from labels what to do: `fake_hang="1"` is the label fake.hang."""
    script = {"fake.model": "1", **{key.replace("fake_", "fake."): value for key, value in labels.items()}}
    return IRIS + "labels: {" + ", ".join(f"{key}: '{value}'" for key, value in script.items()) + "}\n"


# Small enough for seconds, long enough to be interrupted.
GALAXIES = f"""
name: galaxies
data:
  dataset: {DATA}/galaxies3.tar
  image: {{size: 32}}
  augment: {{rotate90: true, flip: true}}
  splits: {{validation: {{fraction: 0.15, seed: 0}}}}
task: {{classification: {{}}}}
model: {{small_cnn: {{width: 16}}}}
train: {{epochs: 12, batch_size: 32, seed: 1, deterministic: true, checkpoint: {{every_steps: 5}}}}
optimizer: {{adamw: {{lr: 0.002}}}}
schedule: {{one_cycle: {{}}}}
resources: {{cpus: 1}}
"""
