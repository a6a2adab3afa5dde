#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversions from end to end: inputs made by the ffmpeg program, outputs looked at with ffprobe.

Each case runs `convert-file` (tests/support) on a canonical object and decodes what came out.
usage: test_convert.py CONVERT-FILE
"""
import json
import os
import random
import re
import subprocess
import sys
import unittest

CONVERT = os.path.abspath(sys.argv.pop(1))


def sh(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def ffmpeg(*args):
    sh("ffmpeg", "-v", "error", "-y", *args)


def convert(outputs, inputs=("v.mp4",), threads=2, cancel_after=0):
    """Run one conversion; returns (exit status, result, sentence on stderr)."""
    given = [i if isinstance(i, dict) else {"Uri": i} for i in inputs]
    with open("job.json", "w") as f:
        json.dump({"Inputs": given, "Outputs": outputs}, f)
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
                          f"[0:v]scale={size}[x];[1:v]scale={size}[y];[x][y]psnr", "-f", "null", "-"],
                         capture_output=True, text=True)
    found = re.search(r"average:([\d.]+|inf)", run.stderr)
    return float(found.group(1))


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


class Convert(unittest.TestCase):
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

    def test_three_languages_in_order_all_default(self):
        audios = [{"InputRef": "video", "LanguageControl": "InputFirst"},
                  {"InputRef": "en", "LanguageControl": "Configured", "Language": "eng"},
                  {"InputRef": "ja", "LanguageControl": "Configured", "Language": "ja"}]
        inputs = [{"Name": "video", "Uri": "v.mp4"}, {"Name": "en", "Uri": "en.m4a"},
                  {"Name": "ja", "Uri": "ja.mp3"}]
        result = self.done([output("a.mp4", audios=audios),
                            output("b.mp4", audios=audios, Video={"Width": 128})], inputs)
        for path in ("a.mp4", "b.mp4"):
            tracks = streams(path, "audio")
            self.assertEqual([t["tags"]["language"] for t in tracks], ["zho", "eng", "jpn"])
            self.assertTrue(all(t["disposition"]["default"] for t in tracks))
            lengths = [float(t["duration"]) for t in tracks]
            self.assertAlmostEqual(lengths[1], 2, delta=0.05)  # cut where the pictures end
            self.assertAlmostEqual(lengths[2], 1, delta=0.05)  # a shorter one ends early
            self.assertEqual(complaints(path), "")
        self.assertEqual(result["Outputs"][0]["Meta"]["AudioStreamInfoList"][2]["Lang"], "jpn")
        self.assertGreater(psnr("v.mp4", "a.mp4", "160x90"), 30)

    def test_same_job_same_bytes(self):
        self.done([output("a.mp4")])
        first = read("a.mp4")
        self.done([output("a.mp4")])
        self.assertEqual(first, read("a.mp4"))

    def test_containers(self):
        cases = [("ts", "H.264", "AAC"), ("flv", "H.264", "AAC"), ("mov", "H.264", "AAC"),
                 ("mkv", "H.264", "OPUS"), ("mp3", None, "MP3"), ("ogg", None, "VORBIS"),
                 ("flac", None, "FLAC"), ("m4a", None, "AAC"), ("gif", "GIF", None)]
        for container, video, audio in cases:
            with self.subTest(container):
                path = "x." + container
                self.done([output(path, container, video, audio)])
                self.assertEqual(len(probe(path)["streams"]), bool(video) + bool(audio))
                self.assertAlmostEqual(float(probe(path)["format"]["duration"]), 2, delta=0.15)
                self.assertEqual(complaints(path), "")

    def test_hls_segments_begin_with_key_frames(self):
        for container in ("m3u8", "hls-fmp4"):
            with self.subTest(container):
                self.done([output(f"{container}/x.m3u8", container, MuxConfig={"Segment": {"Duration": 1}})])
                text = read(f"{container}/x.m3u8").decode()
                self.assertEqual(re.findall(r"#EXTINF:([\d.]+)", text), ["1.000000", "1.000000"])
                self.assertAlmostEqual(float(probe(f"{container}/x.m3u8")["format"]["duration"]), 2, delta=0.1)
                self.assertEqual(complaints(f"{container}/x.m3u8"), "")

    def test_hls_group_has_a_master_playlist(self):
        video = output("g/video/v.m3u8", "m3u8", audio=None, MuxConfig={"Segment": {"Duration": 1}})
        sound = output("g/en/en.m3u8", "m3u8", video=None, MuxConfig={"Segment": {"Duration": 1}})
        video["HlsGroupConfig"] = {"Type": "video"}
        sound["HlsGroupConfig"] = {"Type": "audio", "Name": "English", "Language": "en", "IsDefault": "true"}
        status, words = convert_groups([{"Type": "Hls", "Base": "g/", "ManifestName": "master.m3u8",
                                         "Outputs": [video, sound]}])
        self.assertEqual(status, 0, words)
        text = read("g/master.m3u8").decode()
        self.assertRegex(text, r'#EXT-X-MEDIA:TYPE=AUDIO,.*URI="en/en.m3u8"')
        self.assertRegex(text, r'CODECS="avc1[.]64')
        self.assertEqual(complaints("g/master.m3u8"), "")

    def test_copy_touches_no_packet(self):
        self.done([output("c.mp4", subtype="Remux")])
        md5 = lambda p: sh("ffmpeg", "-v", "error", "-i", p, "-map", "0:v", "-c", "copy", "-f", "md5", "-")
        self.assertEqual(md5("v.mp4"), md5("c.mp4"))

    def test_a_source_that_fits_is_copied_unless_forced(self):
        same = {"Width": 320, "Height": 180}
        result = self.done([output("c.mp4", Video=same)])
        self.assertEqual(result["Usage"][0]["Codec"], "copy")
        result = self.done([output("c.mp4", Video=same, TransConfig={"ForceTranscode": True})])
        self.assertEqual(result["Usage"][0]["Codec"], "H.264")

    def test_clip_and_joined_inputs(self):
        self.done([output("c.mp4", Features={"Clip": {"TimeSpan": {"Seek": "0.5", "Duration": "1"}}})])
        self.assertAlmostEqual(float(streams("c.mp4", "video")[0]["duration"]), 1, delta=0.01)
        self.assertAlmostEqual(float(streams("c.mp4", "audio")[0]["duration"]), 1, delta=0.03)
        self.done([output("c.mp4")], ["v.mp4", "v.mp4"])
        self.assertAlmostEqual(float(streams("c.mp4", "video")[0]["duration"]), 4, delta=0.01)

    def test_two_passes_reach_the_rate(self):
        self.done([output("c.mp4", audio=None, Video={"Bitrate": 200},
                          TransConfig={"TransMode": "twopass"})])
        self.assertAlmostEqual(int(streams("c.mp4", "video")[0]["bit_rate"]), 200000, delta=60000)

    def test_linear_volume(self):
        self.done([output("a.mp4"), output("b.mp4", Audio={"Volume": {"Method": "linear", "Level": -10}})])
        self.assertAlmostEqual(volume("a.mp4") - 10, volume("b.mp4"), delta=0.5)

    def test_pad_keeps_the_aspect(self):
        self.done([output("c.mp4", Video={"Width": 160, "Height": 160},
                          TransConfig={"AdjDarMethod": "pad"})])
        video = streams("c.mp4", "video")[0]
        self.assertEqual((video["width"], video["height"]), (160, 160))

    def test_watermarks_are_where_they_were_put(self):
        ffmpeg("-f", "lavfi", "-i", "color=red:s=40x20", "-frames:v", "1", "red.png")
        ffmpeg("-f", "lavfi", "-i", "color=black:s=320x180:r=25:d=1", "-c:v", "libx264", "black.mp4")
        self.done([output("w.mp4", audio=None, Video={"Width": 320, "Crf": 10}, Features={"Watermarks": [
            {"Type": "Image", "File": {"Type": "Object", "Media": "red.png"}, "Width": 0.25, "Dx": 8,
             "Dy": 4, "ReferPos": "BottomRight", "Timeline": {"Start": "0.5"}},
            {"Type": "Text", "Content": "WM", "FontColor": "white", "FontSize": 60, "Left": 10, "Top": 10}]})],
                  ["black.mp4"])
        early, late = picture("w.mp4", 0.2), picture("w.mp4", 0.8)
        self.assertGreater(late(320 - 8 - 40, 180 - 4 - 20)[0], 200)  # 80x40, in its corner
        self.assertLess(late(320 - 8 - 85, 180 - 4 - 20)[0], 20)
        self.assertLess(late(320 - 4, 180 - 4 - 20)[0], 20)
        self.assertLess(early(320 - 8 - 40, 180 - 4 - 20)[0], 20)  # its time had not come
        white = [(x, y) for x in range(160) for y in range(90) if min(early(x, y)) > 150]
        self.assertGreater(len(white), 100)
        self.assertTrue(all(8 <= x <= 110 and 8 <= y <= 75 for x, y in white))

    def test_varying_rate_keeps_its_times(self):
        ffmpeg("-i", "v.mp4", "-vf", "select='lt(n,20)+not(mod(n,5))'", "-vsync", "vfr", "-c:v",
               "libx264", "-c:a", "copy", "vfr.mkv")
        self.done([output("c.mp4")], ["vfr.mkv"])
        times = lambda p: sorted(float(t) for t in sh(
            "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of",
            "csv=p=0", p).replace(",", "").split())
        before, after = times("vfr.mkv"), times("c.mp4")
        self.assertEqual(len(before), len(after))
        for a, b in zip(before, after):
            self.assertAlmostEqual(a - before[0], b, delta=0.002)

    def test_late_sound_is_filled_with_silence(self):
        ffmpeg("-i", "v.mp4", "-itsoffset", "0.7", "-i", "en.m4a", "-map", "0:v", "-map", "1:a", "-c",
               "copy", "late.mkv")
        self.done([output("c.mp4")], ["late.mkv"])
        found = subprocess.run(["ffmpeg", "-i", "c.mp4", "-af", "silencedetect=d=0.3", "-f", "null", "-"],
                               capture_output=True, text=True).stderr
        self.assertAlmostEqual(float(re.search(r"silence_end: ([\d.]+)", found).group(1)), 0.7, delta=0.04)

    def test_broken_inputs_are_named(self):
        whole = read("v.mp4")
        write("cut.mp4", whole[:len(whole) * 2 // 5])
        self.refused(r"KN_EMEDIA \(ResourceContentBad\): 'cut.mp4' is cut off", [output("x.mp4")], ["cut.mp4"])
        ffmpeg("-i", "v.mp4", "-c", "copy", "whole.mkv")
        part = read("whole.mkv")
        write("cut.mkv", part[:len(part) // 2])
        self.refused("is cut off", [output("x.mp4")], ["cut.mkv"])
        random.seed(1)
        write("noise.mp4", random.randbytes(50000))
        self.refused("cannot open 'noise.mp4'", [output("x.mp4")], ["noise.mp4"])
        hurt = bytearray(whole)
        for i in range(8000, len(hurt)):
            if random.random() < 0.3:
                hurt[i] = random.randrange(256)
        write("hurt.mp4", hurt)
        self.refused("KN_EMEDIA", [output("x.mp4")], ["hurt.mp4"])
        write("empty.mp4", b"")
        self.refused("is empty", [output("x.mp4")], ["empty.mp4"])
        self.refused("KN_ENOTFOUND", [output("x.mp4")], ["absent.mp4"])
        self.assertFalse(os.path.exists("x.mp4"))

    def test_he_aac_is_refused_or_replaced_by_name(self):
        if "libfdk_aac" in sh("ffmpeg", "-v", "error", "-encoders"):
            self.skipTest("libfdk_aac is installed")
        self.refused("install an FFmpeg with libfdk_aac", [output("x.mp4", Audio={"Profile": "aac_he"})])
        result = self.done([output("x.mp4", Audio={"Profile": "aac_he", "AllowLowComplexity": True})])
        self.assertIn("AAC-LC", result["Outputs"][0]["Notes"][0])

    def test_cancel_leaves_nothing(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=6", "-c:v", "libx264", "-preset",
               "ultrafast", "long.mp4")
        self.refused("KN_ECANCELED", [output("n.mp4", audio=None, Video={"Preset": "slower", "Width": 1280, "Crf": 20})],
                     ["long.mp4"], cancel_after=3)
        self.assertFalse(os.path.exists("n.mp4"))
        self.assertFalse(os.path.exists("n.mp4.part"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
