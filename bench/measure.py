"""What every row of the bench shares: running a command with its costs, pairs, ratios.

Rules (each claim is a ratio against a named peer in the same run): product and peer run alternately,
the median of the pairwise ratios is printed with its spread; processor seconds first, wall seconds
second; the answer is checked before it is timed.
"""
import json
import os
import statistics
import subprocess
import sys
import time

PAIRS = int(os.environ.get("PAIRS", "5"))


class Absent(Exception):
    """A peer or an input that is not on this machine; the row says so."""


class Cost:
    def __init__(self, cpu_s, wall_s, peak_kb):
        self.cpu_s, self.wall_s, self.peak_kb = cpu_s, wall_s, peak_kb


def run(command, env=None, cwd=None):
    """Run to the end; its processor seconds with those of every process it waited for."""
    began = time.monotonic()
    with open(os.devnull, "r+b") as null:
        child = subprocess.Popen(command, stdin=null, stdout=null, stderr=subprocess.PIPE, env=env, cwd=cwd)
        errors = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {child.returncode}: {errors.decode(errors='replace')[-500:]}")
    return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - began, usage.ru_maxrss)


def pairs(ours, peer, n=PAIRS):
    """Interleave two callables that answer Costs; answers two lists."""
    ours(), peer()  # the first touch of files and libraries counts for nobody
    a, b = [], []
    for _ in range(n):
        a.append(ours())
        b.append(peer())
    return a, b


def ratios(a, b, what):
    values = [getattr(x, what) / getattr(y, what) for x, y in zip(a, b)]
    return statistics.median(values), min(values), max(values)


rows = []


def row(name, claim, value, bar, holds, detail):
    rows.append({"row": name, "claim": claim, "value": value, "bar": bar, "holds": holds, "detail": detail})
    mark = "holds" if holds else "MISSED" if holds is not None else "absent"
    print(f"{name:4} {claim:44} {value:>28}  bar {bar:16} {mark}")
    if detail:
        print(f"     {detail}")
    sys.stdout.flush()


def ratio_row(name, claim, a, b, what, bar, detail=""):
    middle, low, high = ratios(a, b, what)
    row(name, claim, f"{middle:.2f} ({low:.2f}–{high:.2f})", f"<= {bar:.2f}", middle <= bar, detail)


def absent_row(name, claim, why):
    row(name, claim, "absent", "", None, why)


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "?")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return f"{os.cpu_count()} cores, {model}; commit {commit or '?'}; {time.strftime('%Y-%m-%d')}"


def write_results(path):
    with open(path, "w") as f:
        f.write(f"# Results\n\n`make bench` on {machine()}, {PAIRS} interleaved pairs a row.\n\n")
        f.write("| row | claim | measured: median (min–max) | bar | |\n| --- | --- | --- | --- | --- |\n")
        for r in rows:
            mark = "holds" if r["holds"] else "missed" if r["holds"] is not None else "absent"
            f.write(f"| {r['row']} | {r['claim']}{' — ' + r['detail'] if r['detail'] else ''} | {r['value']} | {r['bar']} | {mark} |\n")
    with open(path.replace(".md", ".json"), "w") as f:
        json.dump({"machine": machine(), "rows": rows}, f, indent=1)
