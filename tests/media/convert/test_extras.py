#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a film carries beside pictures and sound: captions, chapters, covers, fonts."""
import re
import struct
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


def boxes(path):
    """The outermost boxes of an MP4: [(name, bytes)]."""
    data, at, found = read(path), 0, []
    while at < len(data):
        n, name = struct.unpack(">I4s", data[at:at + 8])
        found.append((name.decode(), n))
        at += n
    return found


def packets(path, kind):
    return sh("ffmpeg", "-v", "error", "-i", path, "-map", f"0:{kind}", "-c", "copy", "-f", "md5", "-")


class IndexInFront(ConvertCase):
    """The room reserved for the index of an MP4, or the film moved behind it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lines = "".join(f"{n}\n00:00:{n // 2:02},{n % 2 * 5}00 --> 00:00:{n // 2:02},{n % 2 * 5}50\nLine {n}\n\n"
                        for n in range(20))
        write("s.srt", lines.encode())
        marks = "".join(f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={n}000\nEND={n + 1}000\ntitle=Chapter {n}\n"
                        for n in range(9))
        write("chapters.txt", (";FFMETADATA1\ntitle=" + "A long name " * 40 + "\n" + marks).encode())
        ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", "cover.png")
        ffmpeg("-stream_loop", "7", "-i", "v.mp4", "-i", "s.srt", "-i", "chapters.txt", "-map", "0", "-map", "1",
               "-map_metadata", "2", "-c", "copy", "-c:s", "srt", "-t", "15", "-attach", "cover.png", "-metadata:s:t:0",
               "mimetype=image/png", "-metadata:s:t:0", "filename=cover.png", "long.mkv")
        ffmpeg("-i", "long.mkv", "-map", "0:v:0", "-map", "0:a", "-c", "copy", "long.mp4")

    def test_room_is_reserved_for_copies_and_encodes(self):
        cases = [("copied.mp4", "mp4", "Remux", "long.mp4"), ("copied.mov", "mov", "Remux", "long.mp4"),
                 ("encoded.mp4", "mp4", "Normal", "long.mp4"), ("full.mp4", "mp4", "Remux", "long.mkv")]
        for path, container, subtype, source in cases:
            with self.subTest(path):
                self.done([output(path, container, subtype=subtype, **KEEP)], [source])
                found = boxes(path)
                self.assertEqual([name for name, _ in found[:3]] + [found[-1][0]], ["ftyp", "moov", "free", "mdat"])
                self.assertTrue(8 < found[2][1] < 16384)
                if subtype == "Remux":
                    for kind in ("v:0", "a"):
                        self.assertEqual(packets(path, kind), packets(source, kind))

    def test_a_film_longer_than_it_says_is_moved(self):
        """Matroska tells its length in words of its own (Duration, and a tag per track)."""
        says = read("long.mkv")
        at = says.index(b"\x44\x89\x88") + 3
        says = says[:at] + struct.pack(">d", 4500.0) + says[at + 8:]
        write("lies.mkv", re.sub(rb"00:00:1\d\.", b"00:00:04.", says))
        self.done([output("moved.mp4", subtype="Remux")], ["lies.mkv"])
        found = boxes("moved.mp4")
        self.assertEqual([name for name, _ in found], ["ftyp", "moov", "free", "free", "mdat"])
        self.done([output("fits.mp4", subtype="Remux")], ["long.mkv"])
        left = boxes("fits.mp4")[2][1]
        self.assertTrue(left < found[2][1] < found[1][1])  # the room that was too little
        for kind in ("v:0", "a"):
            self.assertEqual(packets("moved.mp4", kind), packets("long.mkv", kind))


if __name__ == "__main__":
    unittest.main(verbosity=1)
