"""Rows T1, T2 and T4: conversion beside the ffmpeg program, on the workload W1/W2 of the plan.

The film is synthetic (a fractal with a moving test card, 1080p25 at 9 Mb/s) so that anybody can make
the same one; SECONDS (default 20) sets its length.
"""
import json
import os
import subprocess

import measure

SECONDS = int(os.environ.get("SECONDS", "20"))
RENDITIONS = [(1920, 1080), (1280, 720), (960, 540), (640, 360)]


def make_inputs(folder):
    film = f"{folder}/src1080-{SECONDS}.mp4"
    if not os.path.exists(film):
        measure.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "mandelbrot=s=1920x1080:r=25:maxiter=300",
                     "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25", "-f", "lavfi", "-i", "sine=f=440:r=48000",
                     "-filter_complex", "[0]hqdn3d=6[m];[m][1]overlay=x='mod(n*4,1280)':y=300,format=yuv420p[v]",
                     "-map", "[v]", "-map", "2:a", "-t", str(SECONDS), "-c:v", "libx264", "-preset", "veryfast",
                     "-b:v", "8M", "-maxrate", "12M", "-bufsize", "24M", "-g", "50", "-c:a", "aac", "-b:a", "128k",
                     "-ac", "2", "-metadata:s:a:0", "language=zho", film])
    for language, tone in (("eng", 550), ("jpn", 660)):
        track = f"{folder}/{language}-{SECONDS}.m4a"
        if not os.path.exists(track):
            measure.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"sine=f={tone}:r=48000:d={SECONDS}",
                         "-c:a", "aac", "-b:a", "64k", "-ac", "2", "-metadata:s:a:0", f"language={language}", track])
    return film, f"{folder}/eng-{SECONDS}.m4a", f"{folder}/jpn-{SECONDS}.m4a"


AUDIOS = [{"InputRef": "v", "LanguageControl": "InputFirst"},
          {"InputRef": "e", "LanguageControl": "Configured", "Language": "eng"},
          {"InputRef": "j", "LanguageControl": "Configured", "Language": "jpn"}]


def template(video, audio):
    return {"Container": {"Format": "mp4"}, "Video": video, "Audio": audio,
            "TransConfig": {"TransMode": "fixCRF", "ForceTranscode": bool(video)}}


def job(folder, name, inputs, outputs):
    film, english, japanese = inputs
    config = {"Inputs": [{"Name": n, "InputFile": {"Type": "OSS", "Media": p}}
                         for n, p in (("v", film), ("e", english), ("j", japanese))],
              "Outputs": [{"OutputFile": {"Type": "OSS", "Media": f"{folder}/{key}.mp4"}, "TemplateId": "Video-720P",
                           "OverrideParams": over} for key, over in outputs]}
    path = f"{folder}/{name}.json"
    with open(path, "w") as f:
        json.dump(config, f)
    return path


def ssim(reference, other, size):
    text = subprocess.run(
        ["ffmpeg", "-v", "info", "-i", other, "-i", reference, "-lavfi",
         f"[1]scale={size[0]}:{size[1]}:flags=bicubic[r];[0][r]ssim", "-f", "null", "-"],
        capture_output=True, text=True).stderr
    return float(text.rsplit("All:", 1)[1].split()[0])


def languages(path):
    return subprocess.run(["ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream_tags=language",
                           "-of", "csv=p=0", path], capture_output=True, text=True).stdout.split()


