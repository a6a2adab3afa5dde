"""T3, T5, T6 and T7: what a job costs beside its media work, and what becomes of it when things break."""
import itertools
import os
import re
import signal
import statistics
import subprocess
import time

import convert
import measure
from service import BUILD, Service, tool

CHECKPOINT_S = convert.CRF["Gop"] / 25  # key frames are the places to go on from


def tiny_film(folder):
    path = f"{folder}/tiny.mp4"
    measure.run(convert.FFMPEG + ["-f", "lavfi", "-i", "color=c=black:s=128x128:d=0.04", "-c:v", "libx264", "-preset",
                                  "ultrafast", path])
    return path


def tiny_job(key):
    video = {"Codec": "H.264", "Preset": "veryfast", "Crf": 23, "Width": 128, "Height": 128}
    return {"Inputs": [{"Name": "v", "InputFile": {"Type": "OSS", "Media": "oss://films/tiny.mp4"}}],
            "Outputs": [{"OutputFile": {"Type": "OSS", "Media": f"oss://films/{key}.mp4"}, "TemplateId": "Video-360P",
                         "OverrideParams": {"Container": {"Format": "mp4"}, "Video": video, "Audio": {"Remove": True},
                                            "TransConfig": {"TransMode": "fixCRF", "ForceTranscode": True}}}]}


def with_tiny_film(service, folder):
    service.put_bucket("films")
    service.put_file("films", "tiny.mp4", tiny_film(folder))
    first = service.wait(service.submit(tiny_job("first")))
    if first["State"] not in ("Complete", "Success"):
        raise RuntimeError(f"the tiny job ended {first['State']}: {first.get('Message')}")
    return service


def times_of(service, ids):
    rows = service.records("SELECT id, created_us, started_us, finished_us, state FROM job")
    found = {r[0].replace("-", ""): r[1:] for r in rows}
    mine = [found[i.replace("-", "")] for i in ids]
    if any(state != 2 for *_, state in mine):
        raise RuntimeError("a tiny job failed")
    return mine


def bench_t3(folder):
    """Tiny jobs, one after another: submitted, run, checked, published, recorded."""
    n = 30 if measure.QUICK else 100
    peer_command = convert.FFMPEG + ["-f", "lavfi", "-i", "color=c=black:s=128x128:d=0.04", "-c:v", "libx264",
                                     "-preset", "ultrafast", f"{folder}/t.mp4"]
    with with_tiny_film(Service(f"{folder}/t3", "--workers", "1"), folder) as service:
        ours, peer, sent, ids = [], [], [], []
        for i in range(n):
            sent.append(time.time_ns() / 1000)
            ids.append(service.submit(tiny_job(f"t{i}")))
            peer_before = time.monotonic()
            service.wait(ids[-1], poll_s=0.005)
            if i < n // 2:
                peer_before = time.monotonic()
                measure.run(peer_command)
                peer.append((time.monotonic() - peer_before) * 1000)
        ours = [(t[2] - s) / 1000 for t, s in zip(times_of(service, ids), sent)]
        began = time.time_ns() / 1000
        queued = [service.submit(tiny_job(f"q{i}")) for i in range(n)]
        for job_id in queued:
            service.wait(job_id)
        per_job = (max(t[2] for t in times_of(service, queued)) - began) / 1000 / n
        memory = measure.memory_mb(measure.family(service.process.pid))
    middle, theirs = statistics.median(ours), statistics.median(peer)
    measure.row("T3", "tiny job, submit to its durable end: median", f"{middle:.1f} ms", f"{theirs:.1f} ms",
                f"{middle / theirs:.2f}", "≤ 20 ms", middle <= 20, f"3 fsyncs, x264's start and picture; worst {max(ours):.0f} ms",
                f"{memory:.0f} MB")
    measure.row("T3", f"{n} queued tiny jobs, one worker: each", f"{per_job:.1f} ms", f"{theirs:.1f} ms",
                f"{per_job / theirs:.2f}", "≤ 20 ms", per_job <= 20, "the same, without the waits")


