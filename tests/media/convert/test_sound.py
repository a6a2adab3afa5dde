#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of sound: tracks, languages, levels."""
import re
import subprocess
import unittest

from support import ConvertCase, complaints, ffmpeg, output, psnr, read, sh, streams, volume


class Sound(ConvertCase):
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

    def several(self):
        ffmpeg("-i", "v.mp4", "-i", "en.m4a", "-i", "ja.mp3", "-f", "lavfi", "-i", "color=red:s=160x120:r=25:d=2", "-map",
               "0:v", "-map", "0:a", "-map", "1:a", "-map", "2:a", "-map", "3:v", "-c:a", "copy", "-t", "2",
               "-metadata:s:a:1", "language=eng", "-metadata:s:a:2", "language=jpn", "several.mkv")

    def test_streams_are_chosen_by_number(self):
        self.several()
        jobs = [output("all.mp4", Audio={"Streams": [101]}), output("two.mkv", "mkv", Audio={"Streams": [2, 0, 7]}),
                output("copy.mkv", "mkv", Video={"Codec": "copy", "Streams": [101]}, Audio={"Codec": "copy", "Streams": [1, 2]}),
                output("one.mp3", "mp3", video=None, audio="MP3", Audio={"Streams": [1, 2]}),
                output("red.mp4", Video={"Streams": [1]}, Audio={"Streams": [9]}),
                output("angles.mp4", Video={"Streams": [0, 1]})]
        result = self.done(jobs, ["several.mkv"])
        languages = lambda path: [t["tags"].get("language") for t in streams(path, "audio")]
        self.assertEqual(languages("all.mp4"), ["zho", "eng", "jpn"])
        self.assertEqual(languages("two.mkv"), ["jpn", "zho"])
        self.assertEqual(languages("copy.mkv"), ["eng", "jpn"])
        self.assertEqual([s["width"] for s in streams("copy.mkv", "video")], [320, 160])
        self.assertEqual([s["height"] for s in streams("angles.mp4", "video")], [90, 120])
        self.assertEqual(len(streams("one.mp3", "audio")), 1)
        self.assertIn("after the first were left out", result["Outputs"][3]["Notes"][0])
        self.assertEqual(len(streams("red.mp4", "audio")), 0)
        self.assertEqual(streams("red.mp4", "video")[0]["height"], 120)
        self.assertIn("none of the audio streams", result["Outputs"][4]["Notes"][0])
        for job in jobs:
            self.assertEqual(complaints(job["Uri"]), "")
        self.refused("no number of a stream", [output("x.mp4", Audio={"Streams": ["eng"]})])

    def test_tracks_are_mixed_into_one(self):
        pitches = (300, 900, 2700)
        given = [["-f", "lavfi", "-i", f"sine={hz}:d=6:r={rate}"] for hz, rate in zip(pitches, (48000, 44100, 22050))]
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=6", *given[0], "-itsoffset", "2", *given[1], *given[2],
               *sum((["-map", str(i)] for i in range(4)), []), "-c:v", "libx264", "-c:a", "aac", "-t", "6", "mixing.mkv")
        self.done([output("mix.mp4", Audio={"Mix": True}),
                   output("two.mp3", "mp3", video=None, audio="MP3", Audio={"Mix": True, "Streams": [2, 0, 9], "Quality": 80}),
                   output("clip.mp4", Audio={"Mix": True}, Features={"Clip": {"TimeSpan": {"Seek": "3", "Duration": "2"}}})],
                  ["mixing.mkv"])

        def level(path, hz, at_s):
            run = subprocess.run(["ffmpeg", "-ss", str(at_s), "-t", "0.5", "-i", path, "-af",
                                  f"bandpass=f={hz}:width_type=h:w=40,bandpass=f={hz}:width_type=h:w=40,volumedetect",
                                  "-vn", "-f", "null", "-"], capture_output=True, text=True)
            return float(re.search(r"mean_volume: (-?[\d.]+) dB", run.stderr).group(1))

        for path in ("mix.mp4", "clip.mp4"):
            self.assertEqual(len(streams(path, "audio")), 1)
            self.assertEqual(complaints(path), "")
        self.assertAlmostEqual(float(streams("mix.mp4", "audio")[0]["duration"]), 6, delta=0.05)
        self.assertAlmostEqual(float(streams("clip.mp4", "audio")[0]["duration"]), 2, delta=0.05)
        for hz in pitches:
            self.assertGreater(level("mix.mp4", hz, 4), -45, hz)
            self.assertGreater(level("clip.mp4", hz, 0.7), -45, hz)
        self.assertLess(level("mix.mp4", 900, 1), -50)  # that track begins later
        self.assertGreater(level("mix.mp4", 900, 2.1), -45)
        self.assertLess(level("two.mp3", 900, 4), -50)
        self.assertGreater(level("two.mp3", 2700, 4), -45)
        self.refused("what is copied cannot be mixed", [output("x.mp4", Audio={"Codec": "copy", "Mix": True})])

    def test_details_of_encoding_sound(self):
        self.done([output("deep.flac", "flac", video=None, audio="FLAC", Audio={"BitsPerSample": 24}),
                   *[output(f"q{q}.{kind}", container, video=None, audio=codec, Audio={"Quality": q})
                     for q in (10, 90) for kind, container, codec in
                     (("mp3", "mp3", "MP3"), ("ogg", "ogg", "VORBIS"), ("m4a", "m4a", "AAC"))],
                   output("low.mp4", Audio={"Samplerate": 48000}, TransConfig={"IsCheckSamplerate": True})], ["en.m4a"])
        self.assertEqual(streams("deep.flac", "audio")[0]["bits_per_raw_sample"], "24")
        for kind in ("mp3", "ogg", "m4a"):
            self.assertGreater(len(read(f"q90.{kind}")), len(read(f"q10.{kind}")), kind)
        self.assertEqual(streams("low.mp4", "audio")[0]["sample_rate"], "44100")  # as en.m4a
        self.refused("less than the 48000 asked for", [output("x.m4a", "m4a", video=None, Audio={"Samplerate": 48000},
                                                              TransConfig={"IsCheckSamplerateFail": True})], ["en.m4a"])
        self.refused("loses nothing", [output("x.flac", "flac", video=None, audio="FLAC", Audio={"Quality": 5})])

    def test_joined_tracks_go_on_by_their_number(self):
        self.several()
        self.done([output("c.mp4", Audio={"Streams": [0, 1]})], ["v.mp4", "several.mkv"], AlignmentIndex=1)
        self.assertEqual(len(streams("c.mp4", "audio")), 2)
        ffmpeg("-i", "c.mp4", "-map", "0:a:1", "-t", "1.5", "first.wav")
        self.assertLess(volume("first.wav"), -60)  # v.mp4 has no second track
        ffmpeg("-ss", "2.5", "-i", "c.mp4", "-map", "0:a:1", "-t", "1", "second.wav")
        self.assertGreater(volume("second.wav"), -40)

    def test_linear_volume(self):
        self.done([output("a.mp4"), output("b.mp4", Audio={"Volume": {"Method": "linear", "Level": -10}})])
        self.assertAlmostEqual(volume("a.mp4") - 10, volume("b.mp4"), delta=0.5)

    def test_late_sound_is_filled_with_silence(self):
        ffmpeg("-i", "v.mp4", "-itsoffset", "0.7", "-i", "en.m4a", "-map", "0:v", "-map", "1:a", "-c",
               "copy", "late.mkv")
        self.done([output("c.mp4")], ["late.mkv"])
        found = subprocess.run(["ffmpeg", "-i", "c.mp4", "-af", "silencedetect=d=0.3", "-f", "null", "-"],
                               capture_output=True, text=True).stderr
        self.assertAlmostEqual(float(re.search(r"silence_end: ([\d.]+)", found).group(1)), 0.7, delta=0.04)

    def test_late_pictures_are_no_sign_of_a_cut_file(self):
        length = float(streams("v.mp4", "video")[0]["duration"])
        for late in ("late-pictures.mkv", "late-pictures.mp4"):
            ffmpeg("-itsoffset", "6", "-i", "v.mp4", "-f", "lavfi", "-i", f"sine=d={6 + length}", "-map", "0:v",
                   "-map", "1:a", "-c:v", "copy", "-c:a", "aac", late)
            self.done([output("c.mp4")], [late])
            for kind in ("video", "audio"):  # the film begins with its pictures
                self.assertAlmostEqual(float(streams("c.mp4", kind)[0]["duration"]), length, delta=0.1)

    def test_encoded_pictures_beside_copied_sound(self):
        sound = streams("v.mp4", "audio")[0]
        self.done([output("c.mp4", Audio={"Samplerate": int(sound["sample_rate"]), "Channels": sound["channels"],
                                          "Bitrate": 500})])
        bytes_of = [sh("ffmpeg", "-v", "error", "-i", path, "-map", "0:a", "-c", "copy", "-f", "md5", "-")
                    for path in ("v.mp4", "c.mp4")]
        self.assertEqual(bytes_of[0], bytes_of[1])  # not encoded again
        self.assertEqual(streams("c.mp4", "video")[0]["width"], 160)
        self.assertEqual(complaints("c.mp4"), "")

    def test_he_aac_is_refused_or_replaced_by_name(self):
        if "libfdk_aac" in sh("ffmpeg", "-v", "error", "-encoders"):
            self.skipTest("libfdk_aac is installed")
        self.refused("install an FFmpeg with libfdk_aac", [output("x.mp4", Audio={"Profile": "aac_he"})])
        result = self.done([output("x.mp4", Audio={"Profile": "aac_he", "AllowLowComplexity": True})])
        self.assertIn("AAC-LC", result["Outputs"][0]["Notes"][0])


if __name__ == "__main__":
    unittest.main(verbosity=1)
