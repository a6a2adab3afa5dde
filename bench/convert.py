"""T1, T2 and T4: conversion beside the ffmpeg program.

The film is synthetic (a fractal with a moving test card, 1080p25 at 9 Mb/s) so that anybody can make
the same one; SECONDS (60, or 10 when QUICK) sets its length.
"""
import json
import os
import shutil
import subprocess

import measure
from service import KINORA, Service

SECONDS = int(os.environ.get("SECONDS_OF_FILM", "10" if measure.QUICK else "60"))
LADDER = [(1920, 1080), (1280, 720), (960, 540), (640, 360)]
AUDIOS = [{"InputRef": "v", "LanguageControl": "InputFirst"},
          {"InputRef": "e", "LanguageControl": "Configured", "Language": "eng"},
          {"InputRef": "j", "LanguageControl": "Configured", "Language": "jpn"}]
CRF = {"Codec": "H.264", "Preset": "medium", "Crf": 23, "Profile": "high", "Gop": 250}
AAC = {"Codec": "AAC", "Profile": "aac_low", "Bitrate": 64, "Samplerate": 48000, "Channels": 2}
FFMPEG = ["ffmpeg", "-v", "error", "-y"]


def make_inputs(folder):
    """The film and two more sound tracks (W1 and W2 of the measurement plan)."""
    os.makedirs(folder, exist_ok=True)
    film = f"{folder}/film-{SECONDS}.mp4"
    if not os.path.exists(film):
        measure.run(FFMPEG + ["-f", "lavfi", "-i", "mandelbrot=s=1920x1080:r=25:maxiter=300",
                              "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25", "-f", "lavfi", "-i", "sine=f=440:r=48000",
                              "-filter_complex", "[0]hqdn3d=6[m];[m][1]overlay=x='mod(n*4,1280)':y=300,format=yuv420p[v]",
                              "-map", "[v]", "-map", "2:a", "-t", str(SECONDS), "-c:v", "libx264", "-preset", "veryfast",
                              "-b:v", "8M", "-maxrate", "12M", "-bufsize", "24M", "-g", "50", "-c:a", "aac",
                              "-b:a", "128k", "-ac", "2", "-metadata:s:a:0", "language=zho", f"{film}.part.mp4"])
        os.rename(f"{film}.part.mp4", film)
    for language, tone in (("eng", 550), ("jpn", 660)):
        track = f"{folder}/{language}-{SECONDS}.m4a"
        if not os.path.exists(track):
            measure.run(FFMPEG + ["-f", "lavfi", "-i", f"sine=f={tone}:r=48000:d={SECONDS}", "-c:a", "aac", "-b:a",
                                  "64k", "-ac", "2", "-metadata:s:a:0", f"language={language}", track])
    return film, f"{folder}/eng-{SECONDS}.m4a", f"{folder}/jpn-{SECONDS}.m4a"


def template(video, audio, audios):
    return {"Container": {"Format": "mp4"}, "Video": video, "Audio": audio, "Audios": audios,
            "TransConfig": {"TransMode": "fixCRF", "ForceTranscode": True}}


def job(where, outputs):
    """A job's Config; inputs and outputs lie under `where`."""
    names = (("v", "film.mp4"), ("e", "eng.m4a"), ("j", "jpn.m4a"))
    return {"Inputs": [{"Name": n, "InputFile": {"Type": "OSS", "Media": f"{where}/{p}"}} for n, p in names],
            "Outputs": [{"OutputFile": {"Type": "OSS", "Media": f"{where}/{key}.mp4"}, "TemplateId": template_id,
                         "OverrideParams": over} for key, template_id, over in outputs]}


def crf_output(key, width, height, audios):
    return key, "Video-720P", template({**CRF, "Width": width, "Height": height}, AAC, audios)


def with_inputs(service, inputs):
    service.put_bucket("films")
    for name, path in zip(("film.mp4", "eng.m4a", "jpn.m4a"), inputs):
        service.put_file("films", name, path)
    return service


def ssim(reference, other, size):
    text = subprocess.run(
        ["ffmpeg", "-v", "info", "-i", other, "-i", reference, "-lavfi",
         f"[1]scale={size[0]}:{size[1]}:flags=bicubic[r];[0][r]ssim", "-f", "null", "-"],
        capture_output=True, text=True).stderr
    return float(text.rsplit("All:", 1)[1].split()[0])


def same_picture(reference, ours, peer, size):
    """Equal quality is checked before speed is told; answers both figures."""
    mine, theirs = ssim(reference, ours, size), ssim(reference, peer, size)
    if mine < theirs - 0.001:
        raise RuntimeError(f"'{ours}' is worse than its peer: SSIM {mine:.4f} against {theirs:.4f}")
    return f"SSIM {mine:.4f} / {theirs:.4f}, {os.path.getsize(ours) / os.path.getsize(peer):.3f}× the bytes"


def languages(path):
    return measure.output(["ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream_tags=language",
                           "-of", "csv=p=0", path]).split()


def peaks(a, b):
    return f"{max(measure.values(a, 'peak_mb')):.0f} / {max(measure.values(b, 'peak_mb')):.0f} MB"


