#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers, segments, groups, copies."""
import os
import re
import unittest

from support import ConvertCase, complaints, convert_groups, ffmpeg, output, probe, read, sh


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

    def test_what_begins_late_and_what_has_a_hole_keeps_its_place(self):
        """FFmpeg 5.1 writes fragments where the packet before ended; the second segment begins after the gap."""
        ffmpeg("-i", "v.mp4", "-itsoffset", "1.2", "-i", "v.mp4", "-map", "0:v", "-map", "1:a", "-c", "copy",
               "-t", "2", "late.mkv")
        ffmpeg("-i", "v.mp4", "-vf", "select='not(between(n,20,40))'", "-vsync", "vfr", "-c:v", "libx264",
               "-preset", "veryfast", "-force_key_frames", "1.6", "-c:a", "copy", "hole.mkv")
        starts = lambda path, kind: [float(t) for t in sh(
            "ffprobe", "-v", "error", "-select_streams", kind, "-show_entries", "packet=pts_time", "-of", "csv=p=0",
            path).replace(",", " ").split()]
        for source, kind in (("late.mkv", "a"), ("hole.mkv", "v")):
            with self.subTest(source):
                self.done([output("f/x.m3u8", "hls-fmp4", subtype="Remux", MuxConfig={"Segment": {"Duration": 1}})],
                          inputs=(source,))
                made, were = sorted(starts("f/x.m3u8", kind)), sorted(starts(source, kind))
                self.assertAlmostEqual(made[0], were[0], delta=0.03)
                self.assertAlmostEqual(made[-1], were[-1], delta=0.03)

    def test_playlists_and_manifests_say_what_they_are(self):
        for container in ("m3u8", "hls-fmp4", "mpd", "cmaf"):
            with self.subTest(container):
                folder = f"meta-{container}/"
                result = self.done([output(folder + "x.m3u8", container, MuxConfig={"Segment": {"Duration": 1}})])
                meta = result["Outputs"][0]["Meta"]
                basic, video = meta["FileBasicInfo"], meta["VideoStreamInfoList"]
                self.assertEqual(int(basic["FileSize"]), sum(os.path.getsize(folder + f) for f in os.listdir(folder)))
                self.assertEqual((basic["FormatName"], basic["Width"], basic["FileUrl"]),
                                 ("dash" if container == "mpd" else "hls", "160", folder + "x.m3u8"))
                self.assertAlmostEqual(float(basic["Duration"]), 2, delta=0.05)
                self.assertAlmostEqual(float(basic["Bitrate"]), int(basic["FileSize"]) * 8 / 1000 / float(basic["Duration"]),
                                       delta=0.01)
                self.assertEqual([(v["Index"], v["NumFrames"], v["Codec_name"]) for v in video], [("0", "50", "h264")])
                self.assertEqual([(a["Index"], a["CodecName"]) for a in meta["AudioStreamInfoList"]], [("1", "aac")])

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

    def test_a_clip_has_its_first_picture_whatever_the_container(self):
        """MPEG-TS has no index: a seek ends anywhere, and the key frame needed may lie before."""
        for path in ("c.ts", "c.mkv"):
            with self.subTest(path):
                ffmpeg("-i", "v.mp4", "-c:v", "libx264", "-preset", "veryfast", "-g", "40", "-c:a", "copy", path)
                self.done([output("y.mp4", Features={"Clip": {"TimeSpan": {"Seek": "0.6", "Duration": "1"}}})],
                          inputs=(path,))
                times = sh("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time",
                           "-of", "csv=p=0", "y.mp4").replace(",", " ").split()
                self.assertEqual((len(times), float(min(times, key=float))), (25, 0))

    def test_segments_are_counted_from_a_number(self):
        for container in ("m3u8", "hls-fmp4"):
            self.done([output(f"n/{container}.m3u8", container,
                              MuxConfig={"Segment": {"Duration": 1, "StartNumber": 98}})])
            text = read(f"n/{container}.m3u8").decode()
            self.assertIn("#EXT-X-MEDIA-SEQUENCE:98\n", text)
            self.assertRegex(text, rf"{container}-00098\.[^#]*#[^#]*{container}-00099\.")
            self.assertEqual(complaints(f"n/{container}.m3u8"), "")

    def test_copied_pictures_keep_their_times(self):
        times = lambda path: sorted(float(t) for t in sh(
            "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0",
            path).replace(",", "").split())
        ffmpeg("-i", "v.mp4", "-an", "-c", "copy", "undated.mkv")  # Matroska does not say when pictures are decoded
        for container in ("mp4", "mkv", "ts", "flv"):
            path = f"dated.{container}"
            self.done([output(path, container, subtype="Remux", audio=None)], ["undated.mkv"])
            moved = [b - a for a, b in zip(times("v.mp4"), times(path))]
            self.assertEqual(len(moved), 50)
            self.assertLess(max(moved) - min(moved), 0.002, container)
            self.assertEqual(complaints(path), "")

    def test_copied_pictures_of_a_clip_begin_with_a_key_frame(self):
        clip = {"Clip": {"TimeSpan": {"Seek": "0.6", "Duration": "1"}}}
        for container, path in (("mp4", "z.mp4"), ("m3u8", "z/z.m3u8"), ("hls-fmp4", "y/y.m3u8")):
            with self.subTest(container):
                self.done([output(path, container, subtype="Remux", Features=clip)])  # v.mp4: one a second
                first = sh("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=flags", "-of",
                           "csv=p=0", path).split()[0]
                self.assertIn("K", first)
                self.assertEqual(complaints(path), "")
        self.refused("no key frame", [output("z.mp4", subtype="Remux", Features={
            "Clip": {"TimeSpan": {"Seek": "0.3", "Duration": "0.5"}}})])

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
