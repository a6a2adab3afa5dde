# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of this folder share: a running Kinora and its processes, a client that signs its requests, a
receiver of callbacks, small films, and a look at the records afterwards.

A Service outlives its process: kill it, start it again, and the same folder (or database) goes on. Everything
goes over the wire as a stranger's program would: RPC with ACS3-HMAC-SHA256, objects by presigned URLs.
"""
import atexit
import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.parse
import uuid

BUILD = os.environ.get("KINORA_BUILD") or os.path.join(os.path.dirname(__file__), "..", "..", "build")
KEY, SECRET = "kill-key", "kill-secret"
VERSION = "2020-11-09"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
GONE = (OSError, http.client.HTTPException)  # the server died under a request


class Refused(Exception):
    """An answer that is an error: its HTTP status, its Code and its sentence."""

    def __init__(self, status, body):
        text = body.decode(errors="replace")
        found = re.search(r'"Code"\s*:\s*"([^"]*)"|<Code>([^<]*)', text)
        self.status, self.code, self.text = status, (found and (found[1] or found[2])) or "", text
        super().__init__(f"{status} {self.code}: {text[:300]}")


def percent(text):
    return urllib.parse.quote(str(text), safe="-_.~")


def hmac_bytes(digest, key, text):
    return hmac.new(key.encode(), text.encode(), digest).digest()


def request(address, method, path, body=b"", headers=None, timeout=30):
    """One request on a connection of its own: (status, headers, body)."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def acs3(address, action, parameters):
    """Path and headers of a signed POST whose parameters are in the query."""
    query = "&".join(f"{percent(k)}={percent(v)}" for k, v in sorted(parameters.items()))
    headers = {
        "host": address, "x-acs-action": action, "x-acs-version": VERSION, "x-acs-content-sha256": EMPTY_SHA256,
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "x-acs-signature-nonce": uuid.uuid4().hex}
    names = ";".join(sorted(headers))
    canonical = "\n".join(["POST", "/", query, *(f"{k}:{headers[k]}" for k in sorted(headers)), "", names, EMPTY_SHA256])
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    signature = hmac_bytes(hashlib.sha256, SECRET, to_sign).hex()
    headers["authorization"] = f"ACS3-HMAC-SHA256 Credential={KEY},SignedHeaders={names},Signature={signature}"
    return "/?" + query, headers


def presigned(method, bucket, key=""):
    """The path of an object with an OSS V1 signature in its query."""
    expires = int(time.time()) + 3600
    signature = base64.b64encode(hmac_bytes(hashlib.sha1, SECRET, f"{method}\n\n\n{expires}\n/{bucket}/{key}")).decode()
    query = urllib.parse.urlencode({"OSSAccessKeyId": KEY, "Expires": expires, "Signature": signature})
    return f"/{bucket}/{urllib.parse.quote(key)}?{query}"


class Service:
    """`kinora serve` on free ports. `data` is its folder; `log` grows beside it over all its lives."""

    def __init__(self, data, *arguments, workers=2, environment=None, prefix=(), allow="127.0.0.1"):
        os.makedirs(data, exist_ok=True)
        self.data, self.log = data, data.rstrip("/") + f".{uuid.uuid4().hex[:6]}.log"
        self.arguments = [*prefix, os.path.join(BUILD, "kinora"), "serve", "--data", data, "--listen", "127.0.0.1:0",
                          "--oss-listen", "127.0.0.1:0", "--mns-listen", "127.0.0.1:0", "--workers", str(workers),
                          *(["--allow-url-host", allow] if allow else []), *arguments]
        self.environment = {**os.environ, "KINORA_ACCESS_KEY_ID": KEY, "KINORA_ACCESS_KEY_SECRET": SECRET,
                            **(environment or {})}
        self.process = self.api = self.oss = self.mns = None
        self.n_starts = 0

    def start(self):
        atexit.register(self.kill)  # a test that fails leaves nothing running
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.arguments, stdout=subprocess.PIPE, stderr=log, text=True,
                                            env=self.environment)
        line = self.process.stdout.readline()
        found = re.match(r"kinora: ready api=http://(\S+) oss=http://(\S+) mns=http://(\S+)", line)
        if not found:
            self.kill()
            raise RuntimeError("kinora serve did not start:\n" + self.tail())
        self.api, self.oss, self.mns = found.groups()
        self.n_starts += 1
        return self

    def tail(self, n=4000):
        with open(self.log, errors="replace") as log:
            return log.read()[-n:]

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """kill -9, and wait until it is gone."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        self.reap()

    def stop(self, timeout=60):
        """SIGTERM, as an operator would; the exit status."""
        self.process.terminate()
        self.process.wait(timeout)
        return self.reap()

    def reap(self):
        if not self.process:
            return None
        status = self.process.wait(30)
        self.process.stdout.close()
        return status

    # ---- its processes

    def nursery(self):
        return next(iter(children_of(self.process.pid)), None)

    def children(self):
        """Those that have a job. One more is forked ahead and waits; when it is just born it still has the nursery's name."""
        nursery = self.nursery()
        return [pid for pid in children_of(nursery) if name_of(pid) == "kinora-job"] if nursery else []

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20

    # ---- the wire

    def call(self, action, **parameters):
        path, headers = acs3(self.api, action, parameters)
        status, _, body = request(self.api, "POST", path, headers=headers)
        if status != 200:
            raise Refused(status, body)
        return json.loads(body)

    def object(self, method, bucket, key="", body=b"", query=""):
        path = presigned(method, bucket, key) + (f"&{query}" if query else "")
        status, headers, content = request(self.oss, method, path, body=body)
        if status >= 300:
            raise Refused(status, content)
        return headers, content

    def put_file(self, bucket, key, path):
        with open(path, "rb") as file:
            self.object("PUT", bucket, key, file.read())

    def is_well(self):
        return request(self.api, "GET", "/healthz")[0] == 200

    def job(self, job_id):
        return self.call("GetMediaConvertJob", JobId=job_id)["Job"]

    def submit(self, config, **more):
        return self.call("SubmitMediaConvertJob", Config=json.dumps(config), **more)["Job"]["JobId"]

    def jobs(self):
        """All jobs, page by page."""
        token = ""
        while True:
            page = self.call("ListMediaConvertJobs", PageSize=100, NextPageToken=token)
            yield from page["Jobs"]
            token = page.get("NextPageToken")
            if not token:
                return

    def ended(self, job_id, seconds=60):
        """The job once it has ended."""
        return until(lambda: self.job(job_id), lambda job: job["State"] not in ("Inited", "Running"), seconds)


