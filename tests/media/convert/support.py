#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of conversions share: inputs made by the ffmpeg program, `convert-file`
(tests/support) to run one canonical object, and ffprobe and ffmpeg to look at what came out.

Each test program is called with the path of convert-file.
"""
import json
import os
import re
import subprocess
import sys
import unittest

CONVERT = os.path.abspath(sys.argv.pop(1))


def sh(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def ffmpeg(*args):
    sh("ffmpeg", "-v", "error", "-y", *args)


def convert(outputs, inputs=("v.mp4",), threads=2, cancel_after=0, **more):
    """Run one conversion; returns (exit status, result, sentence on stderr)."""
    given = [i if isinstance(i, dict) else {"Uri": i} for i in inputs]
    with open("job.json", "w") as f:
        json.dump({"Inputs": given, "Outputs": outputs, **more}, f)
    run = subprocess.run([CONVERT, "job.json", str(threads), str(cancel_after)],
                         capture_output=True, text=True, timeout=100)
    assert run.returncode in (0, 1), run.stderr
    return run.returncode, json.loads(run.stdout) if run.stdout.strip() else None, run.stderr


def convert_groups(groups, inputs=("v.mp4",)):
    with open("job.json", "w") as f:
        json.dump({"Inputs": [{"Uri": i} for i in inputs], "OutputGroups": groups}, f)
    run = subprocess.run([CONVERT, "job.json", "2"], capture_output=True, text=True, timeout=100)
    return run.returncode, run.stderr


def output(uri, container="mp4", video="H.264", audio="AAC", subtype="Normal", audios=None, **more):
    template = {"Container": {"Format": container}}
    if video:
        template["Video"] = {"Codec": video, "Width": 160, **more.pop("Video", {})}
    if audio:
        template["Audio"] = {"Codec": audio, **more.pop("Audio", {})}
    if audios is not None:
        template["Audios"] = audios
    features = more.pop("Features", None)
    template.update(more)
    made = {"Uri": uri, "Subtype": subtype, "Template": template}
    if features:
        made["Features"] = features
    return made


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def probe(path):
    return json.loads(sh("ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", path))


def streams(path, kind):
    return [s for s in probe(path)["streams"] if s["codec_type"] == kind]


def complaints(path):
    """What FFmpeg says against a file while decoding all of it."""
    run = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"],
                         capture_output=True, text=True)
    return run.stderr


def psnr(a, b, size):
    run = subprocess.run(["ffmpeg", "-i", a, "-i", b, "-lavfi",
                          f"[0:v]setpts=PTS-STARTPTS,scale={size}[x];[1:v]setpts=PTS-STARTPTS,scale={size}[y];[x][y]psnr", "-f", "null", "-"],
                         capture_output=True, text=True)
    found = re.search(r"average:([\d.]+|inf)", run.stderr)
    return float(found.group(1))


def ssim(a, b):
    """Of brightness."""
    run = subprocess.run(["ffmpeg", "-i", a, "-i", b, "-lavfi", "ssim", "-f", "null", "-"],
                         capture_output=True, text=True)
    return float(re.search(r"SSIM Y:([\d.]+)", run.stderr).group(1))


def picture(path, at_s=0.0):
    """The picture shown at a time: a function from x, y to (red, green, blue)."""
    size = streams(path, "video")[0]
    data = subprocess.run(["ffmpeg", "-v", "error", "-ss", str(at_s), "-i", path, "-frames:v", "1", "-f",
                           "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    return lambda x, y: tuple(data[(y * size["width"] + x) * 3:][:3])


def volume(path, stream=0):
    run = subprocess.run(["ffmpeg", "-i", path, "-map", f"0:a:{stream}", "-af", "volumedetect", "-f",
                          "null", "-"], capture_output=True, text=True)
    return float(re.search(r"mean_volume: (-?[\d.]+) dB", run.stderr).group(1))


class ConvertCase(unittest.TestCase):
    """Two seconds of moving pictures with sound in Chinese (v.mp4), and two more languages."""

    @classmethod
    def setUpClass(cls):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2", "-f", "lavfi", "-i", "sine=440:d=2",
               "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-c:a", "aac",
               "-metadata:s:a:0", "language=chi", "-movflags", "+faststart", "v.mp4")
        ffmpeg("-f", "lavfi", "-i", "sine=880:d=3", "-c:a", "aac", "en.m4a")
        ffmpeg("-f", "lavfi", "-i", "sine=660:d=1", "-c:a", "libmp3lame", "ja.mp3")

    def done(self, *args, **more):
        status, result, words = convert(*args, **more)
        self.assertEqual(status, 0, words)
        return result

    def refused(self, pattern, *args, **more):
        status, _, words = convert(*args, **more)
        self.assertEqual(status, 1)
        self.assertRegex(words, pattern)
