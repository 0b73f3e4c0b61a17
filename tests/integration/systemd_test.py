"""The systemd units: what systemd says of them, and a daemon and its runs as they would live below them."""

import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from node import BIN, IRIS, SOURCE, Node, wait_until  # noqa: E402

UNITS = SOURCE / "deploy" / "systemd"
# The most that `systemd-analyze security` may say of the node's unit (10: no hardening at all).
MOST_EXPOSED = 6.5
# Of <linux/capability.h>, in its order.
CAPABILITIES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT
SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split()
PR_CAPBSET_DROP = 24
HANGS = IRIS + "labels: {fake.hang: '1', fake.model: '1'}\n"
libc = ctypes.CDLL(None, use_errno=True)


def settings(unit):
    """Key → values of a unit file, in order."""
    found = {}
    for line in (UNITS / unit).read_text().splitlines():
        if match := re.match(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def kept_capabilities():
    return {name.removeprefix("CAP_")
            for line in settings("skytraind.service")["CapabilityBoundingSet"] for name in line.split()}


def drop_capabilities():
    for number, name in enumerate(CAPABILITIES):
        if name not in kept_capabilities() and libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"cannot drop {name}")


@unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze here")
class UnitTest(unittest.TestCase):

    def analyze(self, *arguments, unit):
        """With a path to a daemon that exists: systemd looks whether it does."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / unit
            text = (UNITS / unit).read_text()
            path.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={BIN}/skytraind", text, flags=re.M))
            return subprocess.run(["systemd-analyze", *arguments, str(path)], capture_output=True, text=True, timeout=60,
                                  env={**os.environ, "XDG_RUNTIME_DIR": folder})

    def test_systemd_finds_nothing_wrong(self):
        for unit, scope in (("skytraind.service", "--system"), ("skytraind-user.service", "--user")):
            with self.subTest(unit):
                result = self.analyze("verify", scope, unit=unit)
                self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_a_misspelt_key_is_found(self):
        # Else the test above could not fail.
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "wrong.service"
            path.write_text("[Service]\nExecStart=/bin/true\nKilMode=process\n")
            result = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, timeout=60)
            self.assertIn("KilMode", result.stderr)

    def test_the_node_is_not_more_exposed_than_training_needs(self):
        result = self.analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED * 10:.0f}",
                              unit="skytraind.service")
        self.assertEqual(result.returncode, 0, result.stdout[-500:] + result.stderr)


class LifeBelowSystemdTest(unittest.TestCase):

    def test_what_a_restart_relies_on_is_in_both_units(self):
        for unit in ("skytraind.service", "skytraind-user.service"):
            found = settings(unit)
            for key, value in (("KillMode", "process"), ("OOMPolicy", "continue"), ("Delegate", "yes"), ("Type", "notify")):
                self.assertEqual(found.get(key), [value], f"{unit}: {key}")
            self.assertNotIn("DelegateSubgroup", found)

    @unittest.skipUnless(os.geteuid() == 0, "only root may drop capabilities")
    def test_daemon_runs_jobs_with_the_capabilities_that_the_unit_leaves(self):
        self.assertLessEqual(kept_capabilities(), set(CAPABILITIES))
        node = Node("--cpus", "1", "--worker", BIN / "skytrain-fake-worker")
        node.before = drop_capabilities
        self.addCleanup(node.close)
        node.start()
        status = pathlib.Path(f"/proc/{node.daemon.pid}/status").read_text()
        bounding = int(re.search(r"CapBnd:\s+(\w+)", status)[1], 16)
        self.assertLessEqual({name for number, name in enumerate(CAPABILITIES) if bounding >> number & 1},
                             kept_capabilities())
        job = node.submit(IRIS + "labels: {fake.model: '1'}\n")
        node.run("wait", job)
        # A process of the owner, which a daemon without CAP_KILL could not reach in mode: site.
        job = node.submit(HANGS)
        wait_until(lambda: node.json("show", job)["state"] == "RUNNING", "the job runs")
        node.run("cancel", job)
        node.run("wait", job, code=10)

    def test_daemon_can_be_restarted_beside_its_runs(self):
        group = self.make_group()
        node = Node("--cpus", "1", "--worker", BIN / "skytrain-fake-worker", "--max-memory-bytes", str(1 << 30))
        # As systemd does it: into the group of the service, before exec.
        node.before = lambda: (group / "cgroup.procs").write_text("0")
        self.addCleanup(node.close)
        node.start()
        job = node.submit(HANGS)
        wait_until(lambda: node.json("show", job)["state"] == "RUNNING", "the job runs")
        runs = [path for path in group.iterdir() if path.is_dir()]
        self.assertEqual(len(runs), 1)
        self.assertEqual(len((runs[0] / "cgroup.procs").read_text().split()), 1)
        self.assertEqual((group / "cgroup.subtree_control").read_text().strip(), "")

        node.kill()
        node.start()
        self.assertIn(str(node.daemon.pid), (group / "cgroup.procs").read_text().split())
        shown = node.json("show", job)
        self.assertEqual((shown["state"], len(shown["attempts"])), ("RUNNING", 1))
        node.run("cancel", job)
        node.run("wait", job, code=10)
        wait_until(lambda: not runs[0].exists(), "the run's group is gone")

    def make_group(self):
        """A cgroup v2 as systemd makes it for a service."""
        mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
        for _, where, kind, *_ in mounts:
            if kind == "cgroup2":
                group = pathlib.Path(where) / f"skytrain-test-{os.getpid()}.service"
                try:
                    group.mkdir()
                except OSError as error:
                    self.skipTest(f"no control group can be made: {error}")
                self.addCleanup(lambda: wait_until(lambda: remove(group), f"{group} can be removed"))
                return group
        self.skipTest("no cgroup v2 is mounted")
        return None


def remove(group):
    try:
        group.rmdir()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    unittest.main()
