"""S1, S2 and Q1: requests a second beside nginx, s3rver and SQLite itself. The same load client and
the same number of connections are put before both sides."""
import json
import os
import shutil
import socket
import statistics
import subprocess
import time

import measure
from service import BUILD, Service, load, oss_headers, oss_request, rpc_request, tool, write_requests

CONNECTIONS = 64
LOAD_S = float(os.environ.get("LOAD_SECONDS", "1.5" if measure.QUICK else "4"))
S3RVER = "3.7.1"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise measure.Absent(f"{process.args[0]} does not start")


class Nginx:
    """One worker, static files, no log: the fastest that a web server is here."""

    def __init__(self, folder):
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if not program:
            raise measure.Absent("nginx is not installed")
        self.port, files = free_port(), f"{folder}/nginx"
        os.makedirs(f"{files}/html", exist_ok=True)
        for name, size in (("1k", 1024), ("1m", 1 << 20)):
            with open(f"{files}/html/{name}", "wb") as f:
                f.write(os.urandom(size))
        with open(f"{files}/nginx.conf", "w") as f:
            f.write(f"""worker_processes 1; daemon off; error_log {files}/error.log; pid {files}/pid;
                events {{ worker_connections 1024; }}
                http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
                    client_body_temp_path {files}/b; proxy_temp_path {files}/p; fastcgi_temp_path {files}/f;
                    uwsgi_temp_path {files}/u; scgi_temp_path {files}/s;
                    server {{ listen 127.0.0.1:{self.port}; root {files}/html; }} }}""")
        os.chmod(folder, 0o755)
        for part in (files, f"{files}/html"):
            os.chmod(part, 0o755)
        self.process = subprocess.Popen([program, "-p", files, "-c", f"{files}/nginx.conf", "-g",
                                         "user root;" if os.getuid() == 0 else "worker_rlimit_nofile 4096;"],
                                        stderr=subprocess.DEVNULL)
        wait_for(self.port, self.process)
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def plain_get(path, name):
    write_requests(path, [f"GET /{name} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()])
    return path


def numbers(answers, what):
    return [x[what] for x in answers]


def load_pairs(ours, peer, n=None):
    """As measure.pairs(), of answers of the load client."""
    ours(), peer()
    a, b = [], []
    for _ in range(n or measure.PAIRS):
        a.append(ours())
        b.append(peer())
    return a, b


def p99(answers):
    return sorted(numbers(answers, "p99_ms"))[len(answers) // 2]


def bench_s1(folder):
    """Signed reads: an RPC call, a small object, the bandwidth of larger ones."""
    signed = f"{folder}/signed"
    with Service(f"{folder}/s1") as service, Nginx(folder) as nginx:
        service.put_bucket("bench")
        service.put("bench", "1k", os.urandom(1024))
        service.put("bench", "1m", os.urandom(1 << 20))
        pipeline = service.call("ListPipelines")["PipelineList"][0]["PipelineId"]
        host = service.oss.split("//")[1]
        small, large = plain_get(f"{folder}/nginx-1k", "1k"), plain_get(f"{folder}/nginx-1m", "1m")

        def rpc():  # each has a nonce of its own, which counts once
            write_requests(signed, [rpc_request("GetPipeline", {"PipelineId": pipeline})
                                    for _ in range(int(LOAD_S * 30000))])
            return load(service.api, CONNECTIONS, LOAD_S, signed, once=True)

        a, b = load_pairs(rpc, lambda: load(nginx.url, CONNECTIONS, LOAD_S, small))
        memory = f"{measure.memory_mb([service.process.pid]):.0f} MB"
        measure.ratio_row("S1", "signed RPC read / nginx, 1 KiB file", numbers(a, "per_second"),
                          numbers(b, "per_second"), "", "/s", 0.20, at_least=True, digits=0, peak=memory,
                          bound=f"HMAC, a database read, JSON; p99 {p99(a):.1f} / {p99(b):.1f} ms")
        write_requests(f"{folder}/oss-1k", [oss_request(host, "GET", "bench", "1k")])
        a, b = load_pairs(lambda: load(service.oss, CONNECTIONS, LOAD_S, f"{folder}/oss-1k"),
                          lambda: load(nginx.url, CONNECTIONS, LOAD_S, small))
        measure.ratio_row("S1", "signed GET of a 1 KiB object / nginx", numbers(a, "per_second"),
                          numbers(b, "per_second"), "", "/s", 0.20, at_least=True, digits=0,
                          bound=f"HMAC, a database read; p99 {p99(a):.1f} / {p99(b):.1f} ms")
        write_requests(f"{folder}/oss-1m", [oss_request(host, "GET", "bench", "1m")])
        a, b = load_pairs(lambda: load(service.oss, CONNECTIONS, LOAD_S, f"{folder}/oss-1m"),
                          lambda: load(nginx.url, CONNECTIONS, LOAD_S, large))
        speed = lambda answers: [x["bytes"] / x["seconds"] / 1e6 for x in answers]
        measure.ratio_row("S1", "signed GET of 1 MiB objects / nginx", speed(a), speed(b), "", "MB/s", 0.80,
                          at_least=True, digits=0, bound="copying in the kernel and the client")


# ---- S2 ----

class S3rver:
    def __init__(self, folder):
        home = next((f"{p}/s3rver" for p in os.environ.get("PEERS", "").split(":") if os.path.isdir(f"{p}/s3rver")),
                    f"{BUILD}/bench-peers")
        program = f"{home}/node_modules/.bin/s3rver"
        if not os.path.exists(program):
            if not shutil.which("npm"):
                raise measure.Absent("npm is not installed, nor s3rver in a folder of PEERS")
            os.makedirs(home, exist_ok=True)
            done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", home,
                                   f"s3rver@{S3RVER}"], capture_output=True, text=True)
            if done.returncode:
                raise measure.Absent(f"npm install s3rver@{S3RVER}: {done.stderr[-200:]}")
        self.port = free_port()
        self.process = subprocess.Popen([program, "-s", "-d", f"{folder}/s3rver", "-a", "127.0.0.1", "-p",
                                         str(self.port), "--configure-bucket", "bench"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port, self.process)
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def s3_request(method, key, body=b""):
    """Unsigned: s3rver takes it, and is the faster for it."""
    head = f"{method} /bench/{key} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if method == "PUT":
        head += f"Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def durable_write_ms(folder, body, n=20):
    """What the disk alone takes for an object and then its record, each flushed: the least there is."""
    took = []
    with open(f"{folder}/log", "wb", buffering=0) as log:
        log.write(bytes(1 << 20))
        os.fsync(log.fileno())
        for i in range(n):
            before = time.monotonic()
            with open(f"{folder}/object-{i}", "wb", buffering=0) as f:
                f.write(body)
                os.fdatasync(f.fileno())
            os.pwrite(log.fileno(), bytes(8192), i * 8192)
            os.fdatasync(log.fileno())
            took.append((time.monotonic() - before) * 1000)
    return statistics.median(took)


def bench_s2(folder):
    """Objects over one connection; ours are durable before the answer, s3rver's are not."""
    kib, mib = os.urandom(1024), os.urandom(1 << 20)
    with Service(f"{folder}/s2") as service, S3rver(folder) as peer:
        service.put_bucket("bench")
        host = service.oss.split("//")[1]
        for what, method, body, n in (("durable PUT of 1 KiB", "PUT", kib, 512), ("durable PUT of 1 MiB", "PUT", mib, 64),
                                      ("GET of 1 MiB", "GET", b"", 64)):
            ours, theirs, size = f"{folder}/ours", f"{folder}/theirs", "1k" if body is kib else "1m"
            write_requests(ours, [oss_request(host, method, "bench", f"{size}-{i}", body) for i in range(n)])
            write_requests(theirs, [s3_request(method, f"{size}-{i}", body) for i in range(n)])
            if body:  # all of them are there when they are asked for
                load(service.oss, 1, 60, ours, once=True), load(peer.url, 1, 60, theirs, once=True)
            a, b = load_pairs(lambda: load(service.oss, 1, LOAD_S, ours), lambda: load(peer.url, 1, LOAD_S, theirs))
            disk_ms = durable_write_ms(folder, body) if body else 0
            measure.ratio_row("S2", f"{what} / s3rver, one connection", numbers(a, "per_second"),
                              numbers(b, "per_second"), "", "/s", 5, at_least=True, digits=0,
                              bound=f"flushing the object, then its record: the disk alone takes {disk_ms:.1f} ms, "
                                    f"{1000 / disk_ms:.0f} /s; s3rver flushes nothing" if body else "the page cache",
                              peak=f"{measure.memory_mb([service.process.pid]):.0f} / "
                                   f"{measure.memory_mb([peer.process.pid]):.0f} MB")


# ---- Q1 ----

def bench_q1(folder):
    """Jobs accepted, each durable before its answer, from 64 connections; no worker takes them."""
    config = json.dumps({"Inputs": [{"InputFile": {"Type": "OSS", "Media": "oss://films/a.mp4"}}],
                         "Outputs": [{"OutputFile": {"Type": "OSS", "Media": "oss://films/b.mp4"},
                                      "TemplateId": "Video-720P"}]})
    raw = f"{folder}/raw"
    os.makedirs(raw, exist_ok=True)
    path = f"{folder}/submits"
    with Service(f"{folder}/q1", "--workers", "0", "--max-queued-jobs", "100000000") as service:
        service.put_bucket("films")

        def submits():
            write_requests(path, [rpc_request("SubmitMediaConvertJob", {"Config": config, "UserData": str(i)}, "POST")
                                  for i in range(int(LOAD_S * 12000))])
            return load(service.api, CONNECTIONS, LOAD_S, path, once=True)

        inserts = lambda: float(subprocess.run([tool("sqlite-inserts"), str(LOAD_S)], cwd=raw, check=True,
                                               capture_output=True, text=True).stdout)
        a, b = load_pairs(submits, inserts)
        n_recorded = service.records("SELECT count(*) FROM job")[0][0]
        memory = f"{measure.memory_mb([service.process.pid]):.0f} MB"
    n_accepted = sum(numbers(a, "requests"))
    if n_recorded < n_accepted:
        raise RuntimeError(f"{n_accepted} jobs were accepted and {n_recorded} recorded")
    measure.ratio_row("Q1", "durable submits / raw SQLite inserts", numbers(a, "per_second"), b, "", "/s", 0.80,
                      at_least=True, digits=0, peak=memory, bound="one writer thread; fdatasync is shared by a group")
    measure.limit_row("Q1", f"p99 of a submit, {CONNECTIONS} connections", p99(a), "ms", 50,
                      bound="a group's commit", digits=1)