def bench(kinora, folder):
    inputs = make_inputs(folder)
    film, english, japanese = inputs
    crf = {"Codec": "H.264", "Preset": "medium", "Crf": 23, "Profile": "high", "Gop": 250}
    aac = {"Codec": "AAC", "Profile": "aac_low", "Bitrate": 64, "Samplerate": 48000, "Channels": 2}
    maps = ["-i", film, "-i", english, "-i", japanese]
    tracks = ["-map", "0:a", "-map", "1:a", "-map", "2:a"]

    # T1: one rendition with three tagged tracks.
    one = job(folder, "t1", inputs, [("t1", dict(template({**crf, "Width": 1280, "Height": 720}, aac), Audios=AUDIOS))])
    ours = lambda: measure.run([kinora, "convert", "--job", one])
    peer = lambda: measure.run(["ffmpeg", "-v", "error", "-y", *maps, "-map", "0:v", *tracks, "-vf", "scale=1280:720",
                                "-c:v", "libx264", "-preset", "medium", "-crf", "23", "-c:a", "aac", "-b:a", "64k",
                                "-movflags", "+faststart", f"{folder}/p1.mp4"])
    a, b = measure.pairs(ours, peer)
    assert languages(f"{folder}/t1.mp4") == ["zho", "eng", "jpn"], languages(f"{folder}/t1.mp4")
    mine, theirs = ssim(film, f"{folder}/t1.mp4", (1280, 720)), ssim(film, f"{folder}/p1.mp4", (1280, 720))
    assert mine >= theirs - 0.001, (mine, theirs)
    measure.ratio_row("T1", "720p + 3 tracks, CPU / ffmpeg", a, b, "cpu_s", 1.03,
                      f"SSIM {mine:.4f} / {theirs:.4f}; bounded by x264")

    # T2: a ladder of four from one decode, beside ffmpeg's own one-run ladder.
    ladder = job(folder, "t2", inputs, [
        (f"t2-{h}", dict(template({**crf, "Width": w, "Height": h}, aac), Audios=AUDIOS[:1])) for w, h in RENDITIONS])
    split = "[0:v]split=4" + "".join(f"[s{i}]" for i in range(4)) + ";" + ";".join(
        f"[s{i}]scale={w}:{h}[v{i}]" for i, (w, h) in enumerate(RENDITIONS))
    command = ["ffmpeg", "-v", "error", "-y", "-i", film, "-filter_complex", split]
    for i, (_, h) in enumerate(RENDITIONS):
        command += ["-map", f"[v{i}]", "-map", "0:a", "-c:v", "libx264", "-preset", "medium", "-crf", "23", "-c:a",
                    "aac", "-b:a", "64k", "-movflags", "+faststart", f"{folder}/p2-{h}.mp4"]
    a, b = measure.pairs(lambda: measure.run([kinora, "convert", "--job", ladder]), lambda: measure.run(command),
                         max(3, measure.PAIRS // 2))
    measure.ratio_row("T2", "ladder of 4, CPU / one ffmpeg run", a, b, "cpu_s", 1.0)
    measure.ratio_row("T2", "ladder of 4, wall / one ffmpeg run", a, b, "wall_s", 1.0)
    measure.ratio_row("T2", "ladder of 4, peak memory", a, b, "peak_kb", 1.1)

    # T4: tracks added, the picture copied.
    copy = job(folder, "t4", inputs, [("t4", dict({"Container": {"Format": "mp4"}, "Video": {}, "Audio": {}},
                                                  Audios=AUDIOS))])
    with open(copy) as f:
        config = json.load(f)
    config["Outputs"][0]["TemplateId"] = "S00000001-200000"
    config["Outputs"][0]["OverrideParams"] = {"Audios": AUDIOS}
    with open(copy, "w") as f:
        json.dump(config, f)
    a, b = measure.pairs(
        lambda: measure.run([kinora, "convert", "--job", copy]),
        lambda: measure.run(["ffmpeg", "-v", "error", "-y", *maps, "-map", "0:v", *tracks, "-c", "copy", "-movflags",
                             "+faststart", f"{folder}/p4.mp4"]))
    assert languages(f"{folder}/t4.mp4") == ["zho", "eng", "jpn"]
    md5 = lambda path: subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-c", "copy", "-f", "md5", "-"],
                                      capture_output=True, text=True).stdout
    assert md5(f"{folder}/t4.mp4") == md5(f"{folder}/p4.mp4"), "the video packets were touched"
    measure.ratio_row("T4", "tracks added, wall / ffmpeg -c copy", a, b, "wall_s", 1.2,
                      "video packets identical; bounded by reading and writing the file twice")
    size = os.path.getsize(f"{folder}/t4.mp4") / os.path.getsize(f"{folder}/p4.mp4")
    measure.row("T4", "tracks added, bytes / ffmpeg -c copy", f"{size:.3f}", "<= 1.20", size <= 1.2, "")
