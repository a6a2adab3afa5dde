#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real recordings through `kinora convert`: what comes out is decoded and compared with what went in.

The recordings lie at ../shared/media beside the checkout and are never part of it; where they are
absent the test is skipped aloud (exit status 77).
usage: test_golden.py KINORA SOURCE-FOLDER
"""
import array
import json
import math
import os
import re
import subprocess
import sys
import unittest

KINORA = os.path.abspath(sys.argv[1])
MEDIA = os.path.join(os.path.abspath(sys.argv[2]), "..", "shared", "media")
del sys.argv[1:3]


def sh(*args):
    return subprocess.run(args, check=True, capture_output=True).stdout


def probe(path):
    return json.loads(sh("ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of",
                         "json", path))


def streams(path, kind):
    return [s for s in probe(path)["streams"] if s["codec_type"] == kind]


def loudness_curve(path, track, seconds=9):
    """Root mean square of each 50 ms of an audio track: what one would see in an editor."""
    raw = array.array("h", sh("ffmpeg", "-v", "error", "-i", path, "-map", f"0:a:{track}", "-t",
                              str(seconds), "-ac", "1", "-ar", "8000", "-f", "s16le", "-"))
    return [math.sqrt(sum(x * x for x in raw[i:i + 400]) / 400) for i in range(0, len(raw) - 400, 400)]


def likeness(a, b):
    """Correlation of two curves: 1 for the same recording, near 0 for another speaker."""
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    mean_a, mean_b = sum(a) / n, sum(b) / n
    top = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b))
    return top / math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))


def ssim(made, source, width, height):
    """Of the decoded pictures, matched by time, at the size of what was made."""
    run = subprocess.run(
        ["ffmpeg", "-i", made, "-i", source, "-lavfi",
         f"[1:v:0]scale={width}:{height}:flags=bicubic[s];[0:v:0]settb=AVTB[m];[s]settb=AVTB[t];"
         "[m][t]ssim=shortest=1:repeatlast=0", "-f", "null", "-"], capture_output=True, text=True)
    return float(re.search(r"SSIM.*All:([\d.]+)", run.stderr).group(1))


class Golden(unittest.TestCase):
    def convert(self, *args):
        run = subprocess.run([KINORA, "convert", *args, "--json"], capture_output=True, text=True, timeout=200)
        self.assertEqual(run.returncode, 0, run.stderr)
        return json.loads(run.stdout)

    def job(self, inputs, audios=None, name="out.mp4", **override):
        """One output of Video-360P, by the quickest preset: what is looked at here does not depend on it."""
        override["Video"] = {"Preset": "veryfast"}
        if audios is not None:
            override["Audios"] = audios
        config = {"Inputs": inputs, "OutputGroups": [{
            "GroupConfig": {"Type": "File", "OutputFileBase": {"Type": "OSS", "Media": os.getcwd() + "/"}},
            "Outputs": [{"OutputFileName": name, "TemplateId": "Video-360P",
                         "OverrideParams": override}]}]}
        with open("job.json", "w") as f:
            json.dump(config, f)
        if os.path.exists(name):
            os.remove(name)
        self.convert("--job", "job.json")
        return name

    @staticmethod
    def input(name, path, **more):
        return {"Name": name, "InputFile": {"Type": "OSS", "Media": os.path.join(MEDIA, path)}, **more}

    def assert_same_sound(self, made, track, source, source_track=0):
        found = likeness(loudness_curve(made, track), loudness_curve(source, source_track))
        self.assertGreater(found, 0.97, f"track {track} of {made} is not {source}")

    def test_six_languages_chosen_by_tag_in_the_order_asked_for(self):
        six = os.path.join(MEDIA, "audio_tracks/count_6lang.mp4")
        source_order = ["ara", "eng", "fra", "deu", "ita", "spa"]
        wanted = ["spa", "deu", "ara"]
        select = [{"Name": f"a-{lang}", "Rule": "tag", "TagConfig": {"language": lang}} for lang in wanted]
        made = self.job([self.input("film", "audio_tracks/count_6lang.mp4", AudioSelector=select)],
                        [{"InputRef": f"a-{lang}", "LanguageControl": "InputFirst"} for lang in wanted])
        self.assertEqual([s["tags"]["language"] for s in streams(made, "audio")], wanted)
        for i, lang in enumerate(wanted):
            self.assert_same_sound(made, i, six, source_order.index(lang))

    def test_speech_of_other_files_becomes_tracks_of_the_film(self):
        made = self.job(
            [self.input("film", "audio_tracks/count_en_de.mp4"),
             self.input("french", "audio_tracks/count_french.mp3"),
             self.input("arabic", "audio_tracks/count_arabic.mp3")],
            [{"InputRef": "film", "LanguageControl": "InputFirst"},
             {"InputRef": "french", "LanguageControl": "Configured", "Language": "fra"},
             {"InputRef": "arabic", "LanguageControl": "Configured", "Language": "ar"}])
        tracks = streams(made, "audio")
        self.assertEqual([s["tags"]["language"] for s in tracks], ["eng", "fra", "ara"])
        self.assertTrue(all(s["sample_rate"] == "48000" and s["codec_name"] == "aac" for s in tracks))
        self.assert_same_sound(made, 0, os.path.join(MEDIA, "audio_tracks/count_en_de.mp4"))
        self.assert_same_sound(made, 1, os.path.join(MEDIA, "audio_tracks/count_french.mp3"))
        self.assert_same_sound(made, 2, os.path.join(MEDIA, "audio_tracks/count_arabic.mp3"))
        picture = streams(made, "video")[0]
        self.assertAlmostEqual(float(picture["duration"]), 24.46, delta=0.05)

    def test_surround_is_kept_or_mixed_down(self):
        film = [self.input("film", "video/jordi_english.mp4"), self.input("six", "audio_tracks/two_5_1_aac.mp4")]
        track = {"InputRef": "six", "LanguageControl": "Configured", "Language": "eng"}
        made = self.job(film, [{**track, "Channels": 6, "Bitrate": 256}, {**track, "Channels": 2}])
        self.assertEqual([s["channels"] for s in streams(made, "audio")], [6, 2])
        self.assert_same_sound(made, 1, os.path.join(MEDIA, "audio_tracks/two_5_1_aac.mp4"))

    def picture_case(self, path, width, height, seconds, least_ssim=0.93):
        """The size to two pixels, for 4:2:0 has no odd sizes; the aspect is what the eye sees."""
        name = os.path.basename(path).split(".")[0] + ".mp4"
        source = os.path.join(MEDIA, path)
        self.job([self.input("film", path)], name=name)
        picture = streams(name, "video")[0]
        self.assertAlmostEqual(picture["width"], width, delta=2)
        self.assertAlmostEqual(picture["height"], height, delta=2)
        self.assertEqual(picture.get("sample_aspect_ratio", "1:1"), "1:1")
        self.assertAlmostEqual(float(picture["duration"]), seconds, delta=0.06)
        self.assertGreater(ssim(name, source, picture["width"], picture["height"]), least_ssim)
        for sound in streams(name, "audio"):
            self.assertAlmostEqual(float(sound["duration"]), seconds, delta=0.1)
        self.assertEqual(sh("ffmpeg", "-v", "error", "-i", name, "-f", "null", "-"), b"")

    def test_signing_in_matroska(self):
        self.picture_case("video/asl_book.mkv", 640, 480, 3.666)

    def test_a_portrait_face(self):
        self.picture_case("video/face_d13.mp4", 360, 640, 11.733)

    def test_hevc(self):
        self.picture_case("video/foreman_watermark.mp4", 640, 360, 10.344)

    def test_vp8_with_vorbis(self):
        self.picture_case("video/bbb_0_30.webm", 640, 360, 30.003)

    def test_anamorphic_pixels_of_a_variable_rate(self):
        self.picture_case("video/elephants_dream_16s.mp4", 640, 465, 16.46)

    def test_anamorphic_pixels_become_square(self):
        self.picture_case("video/carphone.mp4", 192, 144, 4.004)


if __name__ == "__main__":
    if not os.path.isdir(MEDIA):
        print("SKIPPED: the shared recordings are not beside this checkout (../shared/media)")
        sys.exit(77)
    unittest.main(verbosity=2)
