"""What every row of the bench shares: running a command with its costs, pairs, ratios, the table.

The rules (bench/README.md): product and peer run alternately in one invocation and the median of the
pairwise ratios counts; processor seconds first, wall seconds second; the answer is checked before it
is timed; peak memory is that of all processes together.
"""
import ctypes
import os
import statistics
import subprocess
import sys
import threading
import time

QUICK = os.environ.get("QUICK", "") not in ("", "0")
PAIRS = int(os.environ.get("PAIRS", "3" if QUICK else "5"))
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36
# What a peer's processes leave behind when they end becomes ours to wait for, and to count.
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Absent(Exception):
    """A peer or an input that is not on this machine; the row says so."""


class Cost:
    def __init__(self, cpu_s, wall_s, peak_mb=0.0, io_mb=0.0):
        self.cpu_s, self.wall_s, self.peak_mb, self.io_mb = cpu_s, wall_s, peak_mb, io_mb


# ---- processes ----

def children_of():
    """pid -> its children, of all processes."""
    tree = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
                tree.setdefault(parent, []).append(int(entry))
            except OSError:
                pass  # it has just ended
    return tree


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return None  # it has just ended


def family(pid):
    tree, found, todo = children_of(), [], [pid]
    while todo:
        found.append(todo.pop())
        todo += tree.get(found[-1], [])
    return found


def cpu_seconds(pid):
    """Processor seconds of a process, its living descendants, and all that these waited for."""
    ticks = 0
    for each in family(pid):
        try:
            with open(f"/proc/{each}/stat") as f:
                ticks += sum(int(n) for n in f.read().rsplit(")", 1)[1].split()[11:15])
        except OSError:
            pass
    return ticks * TICK_S


def memory_mb(pids):
    """Proportional set size: pages that processes share are counted once."""
    total_kb = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total_kb += next((int(line.split()[1]) for line in f if line.startswith("Pss:")), 0)
        except OSError:
            pass
    return total_kb / 1024


class PeakMemory:
    """The most that a process and its descendants held together, sampled ten times a second."""

    def __init__(self, pid):
        self.pid, self.peak_mb, self.is_over = pid, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.is_over.wait(0.1):
            self.peak_mb = max(self.peak_mb, memory_mb(family(self.pid)))

    def end(self):
        self.is_over.set()
        self.thread.join()
        return self.peak_mb


def io_mb():
    """Bytes that we and everybody we waited for have read and written so far."""
    with open("/proc/self/io") as f:
        return sum(int(line.split()[1]) for line in list(f)[:2]) / 1e6


def run(command, env=None, cwd=None, with_memory=False):
    """Run to the end; its costs with those of every process it left or waited for."""
    io_before, began = io_mb(), time.monotonic()
    with open(os.devnull, "r+b") as null:
        child = subprocess.Popen(command, stdin=null, stdout=null, stderr=subprocess.PIPE, env=env, cwd=cwd)
    peak = PeakMemory(child.pid) if with_memory else None
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall_s = time.monotonic() - began
    cpu_s = usage.ru_utime + usage.ru_stime
    while True:  # orphans
        try:
            pid, _, orphan = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid == 0:
            break
        cpu_s += orphan.ru_utime + orphan.ru_stime
    child.returncode = os.waitstatus_to_exitcode(status)
    peak_mb = peak.end() if peak else 0.0
    if child.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {child.returncode}: {errors.decode(errors='replace')[-500:]}")
    return Cost(cpu_s, wall_s, max(peak_mb, usage.ru_maxrss / 1024), io_mb() - io_before)


def output(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# ---- pairs ----

def pairs(ours, peer, n=None):
    """Interleave two callables that answer Costs, after a first touch that counts for nobody."""
    ours(), peer()
    a, b = [], []
    for _ in range(n or PAIRS):
        a.append(ours())
        b.append(peer())
    return a, b


def values(costs, what):
    return [getattr(c, what) if isinstance(c, Cost) else c for c in costs]


# ---- rows ----

rows = []


def row(name, what, ours, peer, ratio, bar, holds, bound="", peak=""):
    """holds None: the peer is absent. Everything is text by now, as it goes into the table."""
    rows.append({"row": name, "what": what, "ours": ours, "peer": peer, "ratio": ratio, "bar": bar,
                 "holds": holds, "bound": bound, "peak": peak})
    mark = "holds" if holds else "MISSED" if holds is not None else "absent"
    print(f"{name:3} {what:46} {ours:>22} {peer:>22} {ratio:>20}  {bar:12} {mark}", flush=True)


def ratio_row(name, what, a, b, measure, unit, bar, at_least=False, bound="", peak="", scale=1.0, digits=2):
    """A row of pairwise ratios. `at_least`: more is better, and the bar is a least."""
    ours, peer = values(a, measure), values(b, measure)
    each = [x / y for x, y in zip(ours, peer)]
    middle = statistics.median(each)
    text = lambda v: f"{statistics.median(v) * scale:,.{digits}f} {unit}"
    row(name, what, text(ours), text(peer), f"{middle:.2f} ({min(each):.2f}–{max(each):.2f})",
        f"{'≥' if at_least else '≤'} {bar:.2f}", middle >= bar if at_least else middle <= bar, bound, peak)
    return middle


def limit_row(name, what, value, unit, limit, peer="", bound="", peak="", digits=1):
    """A row whose bar is a number, not a ratio."""
    row(name, what, f"{value:.{digits}f} {unit}", peer, "", f"≤ {limit:g} {unit}", value <= limit, bound, peak)


def absent_row(name, what, why):
    row(name, what, "", "", "absent", "", None, why)


# ---- the report ----

def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "?")
    with open("/proc/meminfo") as f:
        memory_gb = int(f.readline().split()[1]) / 1e6
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                            cwd=os.path.dirname(os.path.realpath(__file__))).stdout.strip()
    load = os.getloadavg()[0]
    return (f"{os.cpu_count()} cores, {model}, {memory_gb:.0f} GB, Linux {os.uname().release}; commit {commit or '?'}; "
            f"{time.strftime('%Y-%m-%d')}; load average at the start {load:.1f}")


COLUMNS = ("row", "what", "ours", "peer", "ratio", "bar", "holds", "bound", "peak")


def mark(r):
    return "holds" if r["holds"] else "**missed**" if r["holds"] is not None else "absent"


def write_results(path, head, notes=""):
    with open(path, "w") as f:
        f.write(f"# Results\n\n`make bench` on {head}; {PAIRS} interleaved pairs a row{', short inputs' if QUICK else ''}{notes}. "
                "Ratios are medians of pairwise ratios (least–greatest); what each row does is in README.md.\n\n"
                "| row | what | ours | peer | ratio | bar | holds | bounded by | peak memory (ours / peer) |\n"
                "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
        for r in rows:
            f.write("| " + " | ".join(mark(r) if c == "holds" else str(r[c]) for c in COLUMNS) + " |\n")


def fail(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)

