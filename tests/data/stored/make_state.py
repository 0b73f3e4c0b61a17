#!/usr/bin/env python3
"""Makes a stored state folder with the programs of a released build, for the tests of migrations.

    make_state.py BIN_DIR version-1.tar.gz

BIN_DIR holds skytraind, skytrain-shepherd, skytrain-fake-worker, skytrain-probe and skytrain of the release. The archive
has the database (`skytrain.db`), the published models, and the attempt of `good` as `work/attempts/good-1`, of a daemon
that was stopped with five jobs: `good` (succeeded, with a model), `bad` (failed by a NaN), `stopped` (cancelled),
`running`, and `waiting` for its device. As root: the machine is called "node" for it.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import time

ROOT = pathlib.Path("/tmp/skytrain-stored")  # Ends up in the database.
EXPERIMENT = """
name: {name}
data: {{dataset: {root}/iris.csv}}
task: {{classification: {{target: Species}}}}
model: {{mlp: {{hidden: [8]}}}}
train: {{epochs: 2, batch_size: 16}}
resources: {{cpus: 1}}
labels: {{{labels}}}
"""
JOBS = {
    "good": "fake.model: '1'",
    "bad": "fake.end: NON_FINITE_LOSS, fake.message: The loss became NaN.",
    "stopped": "fake.hang: '1'",
    "running": "fake.hang: '1'",
    "waiting": "fake.model: '1'",
}


def main():
    binaries, archive = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    shutil.rmtree(ROOT, ignore_errors=True)
    (ROOT / "bin").mkdir(parents=True)
    for program in ("skytrain", "skytraind", "skytrain-shepherd", "skytrain-fake-worker", "skytrain-probe"):
        shutil.copy(binaries / program, ROOT / "bin")
    shutil.copy(pathlib.Path(__file__).parents[1] / "iris.csv", ROOT)
    server = f"unix:{ROOT}/d.sock"
    daemon = subprocess.Popen(
        ["unshare", "--uts", "sh", "-c", 'hostname node; exec "$@"', "sh",
         ROOT / "bin/skytraind", "--listen", server, "--state-dir", ROOT / "state", "--cpus", "1",
         "--worker", ROOT / "bin/skytrain-fake-worker"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert "serving" in daemon.stdout.readline()

    def client(*arguments):
        return subprocess.run([ROOT / "bin/skytrain", *arguments, "--server", server], text=True,
                              stdout=subprocess.PIPE, check=False).stdout

    for name, labels in JOBS.items():
        experiment = ROOT / f"{name}.yaml"
        experiment.write_text(EXPERIMENT.format(name=name, root=ROOT, labels=labels))
        client("submit", experiment, "--name", name, "--request-id", f"request-{name}")
        if name == "stopped":
            while "RUNNING" not in client("show", name):
                time.sleep(0.01)
            client("cancel", name)
        if name in ("good", "bad", "stopped"):
            client("wait", name)
    while "RUNNING" not in client("show", "running"):
        time.sleep(0.01)
    daemon.terminate()
    daemon.wait()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes().startswith(f"{ROOT}/bin/skytrain-".encode()):
                os.kill(int(process.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            pass  # It left by itself.


    # The oldest one.
    good = sorted((ROOT / "state/work/attempts").iterdir())[0]
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(ROOT / "state/skytrain.db", "skytrain.db")
        tar.add(ROOT / "state/work/models", "work/models")
        tar.add(good, "work/attempts/good-1")
    shutil.rmtree(ROOT)
    print(f"{archive}: {os.path.getsize(archive)} bytes")


if __name__ == "__main__":
    main()
