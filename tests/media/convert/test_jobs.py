#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A conversion as a whole: clips, joined and broken inputs, cancelling, the same bytes."""
import os
import random
import unittest

from support import ConvertCase, complaints, ffmpeg, output, picture, probe, read, streams, write


class Jobs(ConvertCase):
    def test_same_job_same_bytes(self):
        self.done([output("a.mp4")])
        first = read("a.mp4")
        self.done([output("a.mp4")])
        self.assertEqual(first, read("a.mp4"))

    def test_clip_and_joined_inputs(self):
        self.done([output("c.mp4", Features={"Clip": {"TimeSpan": {"Seek": "0.5", "Duration": "1"}}})])
        self.assertAlmostEqual(float(streams("c.mp4", "video")[0]["duration"]), 1, delta=0.01)
        self.assertAlmostEqual(float(streams("c.mp4", "audio")[0]["duration"]), 1, delta=0.03)
        self.done([output("c.mp4")], ["v.mp4", "v.mp4"])
        self.assertAlmostEqual(float(streams("c.mp4", "video")[0]["duration"]), 4, delta=0.01)

    def test_joined_inputs_may_differ(self):
        ffmpeg("-f", "lavfi", "-i", "color=red:s=160x120:r=30:d=1", "-f", "lavfi", "-i", "sine=880:r=48000:d=1",
               "-c:v", "libx264", "-c:a", "libmp3lame", "-ac", "1", "red.mkv")
        ffmpeg("-f", "lavfi", "-i", "color=blue:s=320x180:r=10:d=1", "-c:v", "libx264", "blue.mp4")
        self.done([output("c.mp4", Video={"Fps": 25})], ["v.mp4", "red.mkv", "blue.mp4"])
        video, sound = streams("c.mp4", "video")[0], streams("c.mp4", "audio")[0]
        self.assertAlmostEqual(float(video["duration"]), 4, delta=0.05)
        self.assertAlmostEqual(float(sound["duration"]), 3, delta=0.05)  # the last part has none
        self.assertEqual(complaints("c.mp4"), "")
        self.assertGreater(picture("c.mp4", 2.5)(80, 45)[0], 200)
        self.assertGreater(picture("c.mp4", 3.5)(80, 45)[2], 200)

    def test_clip_of_the_first_part(self):
        clip = {"TimeSpan": {"Seek": "0.5", "End": "0.5"}}
        for first_only, length in (("true", 1 + 2), ("false", 4 - 1)):
            self.done([output("c.mp4", Features={"Clip": {"ConfigToClipFirstPart": first_only, **clip}})],
                      ["v.mp4", "v.mp4"])
            self.assertAlmostEqual(float(streams("c.mp4", "video")[0]["duration"]), length, delta=0.05)
        self.refused("OutOfRange.*the clip begins", [output("x.mp4", Features={"Clip": {"TimeSpan": {"Seek": "5"}}})])

    def test_metadata_is_written(self):
        self.done([output("c.mp4", audio=None, Features={"Metadata": {"title": "Kinora", "batch": "7"}})])
        tags = probe("c.mp4")["format"]["tags"]
        self.assertEqual((tags["title"], tags["batch"]), ("Kinora", "7"))

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

    def test_times_that_leap_are_named(self):
        ffmpeg("-i", "v.mp4", "-c", "copy", "whole.flv")
        whole = read("whole.flv")
        for byte, value in ((7, 0x08), (4, 0x04)):  # the highest byte of a time and the one below (FLV 10.1, E.4.1)
            hurt, at, n = bytearray(whole), 9 + 4, 0
            while n < 60:  # tags: kind, 3 bytes of length, 3 of time, its highest byte, ...
                at, n = at + 11 + int.from_bytes(hurt[at + 1:at + 4], "big") + 4, n + 1
            hurt[at + byte] ^= value
            write("leap.flv", hurt)
            self.refused(r"ResourceContentBad\): the times of 'leap.flv' leap from", [output("x.mp4")], ["leap.flv"])
            self.refused("the times of 'leap.flv' leap", [output("x.mp4", subtype="Remux")], ["leap.flv"])

    def test_a_last_packet_shorter_than_a_millisecond_is_kept(self):
        ffmpeg("-f", "lavfi", "-i", f"sine=440:r=48000,atrim=end_sample={187 * 1024 + 16}", "short.wav")
        for container in ("mp4", "mov", "m4a"):
            self.done([output(f"c.{container}", container, video=None, Audio={"Samplerate": 48000})], ["short.wav"])
            self.assertEqual(int(probe(f"c.{container}")["streams"][0]["nb_frames"]), 189)

    def test_cancel_leaves_nothing(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=6", "-c:v", "libx264", "-preset",
               "ultrafast", "long.mp4")
        self.refused("KN_ECANCELED", [output("n.mp4", audio=None, Video={"Preset": "slower", "Width": 1280, "Crf": 20})],
                     ["long.mp4"], cancel_after=3)
        self.assertFalse(os.path.exists("n.mp4"))
        self.assertFalse(os.path.exists("n.mp4.part"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
