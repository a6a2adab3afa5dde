"""M1: messages a second through the queues, durable, beside SQLite itself."""
import base64
import hashlib
import hmac
import json
import os
import re
import statistics
import subprocess
from email.utils import formatdate

import measure
from service import KEY, SECRET, Service, tool
from serving import LOAD_S

CONNECTIONS = 128
LEAST = 2000  # issue 3, section 3


def make_queue(service, name):
    date = formatdate(usegmt=True)
    text = f"PUT\n\n\n{date}\nx-mns-version:2015-06-06\n/queues/{name}"
    digest = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()
    service.request(service.mns, "PUT", f"/queues/{name}",
                    {"Date": date, "x-mns-version": "2015-06-06", "Authorization": f"MNS {KEY}:{digest}"})


def queue_load(service, queue, what, seconds):
    host, port = re.match(r"http://([\d.]+):(\d+)", service.mns).groups()
    done = subprocess.run([tool("queue-load"), host, port, str(CONNECTIONS), str(seconds), queue, KEY, SECRET, what],
                          check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout)
    if answer["errors"]:
        raise RuntimeError(f"queue-load: {done.stdout}")
    return answer


def bench_m1(folder):
    """Messages of 1 KiB sent, each durable before its answer; then received and deleted, one by one."""
    raw = f"{folder}/raw"
    os.makedirs(raw, exist_ok=True)
    sent, taken, inserts = [], [], []
    with Service(f"{folder}/m1", "--workers", "0") as service:
        for i in range(measure.PAIRS):
            make_queue(service, f"bench-{i}")
            sent.append(queue_load(service, f"bench-{i}", "send", LOAD_S))
            taken.append(queue_load(service, f"bench-{i}", "take", 60))
            inserts.append(float(subprocess.run([tool("sqlite-inserts"), str(LOAD_S)], cwd=raw, check=True,
                                                capture_output=True, text=True).stdout))
        left = service.records("SELECT count(*) FROM queue_message")[0][0]
        memory = f"{measure.memory_mb([service.process.pid]):.0f} MB"
    if left or sum(s["messages"] for s in sent) != sum(t["messages"] for t in taken):
        raise RuntimeError(f"{left} messages are left of those that were sent, or some came twice")
    peer = statistics.median(inserts)
    for what, results in (("durable SendMessage", sent), ("receive and delete", taken)):
        each = statistics.median(r["per_second"] for r in results)
        worst = max(r["p99_ms"] for r in results)
        measure.row("M1", f"{what}, {CONNECTIONS} connections", f"{each:,.0f} /s", f"{peer:,.0f} /s", f"{each / peer:.2f}",
                    f"≥ {LEAST:,} /s", each >= LEAST, f"one writer thread, an fdatasync a group; p99 {worst:.0f} ms", memory)
