#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of pictures."""
import unittest

from support import ConvertCase, ffmpeg, output, picture, sh, streams


class Pictures(ConvertCase):
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

    def test_two_passes_reach_the_rate(self):
        self.done([output("c.mp4", audio=None, Video={"Bitrate": 200},
                          TransConfig={"TransMode": "twopass"})])
        self.assertAlmostEqual(int(streams("c.mp4", "video")[0]["bit_rate"]), 200000, delta=60000)


if __name__ == "__main__":
    unittest.main(verbosity=1)
