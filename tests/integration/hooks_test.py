"""Who is told of changes of jobs' states, and how: real daemon, real programs, a real receiver with TLS on loopback."""

import collections
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from node import BIN, SOURCE, Node, scripted, wait_until  # noqa: E402

SECRET = "0123456789abcdef0123456789abcdef"
# Nobody is there: whoever heeds them delivers nothing.
os.environ["https_proxy"] = os.environ["http_proxy"] = os.environ["all_proxy"] = "http://127.0.0.1:9"


def verified(headers, body, secret=SECRET):
    """What a receiver does with every request."""
    timestamp = headers["X-Skytrain-Timestamp"]
    wanted = "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, headers["X-Skytrain-Signature"]) and abs(time.time() - int(timestamp)) < 300


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.owner.take(self.headers, body)
        if answer == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif answer == "hang":
            self.server.owner.closing.wait(60)
        else:
            self.send_response(answer)
            if answer == 503:
                self.send_header("Retry-After", "2")
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        self.close_connection = True

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def get_request(self):
        connection, address = super().get_request()
        # The handshake is done by the thread of the connection.
        return self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request, address):
        pass  # A client that does not trust us, or a connection that we reset.


class Receiver:
    """Holds its port from the start, and listens from listen() on. Gives its `answers` in turn, then 200."""

    def __init__(self, certificates):
        self.answers = collections.deque()
        self.requests = []
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.server = Server(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server.owner = self
        self.server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.tls.load_cert_chain(certificates / "server.pem", certificates / "server.key")
        self.server.server_bind()
        self.url = f"https://localhost:{self.server.server_address[1]}/hook"

    def listen(self):
        self.server.server_activate()
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def take(self, headers, body):
        with self.lock:
            self.requests.append((dict(headers), body))
            return self.answers.popleft() if self.answers else 200

    def ids(self):
        with self.lock:
            return [headers["X-Skytrain-Delivery"] for headers, _ in self.requests]

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


class HooksTest(unittest.TestCase):

    def setUp(self):
        self.node = Node("--cpus", "2")
        self.addCleanup(self.node.close)
        self.told = self.node.root / "told"
        self.told.mkdir()
        self.hooks = []

    def program(self, name, script):
        path = self.node.write(name, "#!/bin/sh\n" + script)
        path.chmod(0o755)
        return path

    def add_program(self, name, script, **keys):
        self.hooks.append({"name": name, "exec": [str(self.program(f"{name}.sh", script)), str(self.told)], **keys})

    def make_certificates(self, name):
        subprocess.run([SOURCE / "deploy/make_certificates", self.node.root / name, "localhost"], check=True,
                       capture_output=True)
        return self.node.root / name

    def add_receiver(self, name, ca=None, **keys):
        certificates = self.make_certificates(f"{name}-certificates")
        secret = self.node.write(f"{name}.secret", SECRET + "\n")
        secret.chmod(0o600)
        receiver = Receiver(certificates)
        self.hooks.append({"name": name, "url": receiver.url, "secret_file": str(secret),
                           "ca": str(ca or certificates / "ca.pem"), **keys})
        return receiver

    def config(self):
        # JSON is YAML.
        return self.node.write("skytraind.yaml", json.dumps(
            {"worker": str(BIN / "skytrain-fake-worker"), "hooks": self.hooks}))

    def start(self, *flags):
        self.node.flags += ["--config", self.config(), *flags]
        self.node.start()

    def submit(self, name, *arguments, **labels):
        return self.node.submit(scripted(**labels), "--name", name, *arguments)

    def end(self, name):
        self.node.run("wait", name, code=None)

    def changes(self, job):
        """"FROM>TO" of the payloads that a program put into the folder, by number."""
        payloads = [json.loads(path.read_text()) for path in self.told.glob(f"{job}-*.json")]
        return [f"{payload.get('from', '')}>{payload['to']}" for payload in sorted(payloads, key=lambda p: p["seq"])]

    # Written aside and renamed, so that a reader finds it whole.
    WRITE = ('name="$1/$SKYTRAIN_JOB-$(echo "$SKYTRAIN_DELIVERY" | tr / -)"\n'
             'cat > "$name.part" && mv "$name.part" "$name.json"\n')

    def test_a_program_is_told_of_what_it_asked_for(self):
        self.add_program("write", self.WRITE, on=["QUEUED", "SUSPENDED", "SUCCEEDED", "FAILED", "CANCELLED"])
        self.add_program("filtered", "echo \"$SKYTRAIN_JOB $SKYTRAIN_OWNER $SKYTRAIN_TO\" >> $1/filtered",
                         filter="labels.run=x")
        self.start()
        self.submit("good", run="x")
        self.submit("bad", fake_end="NON_FINITE_LOSS", fake_message="The loss became NaN.")
        self.submit("set-aside", fake_hang="1")
        for job in ("good", "bad"):
            self.end(job)
        wait_until(lambda: self.node.json("show", "set-aside")["state"] == "RUNNING", "a running job")
        self.node.run("suspend", "set-aside")
        wait_until(lambda: self.node.json("show", "set-aside")["state"] == "SUSPENDED", "a suspended job")
        self.node.run("resume", "set-aside")
        wait_until(lambda: self.node.json("show", "set-aside")["state"] == "RUNNING", "a resumed job")
        self.node.run("cancel", "set-aside")
        self.end("set-aside")
        expected = {"good": [">QUEUED", "RUNNING>SUCCEEDED"], "bad": [">QUEUED", "RUNNING>FAILED"],
                    "set-aside": [">QUEUED", "STOPPING>SUSPENDED", "SUSPENDED>QUEUED", "STOPPING>CANCELLED"]}
        for job, changes in expected.items():
            wait_until(lambda: len(self.changes(job)) >= len(changes), f"what {job} is told of: {self.changes(job)}")
            self.assertEqual(self.changes(job), changes)
        failure = [json.loads(path.read_text()) for path in self.told.glob("bad-*.json")]
        failure = next(payload for payload in failure if payload["to"] == "FAILED")
        shown = self.node.json("show", "bad")
        self.assertEqual(failure["attempt_end"], "NON_FINITE_LOSS")
        for key in ("name", "uid", "owner", "state", "create_time", "end_time", "termination"):
            self.assertEqual(failure["job"][key], shown[key], key)
        self.assertEqual(failure["job"]["labels"], shown["experiment"]["labels"])
        self.assertEqual((self.told / "filtered").read_text().split()[0::2], ["good", "SUCCEEDED"])

    def test_a_receiver_that_fails_in_every_way_is_told_in_the_end(self):
        receiver = self.add_receiver("chat", timeout="1s").listen()
        self.addCleanup(receiver.close)
        receiver.answers += [503, "hang", "reset", 302]
        self.start("--metrics-listen", "127.0.0.1:0")
        self.submit("job")
        self.end("job")
        wait_until(lambda: len(receiver.requests) >= 5, f"five tries\n{self.node.log()}")
        self.submit("later")
        self.end("later")
        wait_until(lambda: len(receiver.requests) >= 6, "the next job's")
        uid = self.node.json("show", "job")["uid"]
        ids = receiver.ids()
        self.assertEqual(len(set(ids[:5])), 1, "one delivery has one id")
        self.assertTrue(ids[0].startswith(f"{uid}/") and ids[0].endswith("/chat"), ids[0])
        self.assertNotEqual(ids[5], ids[0])
        self.assertEqual(len(ids), 6)
        for headers, body in receiver.requests:
            self.assertTrue(verified(headers, body))
            self.assertFalse(verified(headers, body, secret=SECRET[::-1]))
            self.assertEqual(headers["Content-Type"], "application/json")
            self.assertEqual(json.loads(body)["id"], headers["X-Skytrain-Delivery"])
        log = self.node.log()
        self.assertEqual(log.count("hook_failed"), 4, log)
        for words in ("again_in=2s message=\"the receiver answered 503\"", "timed out", "redirects are not followed"):
            self.assertIn(words, log)
        port = log.split("metrics address=127.0.0.1:")[1].split()[0]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def metrics():
            return opener.open(f"http://127.0.0.1:{port}/metrics").read().decode().splitlines()

        wait_until(lambda: 'skytrain_hook_pending{hook="chat"} 0' in metrics(), "nothing left")
        self.assertIn('skytrain_hook_deliveries_total{hook="chat",result="delivered"} 2', metrics())
        self.assertIn('skytrain_hook_deliveries_total{hook="chat",result="failed"} 4', metrics())

    def test_what_a_killed_daemon_had_not_told_the_next_one_tells(self):
        receiver = self.add_receiver("chat")
        self.add_program("write", "test -e $1/go || exit 1\n" + self.WRITE, on=["SUCCEEDED"])
        self.start()
        self.submit("job")
        self.end("job")
        self.node.run("delete", "job")  # What was to be told is told all the same.
        self.node.kill()
        self.assertEqual(self.changes("job"), [])
        (self.told / "go").touch()
        receiver.listen()
        self.addCleanup(receiver.close)
        self.node.start()
        wait_until(lambda: receiver.requests, f"the receiver's\n{self.node.log()}")
        wait_until(lambda: self.changes("job"), "the program's")
        self.assertEqual(self.changes("job"), ["RUNNING>SUCCEEDED"])
        self.assertEqual(json.loads(receiver.requests[0][1])["to"], "SUCCEEDED")

    def test_nobody_is_told_whose_certificate_is_not_trusted(self):
        receiver = self.add_receiver("chat", ca=self.make_certificates("other") / "ca.pem").listen()
        self.addCleanup(receiver.close)
        self.add_program("write", self.WRITE)
        self.start()
        self.submit("job")
        self.end("job")
        wait_until(lambda: self.node.log().count("hook_failed hook=chat") >= 2, "two tries")
        self.assertIn("certificate", self.node.log())
        self.assertEqual(receiver.requests, [])
        wait_until(lambda: self.changes("job"), "the program's, whatever the receiver is")

    def test_what_is_refused_or_too_old_is_given_up_and_said(self):
        refusing = self.add_receiver("refusing").listen()
        self.addCleanup(refusing.close)
        refusing.answers += [404]
        self.add_program("failing", "echo no such channel; exit 3", max_age="1s")
        self.start()
        self.submit("job")
        self.end("job")
        wait_until(lambda: self.node.log().count("hook_given_up") == 2, f"both given up\n{self.node.log()}")
        self.assertIn("the receiver answered 404", self.node.log())
        self.assertIn("no such channel", self.node.log())
        self.assertEqual(len(refusing.requests), 1)
        audit = [json.loads(line) for line in (self.node.root / "state/audit.jsonl").read_text().splitlines()]
        given_up = {entry["method"]: entry["resource"] for entry in audit if entry.get("reason") == "HOOK_GIVEN_UP"}
        self.assertEqual(given_up, {"hook/refusing": "jobs/job", "hook/failing": "jobs/job"})

    def test_a_hook_that_hangs_holds_up_neither_jobs_nor_the_end_of_the_daemon(self):
        receiver = self.add_receiver("chat", on=["QUEUED"], timeout="10m").listen()
        self.addCleanup(receiver.close)
        receiver.answers += ["hang"] * 20
        self.add_program("stuck", "echo $$ >> $1/stuck; exec sleep 600", on=["QUEUED"], timeout="10m")
        self.start()
        for i in range(3):
            self.submit(f"job-{i}")
        for i in range(3):
            self.end(f"job-{i}")
            self.assertEqual(self.node.json("show", f"job-{i}")["state"], "SUCCEEDED")
        wait_until(lambda: receiver.requests and (self.told / "stuck").exists(), "deliveries under way")
        begun = time.monotonic()
        self.assertEqual(self.node.stop(), 0)
        self.assertLess(time.monotonic() - begun, 5)
        for pid in (self.told / "stuck").read_text().split():
            self.assertFalse(pathlib.Path("/proc", pid).exists(), "a program outlives the daemon that stopped it")

    def daemon_command(self, *arguments):
        return subprocess.run([BIN / "skytraind", *map(str, arguments)], capture_output=True, text=True,
                              env={"HOME": str(self.node.root), "PATH": "/usr/bin:/bin"})

    def test_a_hook_can_be_checked_and_tried_before_it_is_needed(self):
        receiver = self.add_receiver("chat").listen()
        self.addCleanup(receiver.close)
        self.add_program("write", self.WRITE)
        checked = self.daemon_command("check-config", self.config())
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertIn("hook       chat: https://localhost:", checked.stdout)
        for name in ("chat", "write"):
            tried = self.daemon_command("hook", "test", name, "--config", self.config())
            self.assertEqual(tried.returncode, 0, tried.stderr)
            self.assertIn(f"hook '{name}' was told", tried.stdout)
        self.assertTrue(verified(*receiver.requests[0]))
        self.assertEqual(self.changes("hook-test"), ["RUNNING>SUCCEEDED"])
        receiver.answers += [401]
        tried = self.daemon_command("hook", "test", "chat", "--config", self.config())
        self.assertEqual(tried.returncode, 1)
        self.assertIn("hook 'chat' was not told: the receiver answered 401", tried.stderr)
        mistyped = self.daemon_command("hook", "test", "wriet", "--config", self.config())
        self.assertEqual(mistyped.returncode, 2)
        self.assertIn("did you mean 'write'?", mistyped.stderr)
        (self.node.root / "chat.secret").chmod(0o644)
        (self.node.root / "write.sh").chmod(0o644)
        checked = self.daemon_command("check-config", self.config())
        self.assertEqual(checked.returncode, 2)
        self.assertIn("hook 'chat': ", checked.stderr)
        self.assertIn("hook 'write': ", checked.stderr)


if __name__ == "__main__":
    unittest.main()
