"""A running `kinora serve` for the rows that measure the service: starting it, calling it with real
signatures, preparing signed requests for the load client."""
import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import sqlite3
import subprocess
import time
import urllib.parse
import uuid
from email.utils import formatdate

import measure

KEY, SECRET = "bench-key", "bench-secret"
BUILD = os.environ.get("KINORA_BUILD", os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "build"))
BUILD = os.path.realpath(BUILD)
KINORA = os.path.join(BUILD, "kinora")


def tool(name):
    """A helper program of the bench, built by ninja on demand."""
    path = os.path.join(BUILD, "bench", name)
    if not os.path.exists(path):
        subprocess.run(["ninja", "-C", BUILD, "--quiet", f"bench/{name}"], check=True, stdout=subprocess.DEVNULL)
    return path


def percent(text):
    return urllib.parse.quote(str(text), safe="-_.~")


# ---- signatures ----

def rpc_target(action, parameters, method="GET"):
    """The target of an RPC call with signature version 1, everything in the query."""
    query = {**parameters, "Action": action, "Version": "2020-11-09", "Format": "JSON", "AccessKeyId": KEY,
             "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0", "SignatureNonce": uuid.uuid4().hex,
             "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    canonical = "&".join(f"{percent(k)}={percent(v)}" for k, v in sorted(query.items()))
    to_sign = f"{method}&%2F&{percent(canonical)}"
    digest = hmac.new((SECRET + "&").encode(), to_sign.encode(), hashlib.sha1).digest()
    return f"/?{canonical}&Signature={percent(base64.b64encode(digest).decode())}"


def rpc_request(action, parameters, method="GET"):
    body = "Content-Length: 0\r\n" if method == "POST" else ""
    return f"{method} {rpc_target(action, parameters, method)} HTTP/1.1\r\nHost: bench\r\n{body}\r\n".encode()


def oss_headers(method, bucket, key, content_type=""):
    date = formatdate(usegmt=True)
    to_sign = f"{method}\n\n{content_type}\n{date}\n/{bucket}/{key}"
    digest = hmac.new(SECRET.encode(), to_sign.encode(), hashlib.sha1).digest()
    return {"Date": date, "Authorization": f"OSS {KEY}:{base64.b64encode(digest).decode()}"}


def oss_request(host, method, bucket, key, body=b""):
    kind = "application/octet-stream" if body else ""
    headers = {"Host": host, **oss_headers(method, bucket, key, kind)}
    if body:
        headers["Content-Type"] = kind
    if method == "PUT":
        headers["Content-Length"] = len(body)
    head = f"{method} /{bucket}/{key} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    return head.encode() + b"\r\n" + body


# ---- the load client ----

def write_requests(path, requests):
    with open(path, "wb") as f:
        for request in requests:
            f.write(b"%d\n" % len(request) + request)


def load(url, connections, seconds, path, once=False):
    """What bench/load.c printed; an answer that is no success fails the run."""
    host, port = re.match(r"http://([\d.]+):(\d+)", url).groups()
    command = [tool("load"), host, port, str(connections), str(seconds), path] + (["once"] if once else [])
    done = subprocess.run(command, capture_output=True, text=True)
    answer = json.loads(done.stdout) if done.returncode == 0 else None
    if not answer or answer["errors"]:
        raise RuntimeError(f"load: {done.stdout} {done.stderr[-800:]}")
    return answer


# ---- the service ----

class Service:
    """kinora serve on free ports with a data folder of its own."""

    def __init__(self, data, *arguments, program=None, env=None):
        os.makedirs(data, exist_ok=True)
        self.data = data
        self.log = os.path.join(data, "log")
        self.process = subprocess.Popen(
            [program or KINORA, "serve", "--data", data, "--listen", "127.0.0.1:0", "--oss-listen", "127.0.0.1:0",
             "--mns-listen", "127.0.0.1:0", "--allow-url-host", "127.0.0.1", *arguments],
            stdout=subprocess.PIPE, stderr=open(self.log, "a"), text=True,
            env={**os.environ, "KINORA_ACCESS_KEY_ID": KEY, "KINORA_ACCESS_KEY_SECRET": SECRET, **(env or {})})
        found = re.match(r"kinora: ready api=(\S+) oss=(\S+) mns=(\S+)", self.process.stdout.readline())
        if not found:
            self.process.wait()
            raise RuntimeError("kinora serve did not start: " + open(self.log).read()[-1000:])
        self.api, self.oss, self.mns = found.groups()
        self.connections = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for connection, _ in self.connections.values():
            connection.close()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.process.stdout.close()

    def request(self, url, method, target, headers, body=None):
        """One request over a connection that is kept; answers the body."""
        connection, used_at = self.connections.get(url, (None, 0))
        if connection and time.monotonic() - used_at > 20:  # a server may close what idles
            connection.close()
            connection = None
        connection = connection or http.client.HTTPConnection(url.split("//")[1])
        connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        self.connections[url] = connection, time.monotonic()
        if answer.status > 299:
            raise RuntimeError(f"{method} {target[:200]}: {answer.status} {text[:500]}")
        return text

    def call(self, action, **parameters):
        return json.loads(self.request(self.api, "POST", rpc_target(action, parameters, "POST"), {}))

    def put_bucket(self, bucket):
        self.request(self.oss, "PUT", f"/{bucket}", oss_headers("PUT", bucket, ""))

    def put(self, bucket, key, body):
        kind = "application/octet-stream"
        self.request(self.oss, "PUT", f"/{bucket}/{key}",
                     {**oss_headers("PUT", bucket, key, kind), "Content-Type": kind}, body)

    def put_file(self, bucket, key, path):
        with open(path, "rb") as f:
            self.put(bucket, key, f.read())

    def get_file(self, bucket, key, path):
        with open(path, "wb") as f:
            f.write(self.request(self.oss, "GET", f"/{bucket}/{key}", oss_headers("GET", bucket, key)))

    # -- jobs --

    def submit(self, config):
        return self.call("SubmitMediaConvertJob", Config=json.dumps(config))["Job"]["JobId"]

    def wait(self, job_id, poll_s=0.05, timeout_s=1800):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            job = self.call("GetMediaConvertJob", JobId=job_id)["Job"]
            if job["State"] not in ("Inited", "Running"):
                return job
            time.sleep(poll_s)
        raise RuntimeError(f"job {job_id} does not end")

    def convert(self, config, poll_s=0.05):
        """Submit, wait for the end; the costs of the whole service meanwhile."""
        cpu_before, began = measure.cpu_seconds(self.process.pid), time.monotonic()
        peak = measure.PeakMemory(self.process.pid)
        try:
            job = self.wait(self.submit(config), poll_s)
        finally:
            peak_mb = peak.end()
        wall_s = time.monotonic() - began
        if job["State"] != "Success" and job["State"] != "Complete":
            raise RuntimeError(f"the job ended {job['State']}: {job.get('Code')} {job.get('Message')}")
        return measure.Cost(measure.cpu_seconds(self.process.pid) - cpu_before, wall_s, peak_mb)

    def records(self, sql, *parameters):
        """Straight from the database file: times in microseconds, which the wire has not."""
        with sqlite3.connect(f"file:{self.data}/kinora.db?mode=ro", uri=True) as db:
            return db.execute(sql, parameters).fetchall()