def bench_t1(folder):
    """A whole job through the API, one rendition with three tagged tracks."""
    inputs = film, english, japanese = make_inputs(f"{folder}/media")
    config = job("oss://films", [crf_output("t1", 1280, 720, AUDIOS)])
    command = FFMPEG + ["-i", film, "-i", english, "-i", japanese, "-map", "0:v", "-map", "0:a", "-map", "1:a", "-map",
                        "2:a", "-vf", "scale=1280:720", "-c:v", "libx264", "-preset", "medium", "-crf", "23", "-c:a",
                        "aac", "-b:a", "64k", "-movflags", "+faststart", f"{folder}/p1.mp4"]
    with with_inputs(Service(f"{folder}/t1"), inputs) as service:
        a, b = measure.pairs(lambda: service.convert(config), lambda: measure.run(command, with_memory=True))
        service.get_file("films", "t1.mp4", f"{folder}/t1.mp4")
    if languages(f"{folder}/t1.mp4") != ["zho", "eng", "jpn"]:
        raise RuntimeError(f"tracks are {languages(folder + '/t1.mp4')}")
    quality = same_picture(film, f"{folder}/t1.mp4", f"{folder}/p1.mp4", (1280, 720))
    measure.ratio_row("T1", "720p + 3 tracks through the API: CPU / ffmpeg", a, b, "cpu_s", "s", 1.03,
                      bound=f"x264; {quality}", peak=peaks(a, b))
    measure.ratio_row("T1", "the same: wall", a, b, "wall_s", "s", 1.05, bound="x264 on all cores")


def bench_t2(folder):
    """Four renditions from one decode, beside ffmpeg's own one-run ladder."""
    inputs = film, _, _ = make_inputs(f"{folder}/media")
    config = job("oss://films", [crf_output(f"t2-{h}", w, h, AUDIOS[:1]) for w, h in LADDER])
    split = "[0:v]split=4" + "".join(f"[s{i}]" for i in range(4)) + ";" + ";".join(
        f"[s{i}]scale={w}:{h}[v{i}]" for i, (w, h) in enumerate(LADDER))
    command = FFMPEG + ["-i", film, "-filter_complex", split]
    for i, (_, h) in enumerate(LADDER):
        command += ["-map", f"[v{i}]", "-map", "0:a", "-c:v", "libx264", "-preset", "medium", "-crf", "23", "-c:a",
                    "aac", "-b:a", "64k", "-movflags", "+faststart", f"{folder}/p2-{h}.mp4"]
    with with_inputs(Service(f"{folder}/t2"), inputs) as service:
        a, b = measure.pairs(lambda: service.convert(config), lambda: measure.run(command, with_memory=True),
                             max(3, measure.PAIRS // 2))
        service.get_file("films", "t2-360.mp4", f"{folder}/t2-360.mp4")
    quality = same_picture(film, f"{folder}/t2-360.mp4", f"{folder}/p2-360.mp4", (640, 360))
    measure.ratio_row("T2", "ladder of 4, one decode: CPU / one ffmpeg run", a, b, "cpu_s", "s", 1.0,
                      bound=f"x264; 360p: {quality}", peak=peaks(a, b))
    measure.ratio_row("T2", "the same: wall", a, b, "wall_s", "s", 1.0, bound="x264 on all cores")
    measure.ratio_row("T2", "the same: peak memory", a, b, "peak_mb", "MB", 1.1, bound="frames in x264's lookahead",
                      digits=0)


def bench_t4(folder):
    """Tracks added and selected, the picture copied: files on both sides."""
    inputs = film, english, japanese = make_inputs(f"{folder}/media")
    for name, path in zip(("film.mp4", "eng.m4a", "jpn.m4a"), inputs):
        shutil.copyfile(path, f"{folder}/{name}")
    with open(f"{folder}/t4.json", "w") as f:
        json.dump(job(folder, [("t4", "S00000001-200000", {"Audios": AUDIOS})]), f)
    command = FFMPEG + ["-i", film, "-i", english, "-i", japanese, "-map", "0:v", "-map", "0:a", "-map", "1:a", "-map",
                        "2:a", "-c", "copy", "-movflags", "+faststart", f"{folder}/p4.mp4"]
    a, b = measure.pairs(lambda: measure.run([KINORA, "convert", "--overwrite", "--job", f"{folder}/t4.json"]),
                         lambda: measure.run(command), 2 * measure.PAIRS)
    if languages(f"{folder}/t4.mp4") != ["zho", "eng", "jpn"]:
        raise RuntimeError(f"tracks are {languages(folder + '/t4.mp4')}")
    digest = lambda path: measure.output(["ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-c", "copy", "-f",
                                          "md5", "-"])
    if digest(f"{folder}/t4.mp4") != digest(f"{folder}/p4.mp4"):
        raise RuntimeError("the video packets were touched")
    measure.ratio_row("T4", "tracks added: wall / ffmpeg -c copy", a, b, "wall_s", "ms", 1.2, scale=1000, digits=0,
                      bound="start of the libraries, then reading and writing; video packets identical", peak=peaks(a, b))
    measure.ratio_row("T4", "the same: bytes read and written", a, b, "io_mb", "MB", 1.2, bound="the file's size",
                      digits=1)
