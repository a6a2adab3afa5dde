"""What the tests of the command line share: the program, and a service of their own.

Each test file runs in an empty folder (tests/support/in-empty-folder) with the path of `kinora` as its
first argument. A Service listens on free ports, keeps everything in a folder made for it, and is ended
when the test class ends.
"""
import base64
import email.utils
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
import unittest
import urllib.request

KINORA = sys.argv[1] if len(sys.argv) > 1 else "build/kinora"
# Words of the operator's own environment must not reach the tests.
ENV = {k: v for k, v in os.environ.items() if not k.startswith("KINORA_ACCESS") and k not in (
    "KINORA_DATA", "KINORA_API", "KINORA_OSS", "KINORA_DATABASE")}


class Result:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        return json.loads(self.out)


def run(*args, env=None, cwd=None, stdin=None):
    """Run kinora to its end."""
    done = subprocess.run([KINORA, *args], env={**ENV, **(env or {})}, cwd=cwd, input=stdin, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=240)
    return Result(done)


class Service:
    """`kinora serve` on free ports."""

    def __init__(self, folder="kinora-data", *options):
        self.folder = os.path.abspath(folder)
        self.log = open(self.folder + ".log", "ab")
        self.process = subprocess.Popen(
            [KINORA, "serve", "--data", self.folder, "--listen", "127.0.0.1:0", "--oss-listen",
             "127.0.0.1:0", "--mns-listen", "127.0.0.1:0", "--workers", "1", *options],
            env=ENV, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("kinora: ready "):
            self.stop()
            with open(self.folder + ".log", encoding="utf-8") as log:
                raise RuntimeError("the service did not start: " + log.read())
        said = dict(part.split("=", 1) for part in line.split()[2:])
        self.api, self.oss = said["api"], said["oss"]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=120)
        self.process.stdout.close()
        self.log.close()
        return self.process.returncode

    def run(self, *args, **kwargs):
        """A command against this service."""
        return run(*args, "--data", self.folder, **kwargs)

    def submit(self, source, target, name="job", template="Video-360P", queue=None):
        """Submit a conversion with one output; the job's id."""
        config = {"JobName": name,
                  "Inputs": [{"InputFile": {"Type": "OSS", "Media": source}}],
                  "Outputs": [{"OutputFile": {"Type": "OSS", "Media": target}, "TemplateId": template}]}
        result = self.run("call", "SubmitMediaConvertJob", "Config=" + json.dumps(config),
                          *([f"PipelineId={queue}"] if queue else []))
        if result.status != 0:
            raise AssertionError(result.err)
        return result.json["JobId"]

    def key(self):
        """The first key pair: (id, secret)."""
        with open(self.folder + "/credentials", encoding="utf-8") as file:
            said = dict(line.strip().split("=", 1) for line in file if "=" in line)
        return said["KINORA_ACCESS_KEY_ID"], said["KINORA_ACCESS_KEY_SECRET"]

    def store(self, method, resource, body=None):
        """A signed request to the object store ("/bucket/key?uploads"); the answer's bytes."""
        key_id, secret = self.key()
        date = email.utils.formatdate(usegmt=True)
        text = f"{method}\n\napplication/octet-stream\n{date}\n{resource}"
        mac = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
        request = urllib.request.Request(self.oss + resource, data=body, method=method, headers={
            "Date": date, "Content-Type": "application/octet-stream",
            "Authorization": f"OSS {key_id}:{base64.b64encode(mac).decode()}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()


class Case(unittest.TestCase):
    """A test whose class has one service: self.service, started with `options`."""
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.service = Service("data-" + cls.__name__, *cls.options)
        cls.addClassCleanup(cls.service.stop)

    def ok(self, *args, **kwargs):
        """Run against the service; it must succeed."""
        result = self.service.run(*args, **kwargs)
        self.assertEqual(result.status, 0, f"kinora {' '.join(args)}: {result.err}")
        return result

    def wait_until(self, is_so, seconds=60):
        """Ask until it is so; a generous end, for machines that are busy."""
        end = time.monotonic() + seconds
        while not is_so():
            self.assertLess(time.monotonic(), end, "it did not happen")
            time.sleep(0.05)

    def assert_fails(self, result, *words, status=1):
        """It failed, with this status and a sentence that holds these words, and one line of it."""
        self.assertEqual(result.status, status, result.err)
        self.assertTrue(result.err.startswith("kinora: "), result.err)
        for word in words:
            self.assertIn(word, result.err)
        self.assertEqual(result.err.strip().count("\n"), 0, result.err)


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=1)
