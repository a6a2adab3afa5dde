#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a film carries beside pictures and sound: captions, chapters, covers, fonts."""
import subprocess
import unittest

from support import ConvertCase, complaints, ffmpeg, output, probe, read, sh, streams, write

KEEP = {"TransConfig": {"KeepCaptions": True, "KeepChapters": True, "KeepAttachments": True,
                        "KeepCoverArt": True}}


def cues(path, nth=0):
    return sh("ffmpeg", "-v", "error", "-i", path, "-map", f"0:s:{nth}", "-f", "srt", "-")


def chapters(path):
    rows = sh("ffprobe", "-v", "error", "-show_entries", "chapter=start_time,end_time:chapter_tags=title",
              "-of", "csv=p=0", path).split()
    return [(round(float(a), 1), round(float(b), 1), t) for a, b, t in (r.split(",") for r in rows)]


class Extras(ConvertCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        write("s.srt", b"1\n00:00:00,200 --> 00:00:00,900\nHello\n\n2\n00:00:01,000 --> 00:00:01,500\nTwo\n\n")
        write("chapters.txt", b";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n"
                              b"[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Two\n")
        write("font.ttf", b"not really a font, and nobody asks")
        ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", "cover.png")
        ffmpeg("-i", "v.mp4", "-i", "s.srt", "-i", "chapters.txt", "-map", "0", "-map", "1", "-map_metadata", "2",
               "-c", "copy", "-c:s", "ass", "-metadata:s:s:0", "language=fre", "-attach", "font.ttf",
               "-metadata:s:t:0", "mimetype=application/x-truetype-font", "-attach", "cover.png",
               "-metadata:s:t:1", "mimetype=image/png", "-metadata:s:t:1", "filename=cover.png", "full.mkv")

    def test_kept_in_every_container_that_holds_them(self):
        cases = {"mkv": ("ass", True, True, True), "mp4": ("mov_text", True, True, False),
                 "mov": ("mov_text", True, False, False)}
        for container, (codec, has_chapters, has_cover, has_font) in cases.items():
            with self.subTest(container):
                path = "kept." + container
                result = self.done([output(path, container, **KEEP)], ["full.mkv"])
                subtitle = streams(path, "subtitle")[0]
                self.assertEqual((subtitle["codec_name"], subtitle["tags"]["language"]), (codec, "fra"))
                self.assertRegex(cues(path), r"00:00:00,2[012]\d --> 00:00:00,9[012]\d\nHello")
                self.assertEqual(chapters(path), [(0, 1, "One"), (1, 2, "Two")] if has_chapters else [])
                pictures = [s for s in streams(path, "video") if s["disposition"]["attached_pic"]]
                self.assertEqual(len(pictures), has_cover)
                self.assertEqual(len(streams(path, "attachment")), has_font)
                self.assertEqual(any("attachments were left out" in n for n in result["Outputs"][0]["Notes"]),
                                 not has_font)
                self.assertEqual(complaints(path), "")

    def test_dropped_unless_asked_for(self):
        self.done([output("bare.mkv", "mkv")], ["full.mkv"])
        self.assertEqual([s["codec_type"] for s in probe("bare.mkv")["streams"]], ["video", "audio"])
        self.assertEqual(chapters("bare.mkv"), [])

    def test_a_remux_keeps_all_and_touches_nothing(self):
        self.done([output("again.mkv", "mkv", subtype="Remux")], ["full.mkv"])
        kinds = lambda p: [(s["codec_type"], s["codec_name"] if "codec_name" in s else "")
                           for s in probe(p)["streams"]]
        self.assertEqual(sorted(kinds("again.mkv")), sorted(kinds("full.mkv")))
        md5 = lambda p, m: sh("ffmpeg", "-v", "error", "-i", p, "-map", m, "-c", "copy", "-f", "md5", "-")
        for stream in ("0:v:0", "0:a", "0:s"):
            self.assertEqual(md5("full.mkv", stream), md5("again.mkv", stream))

    def test_text_captions_take_every_containers_form(self):
        inputs = [{"Name": "v", "Uri": "v.mp4"}, {"Name": "s", "Uri": "s.srt"}]
        for container, codec, name, video, audio in (
                ("mp4", "MOV_TEXT", "mov_text", "H.264", "AAC"), ("mkv", "SRT", "subrip", "H.264", "AAC"),
                ("mkv", "ASS", "ass", "H.264", "AAC"), ("mov", "MOV_TEXT", "mov_text", "H.264", "AAC"),
                ("webm", "VTT", "webvtt", "AV1", "OPUS")):
            with self.subTest(f"{container} {codec}"):
                path = f"t.{container}"
                self.done([output(path, container, video, None, audios=[{"InputRef": "v", "Codec": audio}],
                                  Subtitles=[{"InputRef": "s", "Codec": codec, "Language": "ja",
                                              "LanguageControl": "Configured"}])], inputs)
                subtitle = streams(path, "subtitle")[0]
                self.assertEqual((subtitle["codec_name"], subtitle["tags"]["language"]), (name, "jpn"))
                # Matroska has no negative times: all of a file shifts by its sound's encoder delay.
                self.assertRegex(cues(path), r"00:00:01,0[012]\d --> 00:00:01,5[012]\d\nTwo")

    def test_chapters_follow_a_clip(self):
        clip = {"Clip": {"TimeSpan": {"Seek": "0.5", "Duration": "0.4"}}}
        self.done([output("c.mkv", "mkv", Features=clip, **KEEP)], ["full.mkv"])
        self.assertEqual(chapters("c.mkv"), [(0, 0.4, "One")])
        self.assertRegex(cues("c.mkv"), r"00:00:00,0[012]\d --> 00:00:00,4[012]\d\nHello")

    def test_music_keeps_its_cover(self):
        ffmpeg("-i", "v.mp4", "-i", "cover.png", "-map", "0:a", "-map", "1", "-c:a", "libmp3lame", "-c:v", "copy",
               "-disposition:v", "attached_pic", "song.mp3")
        for container, codec in (("mp3", "MP3"), ("m4a", "AAC"), ("flac", "FLAC")):
            with self.subTest(container):
                path = "song-out." + container
                self.done([output(path, container, None, codec, **KEEP)], ["song.mp3"])
                self.assertEqual([s["codec_name"] for s in streams(path, "video")], ["png"])
                self.assertEqual(len(streams(path, "audio")), 1)
                self.assertAlmostEqual(float(probe(path)["format"]["duration"]), 2, delta=0.1)


if __name__ == "__main__":
    unittest.main(verbosity=1)
