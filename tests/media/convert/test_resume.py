#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A conversion killed at half goes on where it was (decision 10)."""
import json
import os
import shutil
import signal
import subprocess
import unittest

from support import CONVERT, ConvertCase, complaints, ffmpeg, output, probe, psnr, sh, streams

GOP = 25


def times(path):
    """Presentation and decoding times of the pictures, in the order of decoding."""
    text = sh("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts,dts", "-of",
              "csv=p=0", path)
    return [tuple(int(n) for n in line.strip(",").split(",")[:2]) for line in text.split()]


class Resume(ConvertCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # As small as checkpoints are kept for (MIN_WORK_PX), and hard enough to be killed on the way.
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=10", "-f", "lavfi", "-i", "sine=440:d=10",
               "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "60", "-c:a", "aac", "long.mp4")

    def killed_and_run_again(self, outputs, source="long.mp4", die_at=0.5):
        """Returns the result of the second attempt."""
        shutil.rmtree("keep", ignore_errors=True)
        os.mkdir("keep")
        for o in outputs:
            shutil.rmtree(os.path.dirname(o["Uri"]) or o["Uri"], ignore_errors=True)
            if os.path.exists(o["Uri"]):
                os.unlink(o["Uri"])
        with open("job.json", "w") as f:
            json.dump({"Inputs": [{"Uri": source}], "Outputs": outputs}, f)
        first = subprocess.run([CONVERT, "job.json", "2", "0", "keep", str(die_at)], capture_output=True)
        self.assertEqual(first.returncode, -signal.SIGKILL)
        self.assertFalse(os.path.exists(outputs[0]["Uri"]))
        second = subprocess.run([CONVERT, "job.json", "2", "0", "keep"], capture_output=True, text=True,
                                timeout=100)
        self.assertEqual(second.returncode, 0, second.stderr)
        return json.loads(second.stdout)

    def encoded(self, path="x.mp4", **more):
        video = {"Width": 640, "Gop": GOP, "Crf": 24, "Preset": "veryfast", **more.pop("Video", {})}
        return output(path, Video=video, TransConfig={"ForceTranscode": True, **more.pop("TransConfig", {})},
                      **more)

    def test_little_is_repeated_and_the_seam_is_not_seen(self):
        made = [self.encoded("a.mp4", Video={"Maxrate": 1500, "Bufsize": 3000})]
        result = self.killed_and_run_again(made)["Outputs"][0]["Resumed"]
        self.assertEqual(result["Kept"] % GOP, 0)
        self.assertEqual(result["Kept"] + result["Encoded"], 250)
        self.assertLess(result["Repeated"], GOP + 1)
        self.assertGreater(result["Kept"], 125 - 2 * GOP - 60)  # what was inside the encoder is lost
        os.rename("a.mp4", "again.mp4")
        self.done(made, ["long.mp4"])
        for n in (0, 1):  # where B-frames lie may differ; when they are shown and decoded does not
            self.assertEqual(sorted(t[n] for t in times("a.mp4")), sorted(t[n] for t in times("again.mp4")))
        self.assertEqual(complaints("again.mp4"), "")
        self.assertEqual(streams("a.mp4", "audio")[0]["nb_frames"], streams("again.mp4", "audio")[0]["nb_frames"])
        self.assertAlmostEqual(psnr("long.mp4", "a.mp4", "640x360"), psnr("long.mp4", "again.mp4", "640x360"),
                               delta=0.3)

    def test_outputs_of_one_job_go_on_each_from_its_own_place(self):
        made = [self.encoded("a.mp4"), self.encoded("b.mp4", Video={"Preset": "fast", "Gop": 40}),
                self.encoded("h/h.m3u8", container="m3u8", MuxConfig={"Segment": {"Duration": 3}})]
        result = self.killed_and_run_again(made, die_at=0.6)
        kept = [o["Resumed"]["Kept"] for o in result["Outputs"]]
        self.assertTrue(all(kept), kept)
        for path in ("a.mp4", "b.mp4", "h/h.m3u8"):
            self.assertEqual(complaints(path), "")
            self.assertAlmostEqual(float(probe(path)["format"]["duration"]), 10, delta=0.1)
            self.assertGreater(psnr("long.mp4", path, "640x360"), 27)
        self.assertEqual(len(times("b.mp4")), 250)
        with open("h/h.m3u8") as f:
            self.assertEqual(f.read().count("#EXTINF:3.000000"), 3)

    def test_varying_rate(self):
        ffmpeg("-i", "long.mp4", "-vf", "select='not(mod(n,3))+lt(mod(n,50),20)'", "-vsync", "vfr", "-c:v",
               "libx264", "-preset", "ultrafast", "-c:a", "copy", "vfr.mkv")
        made = [self.encoded("a.mp4", Video={"Width": 960})]
        self.assertIn("Resumed", self.killed_and_run_again(made, "vfr.mkv", 0.6)["Outputs"][0])
        shown = lambda path: sorted(float(t) for t in sh(
            "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of",
            "csv=p=0", path).replace(",", "").split())
        before, after = shown("vfr.mkv"), shown("a.mp4")
        self.assertEqual(len(before), len(after))
        for a, b in zip(before, after):
            self.assertAlmostEqual(a - before[0], b, delta=0.002)
        self.assertEqual(complaints("a.mp4"), "")

    def test_h265(self):
        made = [self.encoded("a.mp4", video="H.265", audio=None, Video={"Width": 640})]
        result = self.killed_and_run_again(made, die_at=0.6)["Outputs"][0]["Resumed"]
        self.assertEqual(result["Kept"] + result["Encoded"], 250)
        self.assertEqual(complaints("a.mp4"), "")
        self.assertGreater(psnr("long.mp4", "a.mp4", "640x360"), 30)

    def test_a_first_pass_is_not_done_again(self):
        made = [self.encoded("a.mp4", audio=None, Video={"Bitrate": 400}, TransConfig={"TransMode": "twopass"})]
        self.killed_and_run_again(made, die_at=0.7)
        self.assertTrue(os.path.exists("keep/pass-0.done"))
        self.assertEqual(len(times("a.mp4")), 250)
        self.assertAlmostEqual(int(streams("a.mp4", "video")[0]["bit_rate"]), 400000, delta=80000)

    def test_another_job_in_the_same_folder_begins_anew(self):
        self.killed_and_run_again([self.encoded("a.mp4")])
        with open("job.json", "w") as f:
            json.dump({"Inputs": [{"Uri": "long.mp4"}], "Outputs": [self.encoded("a.mp4", Video={"Crf": 30})]}, f)
        run = subprocess.run([CONVERT, "job.json", "2", "0", "keep"], capture_output=True, text=True)
        self.assertNotIn("Resumed", json.loads(run.stdout)["Outputs"][0])


if __name__ == "__main__":
    unittest.main(verbosity=1)
