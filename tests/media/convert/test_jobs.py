#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A conversion as a whole: clips, joined and broken inputs, cancelling, the same bytes."""
import os
import random
import unittest

from support import ConvertCase, complaints, ffmpeg, output, picture, probe, read, streams, volume, write


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

    def colours(self):
        for colour, pitch in (("red", 300), ("green", 600), ("blue", 900)):
            ffmpeg("-f", "lavfi", "-i", f"color={colour}:s=320x180:r=25:d=3", "-f", "lavfi", "-i",
                   f"sine={pitch}:r=48000:d=3", "-c:v", "libx264", "-g", "25", "-c:a", "aac", f"{colour}.mp4")

    def shown(self, path, *expected):
        """The colours shown at some seconds."""
        for at_s, colour in expected:
            seen = picture(path, at_s)(80, 45)
            strongest = ("red", "green", "blue")[seen.index(max(seen))]
            self.assertEqual(strongest, colour, f"at {at_s} s: {seen}")

    def test_parts_of_joined_inputs(self):
        self.colours()
        span = lambda seek, length: {"Clip": {"TimeSpan": {"Seek": str(seek), "Duration": str(length)}}}
        inputs = [{"Uri": "red.mp4", **span(0, 1)}, {"Uri": "green.mp4", **span(1.5, 0.5)}, {"Uri": "blue.mp4", **span(1, 1)}]
        self.done([output("c.mp4"), output("one.mp4", Features={"Clip": {"TimeSpan": {"Seek": "0.5", "Duration": "1.25"}}}),
                   output("copy.mkv", "mkv", Video={"Codec": "copy"}, Audio={"Codec": "copy"})], inputs)
        for kind in ("video", "audio"):
            self.assertAlmostEqual(float(streams("c.mp4", kind)[0]["duration"]), 2.5, delta=0.05)
            self.assertAlmostEqual(float(streams("one.mp4", kind)[0]["duration"]), 1.25, delta=0.05)
        self.shown("c.mp4", (0.9, "red"), (1.1, "green"), (1.4, "green"), (1.6, "blue"), (2.4, "blue"))
        self.shown("one.mp4", (0.4, "red"), (0.6, "green"), (1.1, "blue"))
        for path in ("c.mp4", "one.mp4", "copy.mkv"):
            self.assertEqual(complaints(path), "")
        self.shown("copy.mkv", (0.9, "red"), (1.6, "blue"))  # green's next key frame lies after its part
        self.assertAlmostEqual(float(probe("copy.mkv")["format"]["duration"]), 2.5, delta=0.1)
        self.refused("OutOfRange.*the clip begins", [output("x.mp4")], ["red.mp4", {"Uri": "green.mp4", **span(9, 1)}])
        self.refused("Inputs\\[0\\].Clip' goes together with joined", [output("x.mp4")],
                     [{"Uri": "red.mp4", **span(0, 1)}, {"Name": "b", "Uri": "green.mp4"}])

    def test_inputs_without_their_pictures_or_sound(self):
        self.colours()
        inputs = [{"Uri": "red.mp4", "DisableVideo": True}, {"Uri": "green.mp4", "DisableAudio": True},
                  {"Uri": "blue.mp4", "DisableVideo": "true"}]
        self.done([output("c.mp4")], inputs)
        self.assertAlmostEqual(float(streams("c.mp4", "video")[0]["duration"]), 9, delta=0.1)
        self.assertAlmostEqual(float(streams("c.mp4", "audio")[0]["duration"]), 9, delta=0.1)
        self.shown("c.mp4", (0.5, "green"), (4, "green"), (8.5, "green"))  # the picture stands still
        self.assertEqual(complaints("c.mp4"), "")
        for at_s, is_loud in ((1, True), (4.5, False), (8, True)):
            ffmpeg("-ss", str(at_s), "-t", "0.5", "-i", "c.mp4", "-vn", "part.wav")
            self.assertEqual(volume("part.wav") > -60, is_loud, f"at {at_s} s")
        self.done([output("a.mp4")], [{"Uri": "red.mp4", "DisableVideo": True}])
        self.assertEqual([s["codec_type"] for s in probe("a.mp4")["streams"]], ["audio"])

    def test_another_input_gives_size_and_rate(self):
        ffmpeg("-f", "lavfi", "-i", "color=red:s=160x120:r=10:d=1", "-c:v", "libx264", "small.mp4")
        job = [output("c.mp4", audio=None, Video={"Width": None})]
        for index, size in ((0, (160, 120, "10/1")), (1, (320, 180, "25/1"))):
            self.done(job, ["small.mp4", "v.mp4"], AlignmentIndex=index)
            video = streams("c.mp4", "video")[0]
            self.assertEqual((video["width"], video["height"], video["avg_frame_rate"]), size)
            self.assertAlmostEqual(float(video["duration"]), 3, delta=0.15)
        self.refused("'Config.AlignmentIndex' is 2", job, ["small.mp4", "v.mp4"], AlignmentIndex=2)

    def test_copies_of_several_encodings_are_refused(self):
        ffmpeg("-f", "lavfi", "-i", "color=red:s=160x120:r=10:d=1", "-c:v", "libx264", "small.mp4")
        self.refused("is encoded otherwise", [output("x.mp4", audio=None, Video={"Codec": "copy"})], ["v.mp4", "small.mp4"])

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
