#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers, segments, groups, copies."""
import re
import unittest

from support import ConvertCase, complaints, convert_groups, output, probe, read, sh


class Packaging(ConvertCase):
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


if __name__ == "__main__":
    unittest.main(verbosity=1)
