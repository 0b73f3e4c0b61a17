"""What the client prints with no server, to the letter; and that the static build needs nothing around it."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["SKYTRAIN_BIN_DIR"]).absolute()
STATIC = BIN / "skytrain-static"


class ClientTest(unittest.TestCase):

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="skytrain-golden-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)

    def run_client(self, *arguments, code=0, binary=BIN / "skytrain", **variables):
        environment = {"HOME": str(self.root), "XDG_RUNTIME_DIR": str(self.root), "PATH": os.environ["PATH"], **variables}
        result = subprocess.run([binary, *arguments], cwd=self.root, env=environment, stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, code, f"stdout: {result.stdout}\nstderr: {result.stderr}")
        return result

    def refused(self, text, *lines):
        (self.root / "g.yaml").write_text(text)
        result = self.run_client("submit", "g.yaml", code=2)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr, "".join(line + "\n" for line in lines))

    def test_version(self):
        self.assertRegex(self.run_client("version").stdout, r"^skytrain \d+\.\d+\.\d+\n$")
        self.assertFalse(json.loads(self.run_client("version", "--output", "json").stdout)["static"])

    def test_mistakes_in_an_experiment_are_all_named_before_a_server_is_asked(self):
        self.refused("name: a\ntrain:\n  batchsize: 128\noptimizer:\n  adamw: {lr: 1e-3x}\n",
                     "g.yaml:3:3: unknown key 'batchsize' in train; did you mean 'batch_size'?",
                     "g.yaml:5:15: optimizer.adamw.lr must be a number, not \"1e-3x\"",
                     "2 errors, nothing submitted")

    def test_file_that_is_not_there(self):
        result = self.run_client("submit", "none.yaml", code=2)
        self.assertEqual(result.stderr, "cannot read none.yaml: No such file or directory\n")

    def test_command_that_is_none_is_named_with_the_nearest(self):
        self.assertEqual(self.run_client("lsit", code=2).stderr,
                         "there is no command 'lsit'; did you mean 'list'?\nSee: skytrain --help\n")
        self.assertEqual(self.run_client("xylophone", "--loud", code=2).stderr,
                         "there is no command 'xylophone'\nSee: skytrain --help\n")
        self.assertEqual(self.run_client(code=2).stderr, "name a command\nSee: skytrain --help\n")

    def test_command_line_that_cannot_be_read_names_the_help_of_its_command(self):
        self.assertEqual(self.run_client("submit", code=2).stderr, "file is required\nSee: skytrain submit --help\n")
        result = self.run_client("list", "--nonsense", code=2)
        self.assertIn("--nonsense", result.stderr)
        self.assertIn("See: skytrain list --help\n", result.stderr)

    def test_groups_of_commands_name_the_nearest_and_their_help(self):
        self.assertEqual(self.run_client("datasets", "lsit", code=2).stderr,
                         "there is no command 'lsit'; did you mean 'list'?\nSee: skytrain datasets --help\n")
        self.assertEqual(self.run_client("models", "lsit", code=2).stderr,
                         "there is no command 'lsit'; did you mean 'list'?\nSee: skytrain models --help\n")
        self.assertEqual(self.run_client("datasets", "show", code=2).stderr,
                         "data is required\nSee: skytrain datasets show --help\n")
        self.assertIn("See: skytrain models delete --help\n", self.run_client("models", "delete", code=2).stderr)
        self.assertIn("See: skytrain datasets preview --help\n",
                      self.run_client("datasets", "preview", "gz", code=2).stderr)

    def test_help_of_groups_lists_their_commands(self):
        for group, commands in (("datasets", ("add", "upload", "list", "show", "preview", "delete")),
                                ("models", ("list", "show", "import", "alias", "delete"))):
            text = self.run_client(group, "--help").stdout
            self.assertIn(f"skytrain {group} ", text)
            for command in commands:
                self.assertRegex(text, rf"(?m)^  {command} ")
                self.assertIn("--server", self.run_client(group, command, "--help").stdout)

    def test_names_and_arguments_that_cannot_be_are_refused_before_a_server_is_asked(self):
        for arguments, said in (
                (("datasets", "add", "Galaxies", "/data"), "'Galaxies' is not the name of a data set: parts of a-z"),
                (("datasets", "add", "jobs/x", "/data"), "none of blobs, datasets, jobs and models as the first"),
                (("models", "alias", "gal@1", "Best"), "'Best' is not an alias: a letter, then at most 62 of"),
                (("models", "alias", "gal@1"), "name the alias")):
            result = self.run_client(*arguments, "--server", f"unix:{self.root}/none.sock", code=2)
            self.assertIn(said, result.stderr)

    def test_override_is_checked_like_the_file(self):
        (self.root / "g.yaml").write_text("name: a\n")
        result = self.run_client("submit", "g.yaml", "--set", "train.epochs=three", code=2)
        self.assertEqual(result.stderr, '--set: train.epochs must be a whole number, not "three"\n'
                                        "1 error, nothing submitted\n")

    def test_no_server_is_named_with_the_places_looked_at(self):
        result = self.run_client("list", code=7)
        self.assertIn(f"no server found; looked for {self.root}/skytrain/skytraind.sock, ", result.stderr)

    def test_server_that_is_not_there_is_named(self):
        socket = f"{self.root}/none.sock"
        result = self.run_client("list", "--server", f"unix:{socket}", "--give-up", "0s", code=7)
        self.assertEqual(result.stderr, f"there is no socket {socket}: skytraind is not running (start it), "
                                        "or listens elsewhere (say where with --server)\n")

    def test_what_is_no_server_is_refused_plainly(self):
        for server in ("gpu07", "slurm:12", "http://gpu07:80"):
            result = self.run_client("list", SKYTRAIN_SERVER=server, code=2)
            self.assertIn("write unix:PATH, HOST:PORT (TLS) or ssh://[USER@]NODE\n", result.stderr)

    def test_doctor_stops_at_what_is_broken_and_exits_as_it_would(self):
        socket = f"{self.root}/none.sock"
        result = self.run_client("doctor", "--server", f"unix:{socket}", code=7)
        self.assertRegex(result.stdout, rf"^client  \S+ +ok\ntarget  unix:{socket}  ok\nsocket +BROKEN\n$")
        self.assertEqual(result.stderr, f"there is no socket {socket}: skytraind is not running (start it), "
                                        "or listens elsewhere (say where with --server)\n")
        checks = json.loads(self.run_client("doctor", "--output", "json", code=7).stdout)
        self.assertFalse(checks["ok"])
        self.assertEqual(checks["checks"][-1]["name"], "target")
        self.assertIn("no server found", checks["checks"][-1]["advice"])

    def test_login_keeps_no_token_that_no_server_took(self):
        result = self.run_client("login", "--server", "127.0.0.1:1", "--give-up", "0s", code=2)
        self.assertIn("this is not a token", result.stderr)  # stdin is empty.
        self.assertIn("takes no token", self.run_client("login", "--server", "unix:/x", code=2).stderr)
        self.assertIn("holds no token for gpu07:1", self.run_client("logout", "--server", "gpu07:1", code=3).stderr)
        self.assertFalse((self.root / ".config").exists())

    def test_credentials_that_others_may_read_are_refused(self):
        folder = self.root / ".config" / "skytrain"
        folder.mkdir(parents=True)
        (folder / "credentials").write_text("gpu07:1 sky_1_x\n")
        (folder / "credentials").chmod(0o644)
        result = self.run_client("list", "--server", "gpu07:1", code=4)
        self.assertIn("chmod 600", result.stderr)

    def test_node_end_of_an_ssh_server_names_the_socket_that_is_missing(self):
        result = self.run_client("dial-stdio", "--socket", f"{self.root}/none.sock", code=7)
        self.assertEqual(result.stderr, f"no skytraind answers on {self.root}/none.sock: No such file or directory\n")

    def test_wrong_command_lines_exit_with_2(self):
        for arguments in ((), ("submt",), ("show",), ("watch",), ("submit",), ("list", "--output", "csv"),
                          ("wait", "job", "--timeout", "-1"), ("list", "--give-up", "soon"), ("show", "Not A Job")):
            self.run_client(*arguments, code=2)

    def test_attempt_folder_that_is_none(self):
        self.run_client("show", "--dir", str(self.root), code=3)

    def test_completion_scripts_parse(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.run_client("completion", shell).stdout
            for word in ("submit", "evaluate", "dry-run"):
                self.assertIn(word, script)
            if shutil.which(shell) is None:
                continue
            subprocess.run([shell, "-n"], input=script, text=True, check=True, timeout=30)

    def test_bash_completes_commands_and_options(self):
        script = self.run_client("completion", "bash").stdout
        for line, expected in (("skytrain sub", ["submit"]), ("skytrain submit --dr", ["--dry-run"]),
                               ("skytrain completion z", ["zsh"]), ("skytrain datasets pre", ["preview"]),
                               ("skytrain models al", ["alias"]), ("skytrain datasets preview --ti", ["--tile"]),
                               ("skytrain models --outp", ["--output"])):
            words = line.split(" ")
            quoted = " ".join(f"'{word}'" for word in words)
            asked = f"{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _skytrain; printf '%s\\n' \"${{COMPREPLY[@]}}\""
            answer = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True, timeout=30)
            self.assertEqual(answer.stdout.split(), expected)

    def test_output_holds_no_escape_sequences_off_a_terminal(self):
        for arguments in (("version",), ("--help",), ("submit", "--help")):
            self.assertNotIn("\x1b", self.run_client(*arguments, TERM="xterm-256color").stdout)


@unittest.skipUnless(STATIC.exists(), "the static client is not built")
class StaticClientTest(unittest.TestCase):

    def test_fits_15_megabytes(self):
        self.assertLessEqual(STATIC.stat().st_size, 15_000_000)

    def test_runs_where_there_is_nothing_else(self):
        if os.geteuid() != 0:
            self.skipTest("chroot needs root")
        root = pathlib.Path(tempfile.mkdtemp(prefix="skytrain-chroot-"))
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        shutil.copy(STATIC, root / "skytrain")
        (root / "e.yaml").write_text("train: {epoch: 1}\n")

        def inside(*arguments):
            return subprocess.run([shutil.which("chroot", path=os.environ["PATH"] + ":/usr/sbin:/sbin"), root, "/skytrain", *arguments], env={}, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60)

        self.assertRegex(inside("version").stdout, r"^skytrain \S+ \(static\)\n$")
        refused = inside("submit", "/e.yaml")
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("/e.yaml:1:9: unknown key 'epoch' in train; did you mean 'epochs'?", refused.stderr)
        unreachable = inside("list", "--server", "unix:/none", "--give-up", "0s")
        self.assertEqual(unreachable.returncode, 7, unreachable.stderr)


if __name__ == "__main__":
    unittest.main()
