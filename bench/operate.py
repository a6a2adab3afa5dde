"""Q4 and Q8: a killed worker, and the start of the service."""
import os
import re
import signal
import statistics
import subprocess
import time

import convert
import measure
from jobs import jobs_below, running_children
from service import BUILD, KINORA, Service


def attempts_of(service, job_id):
    row = service.records("SELECT attempt, state, started_us FROM job WHERE replace(id, '-', '') = ?",
                          job_id.replace("-", ""))
    return row[0]


def seconds_until(condition, timeout_s=60):
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout_s:
            raise RuntimeError(f"nothing happened within {timeout_s} s")
        time.sleep(0.005)
    return time.monotonic() - began


def long_job(key):
    """Busy for many seconds, whatever the machine: nobody waits for its end."""
    video = {**convert.CRF, "Preset": "slower", "Width": 1920, "Height": 1080}
    return convert.job("oss://films", [(key, "Video-720P", convert.template(video, convert.AAC, convert.AUDIOS[:1]))])


def bench_q4(folder):
    """kill -9 of a job's process, of the nursery, of the whole service; and of another host's supervisor."""
    inputs = convert.make_inputs(f"{folder}/media")
    waits = []
    with convert.with_inputs(Service(f"{folder}/q4", "--workers", "1"), inputs) as service:
        for what in ("child", "nursery"):
            job_id = service.submit(long_job(f"q4-{what}"))
            seconds_until(lambda: running_children(service))
            time.sleep(0.5)
            attempt = attempts_of(service, job_id)[0]
            victims = running_children(service) if what == "child" else measure.children_of()[service.process.pid]
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            waits.append(seconds_until(lambda: attempts_of(service, job_id)[0] > attempt and running_children(service)))
            service.call("CancelMediaConvertJob", JobId=job_id)
            service.wait(job_id)
        job_id = service.submit(long_job("q4-serve"))
        seconds_until(lambda: running_children(service))
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait()
        began = time.monotonic()
        again = Service(f"{folder}/q4", "--workers", "1")
        seconds_until(lambda: running_children(again))
        waits.append(time.monotonic() - began)
        again.call("CancelMediaConvertJob", JobId=job_id)
        again.stop()
    measure.limit_row("Q4", "killed (job, nursery, service): runs again", max(waits), "s", 2, digits=2,
                      bound="a pidfd tells at once; " + ", ".join(f"{w:.2f}" for w in waits) + " s")
    other_host(folder, inputs)


def other_host(folder, inputs):
    """Two supervisors with data folders of their own, as on two machines, and one PostgreSQL."""
    with_postgres = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "tests", "support", "with-postgres")
    done = subprocess.run([with_postgres, "python3", os.path.realpath(__file__), f"{folder}/hosts", *inputs],
                          capture_output=True, text=True, env={**os.environ, "KINORA_BUILD": BUILD})
    found = re.search(r"taken over after ([\d.]+) s", done.stdout)
    if not found:
        measure.absent_row("Q4", "killed on another host: runs again", f"{done.stdout[-300:]} {done.stderr[-300:]}")
        return
    measure.limit_row("Q4", "killed on another host: runs again", float(found.group(1)), "s", 15, digits=2,
                      bound="the lease of 10 s: a dead host cannot be asked")


def two_hosts(folder, inputs):
    """Run under with-postgres; see other_host()."""
    url = os.environ["KINORA_TEST_DATABASE"]
    storage = f"file:{folder}/buckets"
    with convert.with_inputs(Service(f"{folder}/api", "--database", url, "--storage", storage, "--workers", "0"),
                             inputs) as service:
        def worker(name):
            return subprocess.Popen([KINORA, "worker", "--data", f"{folder}/{name}", "--database", url, "--storage",
                                     storage, "--workers", "1"], stdout=subprocess.DEVNULL,
                                    stderr=open(f"{folder}/{name}.log", "w"))

        first = worker("first")
        job_id = service.submit(long_job("two-hosts"))
        seconds_until(lambda: jobs_below(first.pid))
        second = worker("second")
        time.sleep(2)
        first.kill()
        first.wait()
        print(f"taken over after {seconds_until(lambda: jobs_below(second.pid)):.2f} s", flush=True)
        service.call("CancelMediaConvertJob", JobId=job_id)
        second.terminate()
        second.wait()


def bench_q8(folder):
    """Start to the first signed answer; memory when nothing happens."""
    starts = []
    for i in range(max(5, measure.PAIRS)):
        began = time.monotonic()
        with Service(f"{folder}/q8") as service:
            service.call("ListPipelines")
            starts.append((time.monotonic() - began) * 1000)
            if i == 0:
                first = starts.pop()  # makes the database
            time.sleep(1)
            own = measure.memory_mb([service.process.pid])
            nursery = measure.memory_mb(measure.family(service.process.pid)) - own
            with open(f"/proc/{service.process.pid}/status") as f:
                resident = next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")) / 1024
    measure.limit_row("Q8", "start to the first signed answer", statistics.median(starts), "ms", 300, digits=0,
                      bound=f"linking, opening the database; on an empty folder {first:.0f} ms")
    measure.limit_row("Q8", "kinora serve idle: resident memory", resident, "MiB", 30,
                      bound=f"libraries' pages; {own:.0f} MiB its own share, nursery {nursery:.0f} MiB beside it")


if __name__ == "__main__":
    import sys
    two_hosts(sys.argv[1], sys.argv[2:])