def bench_t6(folder):
    """From sending the request to the running job, the queue idle."""
    n = 50 if measure.QUICK else 300
    with with_tiny_film(Service(f"{folder}/t6"), folder) as service:
        sent, ids = [], []
        for i in range(n):
            time.sleep(0.05)
            sent.append(time.time_ns() / 1000)
            ids.append(service.submit(tiny_job(f"t{i}")))
            service.wait(ids[-1], poll_s=0.02)
        waits = sorted((t[1] - s) / 1000 for t, s in zip(times_of(service, ids), sent))
    p99 = waits[min(len(waits) - 1, int(len(waits) * 0.99))]
    measure.limit_row("T6", "submit to start, idle queue: p99", p99, "ms", 50,
                      bound=f"an fsync and a wake-up; p50 {statistics.median(waits):.1f} ms, {n} jobs")


# ---- T5: killed half way ----

def running_children(service):
    """The job processes: what the nursery forked, but for the one that waits for a job."""
    return jobs_below(service.process.pid)


def jobs_below(pid):
    tree = measure.children_of()
    return [job for nursery in tree.get(pid, []) for job in tree.get(nursery, [])
            if measure.name_of(job) != "kinora-spare"]


def percent_of(service, job_id):
    return service.call("GetMediaConvertJob", JobId=job_id)["Job"].get("Percent", 0)


def convert_killed(service, config, at_percent):
    """Convert, with a kill -9 of the job's process when so much is done; processor seconds."""
    before = measure.cpu_seconds(service.process.pid)
    job_id = service.submit(config)
    while percent_of(service, job_id) < at_percent:
        time.sleep(0.05)
    victims = running_children(service)
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    if not victims:
        raise RuntimeError("there was no process to kill")
    job = service.wait(job_id)
    if job["State"] not in ("Complete", "Success"):
        raise RuntimeError(f"the killed job ended {job['State']}: {job.get('Message')}")
    return measure.Cost(measure.cpu_seconds(service.process.pid) - before, 0)


def bench_t5(folder):
    """Killed about half way: how many seconds of film are encoded again."""
    inputs = convert.make_inputs(f"{folder}/media")
    config = convert.job("oss://films", [convert.crf_output("t5", 1280, 720, convert.AUDIOS)])
    with convert.with_inputs(Service(f"{folder}/t5"), inputs) as service:
        moments = itertools.cycle((40, 50, 60))  # early, late and in the middle between two key frames
        a, b = measure.pairs(lambda: convert_killed(service, config, next(moments)), lambda: service.convert(config), 3)
        service.get_file("films", "t5.mp4", f"{folder}/t5.mp4")
    seconds = float(measure.output(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0",
                                    f"{folder}/t5.mp4"]))
    if abs(seconds - convert.SECONDS) > 0.1:
        raise RuntimeError(f"the resumed film has {seconds} s")
    repeated = [(x.cpu_s / y.cpu_s - 1) * convert.SECONDS for x, y in zip(a, b)]
    middle = statistics.median(repeated)
    measure.row("T5", "killed about half way: film converted again", f"{middle:.1f} s", f"{convert.SECONDS / 2:.1f} s",
                f"{middle * 2 / convert.SECONDS:.2f}", f"≤ {CHECKPOINT_S:g} s", middle <= CHECKPOINT_S,
                f"the worst {max(repeated):.1f} s: back to the last key frame (a GOP of {CHECKPOINT_S:g} s), and the "
                "2 s that x264 held in its lookahead; ffmpeg starts over")


# ---- T7: broken outputs ----

FAULTS = ("truncate", "drop-video", "drop-audio", "late-audio", "short", "flip")


# A file, segments of each kind, and a Dash group with a track to a file.
FORMS = {"file": ("mp4", "mp4"), "ts": ("m3u8", "m3u8"), "fmp4": ("hls-fmp4", "m3u8"), "dash": ("mpd", "mpd")}


def is_faithful(path, reference):
    """Whether the film is whole: lengths, packet counts, every packet's bytes."""
    digest = lambda p: subprocess.run(["ffmpeg", "-v", "error", "-i", p, "-map", "0", "-c", "copy", "-f", "framehash",
                                       "-"], capture_output=True, text=True).stdout
    found = digest(path)
    return "\n0," in found and found == digest(reference)