def conversion(bucket, key, out, video=None, audio=None, template="Video-360P"):
    """A conversion of one film with one output, small enough to take some tens of milliseconds."""
    overrides = {"Video": {"Width": 128, "Height": 128, **(video or {})}, **({"Audio": audio} if audio else {})}
    return {"Inputs": [{"Name": "film", "InputFile": {"Type": "OSS", "Media": f"oss://{bucket}/{key}"}}],
            "OutputGroups": [{"GroupConfig": {"Type": "File", "OutputFileBase": {"Type": "OSS", "Media": f"oss://{bucket}/"}},
                              "Outputs": [{"OutputFileName": out, "TemplateId": template, "OverrideParams": overrides}]}]}


def until(ask, done, seconds=60, pause=0.05):
    """Ask again until `done(answer)`; the answer. The end is generous: machines are busy."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if done(answer):
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"still waiting after {seconds} s: {answer}")
        time.sleep(pause)


# ---- processes

def children_of(pid):
    """The live children of a process, whichever of its threads made them."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{int(entry)}/stat") as stat:
                state, parent = stat.read().rsplit(")", 1)[1].split()[:2]
        except (ValueError, OSError):
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(entry))
    return found


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as comm:
            return comm.read().strip()
    except OSError:
        return None  # it had just ended


def kill_9(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False  # it had just ended


# ---- callbacks

class Receiver:
    """Takes callbacks. `answer(n)` may give another status than 200 for the nth, or 0 to hang up without one."""

    def __init__(self, answer=lambda n: 200):
        self.acknowledged, self.n_requests, self.lock = [], 0, threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with receiver.lock:
                    receiver.n_requests += 1
                    status = answer(receiver.n_requests)
                    if status == 200:
                        receiver.acknowledged.append(event)
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/callback"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def jobs_told(self):
        with self.lock:
            return [event["MessageBody"]["JobId"] for event in self.acknowledged]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


# ---- media

def make_film(path, seconds=1, size="320x180", sound=True, encoder="libx264", more=()):
    """A film with a moving picture and a tone, by the ffmpeg program (tests only)."""
    tone = ["-f", "lavfi", "-i", f"sine=f=440:r=48000:d={seconds}", "-c:a", "aac", "-b:a", "64k"] if sound else []
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}", *tone,
                    "-c:v", encoder, *(["-preset", "ultrafast"] if encoder == "libx264" else []), *more, path], check=True)


def duration_of(path, is_copy=False):
    """How long a film plays. All of it is decoded: a torn file fails here. A copy keeps the faults of its source, so
    of a copy only the packets are looked at."""
    how = ["-c", "copy"] if is_copy else []
    decode = subprocess.run(["ffmpeg", "-v", "error", *([] if is_copy else ["-xerror"]), "-i", path, *how, "-progress", "-",
                             "-f", "null", "-"], capture_output=True, text=True)
    assert decode.returncode == 0 and (is_copy or not decode.stderr), f"{path} does not decode: {decode.stderr}"
    return int(re.findall(r"out_time_us=(\d+)", decode.stdout)[-1]) / 1e6


# ---- records

def rows(service, query):
    """Look into the database itself, past the API: a list of tuples of texts. For a service that stands still."""
    database = next((a for a in service.arguments if a.startswith("postgresql:")), None)
    if database:
        out = subprocess.run(["psql", "-X", "-At", "-F", "\t", "-d", database, "-c", query], check=True,
                             capture_output=True, text=True).stdout
        return [tuple(line.split("\t")) for line in out.splitlines()]
    with sqlite3.connect(f"file:{service.data}/kinora.db?mode=ro", uri=True) as db:
        return [tuple(str(v) for v in row) for row in db.execute(query)]
