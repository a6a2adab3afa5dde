#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of pictures."""
import os
import unittest

from support import ConvertCase, complaints, ffmpeg, output, picture, psnr, read, sh, ssim, streams


class Pictures(ConvertCase):
    def test_another_aspect_is_padded_cut_or_stretched(self):
        ffmpeg("-f", "lavfi", "-i", "color=red:s=160x180:d=0.4", "-f", "lavfi", "-i", "color=blue:s=160x180:d=0.4",
               "-filter_complex", "hstack", "-c:v", "libx264", "flat.mp4")
        size = {"Width": 160, "Height": 160}
        self.done([output(method + ".mp4", audio=None, Video=size, TransConfig={"AdjDarMethod": method})
                   for method in ("pad", "crop", "rescale")] +
                  [output("own.mp4", audio=None, Video={"Width": 160, "Pad": "200:160:20:10"})], ["flat.mp4"])
        for method in ("pad", "crop", "rescale"):
            video = streams(method + ".mp4", "video")[0]
            self.assertEqual((video["width"], video["height"], video["sample_aspect_ratio"]), (160, 160, "1:1"))
            at = picture(method + ".mp4")
            self.assertEqual(max(at(40, 10)) < 30, method == "pad", method)
            self.assertGreater(at(74, 80)[0], 200)  # the middle stays the middle
            self.assertGreater(at(86, 80)[2], 200)
        at = picture("own.mp4")
        self.assertEqual(streams("own.mp4", "video")[0]["width"], 200)
        self.assertTrue(max(at(10, 50)) < 30 and max(at(100, 4)) < 30 and max(at(190, 50)) < 30)
        self.assertGreater(at(26, 16)[0], 200)

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

    def test_details_of_encoding_pictures(self):
        types = lambda path: sh("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pict_type",
                                "-of", "csv=p=0", path)
        outs = [(f"{n}b.{codec}.mp4", codec, {"BFrames": n, "Refs": 1, "Crf": 20})
                for codec in ("H.264", "H.265") for n in (0, 2)]
        self.done([output(path, video=codec, audio=None, Video=video) for path, codec, video in outs] +
                  [output("refs.mp4", audio=None, Video={"Refs": 5})])
        for path, _, video in outs:
            self.assertEqual("B" in types(path), video["BFrames"] > 0, path)
        for path, refs in (("0b.H.264.mp4", b" ref=1 "), ("refs.mp4", b" ref=5 ")):
            self.assertIn(refs, read(path))  # x264 writes down how it was set
        self.refused("is for H.264 and H.265", [output("x.gif", "gif", video="GIF", audio=None, Video={"BFrames": 1})])

    def test_rates_are_checked(self):
        self.done([output("c.mp4", audio=None, Video={"Fps": 50}, TransConfig={"IsCheckFps": True})])
        self.assertEqual(streams("c.mp4", "video")[0]["avg_frame_rate"], "25/1")
        self.refused("less than the 50.000 asked for",
                     [output("x.mp4", audio=None, Video={"Fps": 50}, TransConfig={"IsCheckFpsFail": True})])

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

    def test_a_film_of_varying_rate_ends_with_its_last_picture(self):
        # Nothing is alike in noise, so that the last picture shown is the last one coded as well.
        ffmpeg("-f", "lavfi", "-i", "nullsrc=s=160x90:r=25:d=2,geq=random(1)*255:128:128", "-vf",
               "select='lt(n,20)+not(mod(n,5))'", "-vsync", "vfr", "-c:v", "ffv1", "noise.mkv")
        self.done([output("e.mp4", audio=None), output("e.mkv", "mkv", audio=None), output("e.ts", "ts", audio=None)],
                  ["noise.mkv"])
        for made in ("e.mp4", "e.mkv", "e.ts"):
            lasts = float(sh("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", made))
            self.assertAlmostEqual(lasts, 1.84, delta=0.02, msg=made)
        shown = float(sh("ffprobe", "-v", "error", "-show_entries", "stream=duration", "-of", "csv=p=0", "e.mp4"))
        self.assertGreaterEqual(shown, 1.84 - 0.001)

    def test_two_passes_reach_the_rate(self):
        self.done([output("c.mp4", audio=None, Video={"Bitrate": 200},
                          TransConfig={"TransMode": "twopass"})])
        self.assertAlmostEqual(int(streams("c.mp4", "video")[0]["bit_rate"]), 200000, delta=60000)

    def test_black_bars_are_cut_off(self):
        ffmpeg("-i", "v.mp4", "-vf", "scale=320:120,setsar=1,pad=320:180:0:30", "-an", "bars.mp4")
        self.done([output("c.mp4", audio=None, Video={"Width": 320, "Crop": "border"})], ["bars.mp4"])
        video = streams("c.mp4", "video")[0]
        self.assertEqual((video["width"], video["height"]), (320, 120))
        self.assertGreater(psnr("v.mp4", "c.mp4", "320x120"), 28)
        ffmpeg("-f", "lavfi", "-i", "color=black:s=320x180:d=0.5", "black.mp4")
        for path in ("v.mp4", "black.mp4"):  # no bars, and nothing but
            self.done([output("c.mp4", audio=None, Video={"Width": 160, "Crop": "border"})], [path])
            self.assertEqual(streams("c.mp4", "video")[0]["height"], 90)

    def test_narrowband_reaches_the_similarity_with_few_bits(self):
        sizes = []
        for target in (0.93, 0.985):
            result = self.done([output("c.mp4", audio=None, Video={"Width": 320, "TargetSsim": target})])
            self.assertRegex(result["Outputs"][0]["Notes"][0], "narrowband: crf [0-9.]+, SSIM of at least")
            self.assertGreater(ssim("v.mp4", "c.mp4"), target - 0.01)
            sizes.append(os.path.getsize("c.mp4"))
        self.assertLess(sizes[0] * 1.5, sizes[1])
        self.assertLess(ssim("v.mp4", "c.mp4"), 0.999)

    def test_crf_and_constant_rate(self):
        self.done([output("a.mp4", audio=None, Video={"Crf": 18}), output("b.mp4", audio=None, Video={"Crf": 36}),
                   output("c.ts", "ts", audio=None, Video={"Bitrate": 300}, TransConfig={"TransMode": "CBR"})])
        self.assertGreater(os.path.getsize("a.mp4"), 2 * os.path.getsize("b.mp4"))
        self.assertGreater(psnr("v.mp4", "a.mp4", "160x90"), psnr("v.mp4", "b.mp4", "160x90") + 5)
        bits = 8 * sum(int(n) for n in sh("ffprobe", "-v", "error", "-show_entries", "packet=size", "-of",
                                          "csv=p=0", "c.ts").replace(",", "").split())
        self.assertAlmostEqual(bits / 2, 300000, delta=60000)  # filler makes it constant

    def test_interlaced_pictures(self):
        for order, first in (("tff", "interleave_top"), ("bff", "interleave_bottom")):
            with self.subTest(order):
                ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:r=50:d=1", "-vf", f"tinterlace={first},setfield={order}",
                       "-c:v", "libx264", "-flags", "+ilme+ildct", "-x264opts", order + "=1", order + ".mp4")
                self.done([output("p.mp4", audio=None, Video={"Width": 320, "ScanMode": "auto", "Crf": 12}),
                           output("i.mp4", audio=None, Video={"Width": 320, "Crf": 12})], [order + ".mp4"])
                ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:r=50:d=1", "-vf", "select='not(mod(n,2))',setpts=N/25/TB",
                       "-r", "25", "-c:v", "ffv1", "even.mkv")
                if order == "tff":
                    # The first field is that of the even pictures: without combs both look alike.
                    self.assertGreater(psnr("even.mkv", "p.mp4", "320x180"), psnr("even.mkv", "i.mp4", "320x180") + 2)
                self.assertEqual(streams("p.mp4", "video")[0]["field_order"], "progressive")
                flags = sh("ffprobe", "-v", "error", "-show_entries", "frame=interlaced_frame,top_field_first", "-of",
                           "csv=p=0", "i.mp4").split()
                self.assertTrue(flags[0].startswith("1,1" if order == "tff" else "1,0"), flags[0])
        self.done([output("x.mp4", Video={"Width": 160})], ["tff.mp4"])  # 90 lines: fields of 45 have no whole colour
        self.assertEqual(streams("x.mp4", "video")[0]["height"], 90)
        self.refused("interlaced", [output("x.mp4", Video={"ScanMode": "progressive"})], ["tff.mp4"])

    def test_rotation(self):
        ffmpeg("-f", "lavfi", "-i", "color=red:s=160x180:d=0.4", "-f", "lavfi", "-i", "color=blue:s=160x180:d=0.4",
               "-filter_complex", "hstack", "-c:v", "libx264", "flat.mp4")
        ffmpeg("-i", "flat.mp4", "-c", "copy", "-metadata:s:v:0", "rotate=90", "turned.mp4")
        self.done([output("a.mp4", audio=None, Video={"Width": 180, "Rotate": "auto"})], ["turned.mp4"])
        video = streams("a.mp4", "video")[0]
        self.assertEqual((video["width"], video["height"]), (180, 320))
        self.assertFalse([d for d in video.get("side_data_list", []) if "rotation" in d and d["rotation"]])
        self.assertGreater(psnr("turned.mp4", "a.mp4", "180x320"), 30)  # ffmpeg turns by itself
        self.done([output("b.mp4", audio=None, Video={"Width": 180, "Rotate": "90"})], ["flat.mp4"])
        at = picture("b.mp4")
        self.assertGreater(at(90, 60)[0], 200)  # left has become top
        self.assertGreater(at(90, 260)[2], 200)

    def test_hdr_becomes_sdr_for_h264_and_stays_for_h265(self):
        # 58 % of PQ is 203 cd/m2, a white sheet of paper; 44 % is 50.
        ffmpeg("-f", "lavfi", "-i", "color=black:s=320x180:d=0.4,format=yuv420p10,geq=lum='if(lt(X,160),572,449)':cb=512:cr=512",
               "-c:v", "libx265", "-x265-params", "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
               "-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "hdr.mp4")
        self.done([output("a.mp4", audio=None, Video={"Width": 320}),
                   output("b.mp4", video="H.265", audio=None, Video={"Width": 320})], ["hdr.mp4"])
        sdr, hdr = streams("a.mp4", "video")[0], streams("b.mp4", "video")[0]
        self.assertEqual((sdr["color_transfer"], sdr["color_primaries"], sdr["pix_fmt"]), ("bt709", "bt709", "yuv420p"))
        self.assertEqual((hdr["color_transfer"], hdr["color_primaries"], hdr["pix_fmt"]),
                         ("smpte2084", "bt2020", "yuv420p10le"))
        at = picture("a.mp4")
        paper, wall = at(80, 90)[1], at(240, 90)[1]
        self.assertGreater(paper, 150)
        self.assertTrue(60 < wall < paper - 25, (wall, paper))

    def test_anamorphic_pixels(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:d=0.4,setsar=4/3", "-c:v", "libx264", "wide.mp4")
        self.done([output("a.mp4", audio=None, Video={"Width": 320}),
                   output("b.mp4", audio=None, Video={"Width": None})], ["wide.mp4"])
        video = streams("a.mp4", "video")[0]
        self.assertEqual((video["width"], video["height"], video["sample_aspect_ratio"]), (320, 180, "1:1"))
        video = streams("b.mp4", "video")[0]
        self.assertEqual((video["width"], video["height"], video["sample_aspect_ratio"]), (320, 240, "4:3"))

    def test_rates(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:r=50:d=1", "-c:v", "libx264", "fast.mp4")
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:r=120:d=1", "-c:v", "libx264", "faster.mp4")
        for source, asked, n in (("fast.mp4", {}, 50), ("fast.mp4", {"MaxFps": 25}, 25), ("fast.mp4", {"Fps": 10}, 10),
                                 ("faster.mp4", {}, 60), ("v.mp4", {"MaxFps": 30}, 50)):
            with self.subTest(source=source, asked=asked):
                self.done([output("c.mp4", audio=None, Video=asked)], [source])
                video = streams("c.mp4", "video")[0]
                self.assertEqual(int(video["nb_frames"]), n)
                self.assertAlmostEqual(float(video["duration"]), 2 if source == "v.mp4" else 1, delta=0.02)

    def test_long_and_short_edge(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=180x320:d=0.4", "-c:v", "libx264", "tall.mp4")
        for source, size in (("tall.mp4", (144, 256)), ("v.mp4", (256, 144))):
            self.done([output("c.mp4", audio=None, Video={"Width": 256, "LongShortMode": True})], [source])
            video = streams("c.mp4", "video")[0]
            self.assertEqual((video["width"], video["height"]), size)

    def test_other_codecs(self):
        ffmpeg("-i", "v.mp4", "-t", "0.8", "-c:v", "libx264", "-an", "short.mp4")
        for codec, name in (("H.265", "hevc"), ("AV1", "av1")):
            with self.subTest(codec):
                self.done([output("c.mp4", video=codec, audio=None)], ["short.mp4"])
                video = streams("c.mp4", "video")[0]
                self.assertEqual((video["codec_name"], int(video["nb_frames"])), (name, 20))
                self.assertEqual(complaints("c.mp4"), "")
                self.assertGreater(psnr("short.mp4", "c.mp4", "160x90"), 28)


if __name__ == "__main__":
    unittest.main(verbosity=1)