def t7_job(form, key):
    container, extension = FORMS[form]
    over = {**convert.template({"Codec": "H.264", "Preset": "veryfast", "Crf": 28, "Width": 320, "Height": 180},
                               convert.AAC, convert.AUDIOS), "Container": {"Format": container},
            "MuxConfig": {"Segment": {"Duration": 1}}}
    config = convert.job("oss://films", [(key, "Video-360P", over)])
    if form == "dash":
        config["OutputGroups"] = [{"GroupConfig": {"Type": "Dash", "OutputFileBase": {
            "Type": "OSS", "Media": f"oss://films/{key}"}, "ManifestName": "all.mpd"}, "Outputs": [
                {"OutputFileName": "one.mpd", "TemplateId": "Video-360P", "OverrideParams": over}]}]
        del config["Outputs"]
    elif form != "file":
        config["Outputs"][0]["OutputFile"]["Media"] = f"oss://films/{key}/all.{extension}"
    return config


def t7_fetch(service, form, key, folder):
    """Bring the output here; the file to play."""
    if form == "file":
        service.get_file("films", f"{key}.mp4", f"{folder}/{key}.mp4")
        return f"{folder}/{key}.mp4"
    os.makedirs(f"{folder}/{key}", exist_ok=True)
    manifest = f"{key}/all.{FORMS[form][1]}"
    service.get_file("films", manifest, f"{folder}/{manifest}")
    with open(f"{folder}/{manifest}") as f:
        text = f.read()
    for name in re.findall(r'(?:URI|sourceURL|media)="([^"]+)"', text) + re.findall(r"^([^#<\s].*)$", text, re.M):
        service.get_file("films", f"{key}/{name}", f"{folder}/{key}/{name}")
    return f"{folder}/{manifest}"


def bench_t7(folder):
    """Faults put between the muxer and the disk: nothing wrong may become visible."""
    n = 24 if measure.QUICK else 100
    inputs = [f"{folder}/short.mp4", f"{folder}/short-e.m4a", f"{folder}/short-j.m4a"]
    measure.run(convert.FFMPEG + ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4", "-f", "lavfi", "-i",
                                  "sine=f=440:r=48000:d=4", "-c:v", "libx264", "-preset", "veryfast", "-g", "25",
                                  "-c:a", "aac", inputs[0]])
    for path, tone in ((inputs[1], 550), (inputs[2], 660)):
        measure.run(convert.FFMPEG + ["-f", "lavfi", "-i", f"sine=f={tone}:r=48000:d=4", "-c:a", "aac", path])
    published = refused = 0
    wrong = []
    with convert.with_inputs(Service(f"{folder}/t7-good"), inputs) as service:
        for form in FORMS:
            service.wait(service.submit(t7_job(form, f"good-{form}")))
        good = {form: t7_fetch(service, form, f"good-{form}", folder) for form in FORMS}
    for fault in FAULTS:
        worker = f"{folder}/worker-{fault}"  # the nursery's environment is a chosen one: the fault comes by script
        with open(worker, "w") as f:
            f.write(f'#!/bin/sh\nLD_PRELOAD={tool("faults.so")} KINORA_BENCH_FAULT={fault} '
                    f'exec {BUILD}/kinora-worker "$@"\n')
        os.chmod(worker, 0o755)
        with convert.with_inputs(Service(f"{folder}/t7-{fault}", "--worker-program", worker), inputs) as service:
            for i in range(-(-n // len(FAULTS))):
                form = list(FORMS)[i % len(FORMS)]
                job = service.wait(service.submit(t7_job(form, f"bad{i}")))
                if job["State"] not in ("Complete", "Success"):
                    refused += 1
                    continue
                published += 1
                if not is_faithful(t7_fetch(service, form, f"bad{i}", folder), good[form]):
                    wrong.append(f"{fault} {form}")
    measure.row("T7", f"broken outputs published, of {published + refused} faults", f"{len(wrong)}", "", "", "= 0",
                not wrong and refused > 0,
                f"{refused} refused, {published - len(wrong)} published whole {' '.join(sorted(set(wrong)))}")
