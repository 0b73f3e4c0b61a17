"""`skytrain upload` when something comes between: Ctrl-C, a server that goes, a file that changes. Real client and daemon."""

import hashlib
import os
import pathlib
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from node import BIN, Node, wait_until  # noqa: E402
from socket_proxy import SocketProxy  # noqa: E402

SIZE = 12_000_000
CHUNK = 512 << 10


class Narrow(SocketProxy):
    """Passes about so many bytes a second on, and counts them."""

    def __init__(self, path, server, bytes_per_second):
        self.rate = bytes_per_second
        self.passed = 0
        super().__init__(path, server)

    def passes_request(self, data):
        self.passed += len(data)
        time.sleep(len(data) / self.rate)
        return True


class UploadTest(unittest.TestCase):

    def setUp(self):
        self.node = Node("--worker", BIN / "skytrain-fake-worker").start()
        self.addCleanup(self.node.close)
        self.direct = self.node.server
        self.link = Narrow(self.node.root / "narrow.sock", self.direct.removeprefix("unix:"), 12_000_000)
        self.addCleanup(self.link.close)
        self.data = os.urandom(SIZE)
        self.file = self.node.root / "data.tar"
        self.file.write_bytes(self.data)

    def blob(self, data):
        return f"blobs/{hashlib.sha256(data).hexdigest()}"

    def part(self):
        """What the server has of a file that is not there whole, in bytes."""
        return sum(path.stat().st_size for path in (self.node.root / "state/work/blobs/parts").iterdir())

    def start_upload(self, *flags):
        self.node.server = f"unix:{self.node.root}/narrow.sock"
        process = self.node.popen("upload", self.file, *flags)
        wait_until(lambda: self.part() >= 2 * CHUNK, "some of it arrives")
        return process

    def interrupt(self, process):
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, stderr)
        self.assertIn("The same command goes on where it stopped", stderr)

    def test_after_ctrl_c_the_same_command_goes_on_and_says_so(self):
        self.interrupt(self.start_upload())
        arrived = self.part()
        self.assertLess(arrived, SIZE)
        before = self.link.passed
        result = self.node.run("upload", self.file)
        self.assertEqual(result.stdout.strip(), self.blob(self.data))
        self.assertRegex(result.stderr, r"data\.tar  goes on at \S+ \S+ of 12\.0 MB")
        self.assertLess(self.link.passed - before, SIZE - arrived + CHUNK)
        self.assertEqual(self.part(), 0)
        # Once more: it is there.
        before = self.link.passed
        self.assertEqual(self.node.run("upload", self.file).stdout.strip(), self.blob(self.data))
        self.assertLess(self.link.passed - before, 2 * CHUNK)

    def test_file_that_was_changed_between_is_sent_anew(self):
        self.interrupt(self.start_upload())
        changed = b"x" + self.data[1:]
        self.file.write_bytes(changed)
        result = self.node.run("upload", self.file)
        self.assertEqual(result.stdout.strip(), self.blob(changed))
        self.assertNotIn("goes on", result.stderr)

    def test_file_that_changes_while_it_is_sent_is_refused_with_the_reason(self):
        process = self.start_upload()
        with open(self.file, "r+b") as file:
            file.seek(SIZE - 10)
            file.write(b"0123456789")
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual((process.returncode, stdout), (2, ""), stderr)
        self.assertIn("data.tar", stderr)
        self.assertIn("changed while it was sent", stderr)
        # What arrived was wrong, and is gone.
        self.assertEqual(self.part(), 0)
        self.node.run("upload", self.file)

    def test_server_that_comes_back_gets_the_rest(self):
        process = self.start_upload()
        self.node.kill()
        self.node.server = self.direct
        self.node.start()
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual((process.returncode, stdout.strip()), (0, self.blob(self.data)), stderr)

    def test_server_that_stays_away_is_named_with_what_to_do(self):
        process = self.start_upload("--give-up", "1s")
        self.node.kill()
        _, stderr = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 7, stderr)
        self.assertIn("The same command goes on where it stopped", stderr)
        self.node.server = self.direct
        self.node.start()
        self.assertIn("goes on at", self.node.run("upload", self.file).stderr)


if __name__ == "__main__":
    unittest.main()
