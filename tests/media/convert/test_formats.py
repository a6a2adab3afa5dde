#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of file in, every container out."""
import os
import unittest

from support import ConvertCase, complaints, ffmpeg, output, probe, sh, streams

TINY = {"Video": {"Width": 128, "Preset": "veryfast"}}


def pictures(path):
    rows = sh("ffprobe", "-v", "error", "-select_streams", "v", "-count_packets", "-show_entries",
              "stream=nb_read_packets", "-of", "csv=p=0", path).split()
    return int(rows[0]) if rows else 0


class Formats(ConvertCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=1", "-f", "lavfi", "-i", "sine=440:d=1", "-f", "lavfi",
               "-i", "sine=550:d=1", "-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-preset", "ultrafast",
               "-g", "12", "-c:a", "aac", "-metadata:s:a:0", "language=chi", "-metadata:s:a:1", "language=jpn", "a.mp4")
        for name in ("a.mov", "a.mkv", "a.ts"):
            ffmpeg("-i", "a.mp4", "-map", "0", "-c", "copy", name)
        ffmpeg("-i", "a.mp4", "-map", "0:v", "-map", "0:a:0", "-c", "copy", "a.flv")
        ffmpeg("-i", "a.mp4", "-map", "0", "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", "a.webm")
        ffmpeg("-i", "a.mp4", "-map", "0:v", "-map", "0:a:0", "-c", "copy", "-hls_time", "0.5", "-hls_list_size", "0",
               "a.m3u8")
        for name, codec in (("x.mp3", "libmp3lame"), ("x.wav", "pcm_s16le"), ("x.aac", "aac"), ("x.flac", "flac"),
                            ("x.opus", "libopus"), ("x.m4a", "aac"), ("x.mka", "libvorbis")):
            ffmpeg("-f", "lavfi", "-i", "sine=880:d=1", "-c:a", codec, name)

    def languages(self, path):
        self.assertEqual(complaints(path), "")
        self.assertEqual(probe(path)["streams"][0]["codec_type"], "video")
        return [t.get("tags", {}).get("language", "und") for t in streams(path, "audio")]

    def test_the_three_layouts_from_every_kind_of_film(self):
        added = [("EnglishAudio", "eng"), ("JapaneseAudio", "jpn")]
        audio = lambda ref, **more: {"InputRef": ref, "Codec": "AAC", **more}
        configured = [audio(ref, LanguageControl="Configured", Language=l) for ref, l in added]
        sounds = ["x.mp3", "x.wav", "x.aac", "x.flac", "x.opus", "x.m4a", "x.mka"]
        tagged = {"a.mp4": "zho", "a.mov": "zho", "a.mkv": "zho", "a.ts": "zho", "a.webm": "zho",
                  "a.flv": "und", "a.m3u8": "und"}
        for n, (film, own) in enumerate(tagged.items()):
            with self.subTest(film):
                inputs = [{"Name": "video", "Uri": film}, {"Name": "EnglishAudio", "Uri": sounds[n]},
                          {"Name": "JapaneseAudio", "Uri": sounds[(n + 3) % len(sounds)]}]
                own_track = audio("video", LanguageControl="InputFirst")
                self.done([output("keep.mp4", audio=None, audios=[own_track] + configured, **TINY),
                           output("drop.mp4", audio=None, audios=configured, **TINY)], inputs)
                found = self.languages("keep.mp4")
                self.assertIn(found[0], (own, "und"))
                self.assertEqual(found[1:], ["eng", "jpn"])
                self.assertEqual(self.languages("drop.mp4"), ["eng", "jpn"])
                for path in ("keep.mp4", "drop.mp4"):
                    for stream in probe(path)["streams"]:
                        self.assertAlmostEqual(float(stream["duration"]), 1, delta=0.06, msg=path)

    def test_a_language_is_selected_from_every_kind_that_carries_them(self):
        for film in ("a.mp4", "a.mov", "a.mkv", "a.ts", "a.webm"):
            with self.subTest(film):
                inputs = [{"Name": "video", "Uri": film, "AudioSelector": [
                    {"Name": "JapaneseAudio", "Rule": "tag", "TagConfig": {"language": "ja"}}]}]
                self.done([output("s.mp4", audio=None, audios=[
                    {"InputRef": "video", "Codec": "AAC"}, {"InputRef": "JapaneseAudio", "Codec": "AAC"}],
                    **TINY)], inputs)
                self.assertEqual(self.languages("s.mp4"), ["zho", "jpn"])
        self.refused("NoAudioStream.*'a.mp4'.*language=fre", [
            output("s.mp4", audio=None, audios=[{"InputRef": "fr", "Codec": "AAC"}], **TINY)],
            [{"Name": "video", "Uri": "a.mp4", "AudioSelector": [
                {"Name": "fr", "Rule": "tag", "TagConfig": {"language": "fre"}}]}])

    def test_every_container(self):
        films = {"mp4": ("H.264", "AAC"), "mov": ("H.264", "AAC"), "mkv": ("H.264", "FLAC"), "ts": ("H.264", "MP3"),
                 "flv": ("H.264", "AAC"), "webm": ("AV1", "OPUS"), "mxf": ("H.264", "pcm_s16le"),
                 "gif": ("GIF", None), "webp": ("WEBP", None)}
        sounds = {"mp3": "MP3", "m4a": "AAC", "flac": "FLAC", "ogg": "VORBIS", "wav": "pcm_s16le"}
        outputs = [output("o." + c, c, v, a, **({"Video": {"Width": 128}} if c in ("gif", "webp", "webm") else TINY))
                   for c, (v, a) in films.items()]
        for made in outputs:
            if made["Uri"] == "o.mxf":
                made["Template"]["Audio"]["Samplerate"] = 48000
        outputs += [output("o." + c, c, None, a) for c, a in sounds.items()]
        self.done(outputs, ["a.mp4"])
        for made in outputs:
            path = made["Uri"]
            with self.subTest(path):
                self.assertGreater(os.path.getsize(path), 200)
                if path == "o.webp":  # FFmpeg 5.1 writes animated WebP and cannot read it
                    continue
                if path != "o.mxf":  # of which FFmpeg gives wrong decoding times, also of its own
                    self.assertEqual(complaints(path), "")
                self.assertAlmostEqual(float(probe(path)["format"]["duration"]), 1, delta=0.15)
                self.assertIn(pictures(path), (0, 25))

    def test_another_rate_keeps_the_last_picture(self):
        outputs = [output(f"r{fps}.mp4", audio=None, Video={"Width": 128, "Fps": fps}) for fps in (20, 25, 30, 50)]
        self.done(outputs, ["a.mp4"])
        self.assertEqual([pictures(o["Uri"]) for o in outputs], [20, 25, 30, 50])

    def test_audio_codecs_keep_what_was_asked(self):
        for codec, container, rate, channels in (
                ("AAC", "m4a", 22050, 1), ("MP3", "mp3", 32000, 2), ("AC3", "mkv", 48000, 6), ("EAC3", "mp4", 48000, 2),
                ("MP2", "ts", 44100, 2), ("FLAC", "flac", 96000, 1), ("OPUS", "ogg", 48000, 2), ("AAC", "mp4", 48000, 6)):
            with self.subTest(f"{codec} {channels}"):
                if codec == "AC3" or channels == 6:
                    ffmpeg("-f", "lavfi", "-i", "aevalsrc=0.1*sin(440*2*PI*t):c=5.1:d=1:s=44100", "six.wav")
                path = "k." + container
                self.done([output(path, container, None, codec,
                                  Audio={"Samplerate": rate, "Channels": 0 if channels == 6 else channels})],
                          ["six.wav" if channels == 6 else "x.wav"])
                track = streams(path, "audio")[0]
                self.assertEqual((int(track["sample_rate"]), track["channels"]), (rate, channels))

    def test_more_channels_than_a_codec_has_are_mixed_down(self):
        ffmpeg("-f", "lavfi", "-i", "aevalsrc=0.1*sin(440*2*PI*t):c=5.1:d=1:s=44100", "six.wav")
        self.done([output("d.mp3", "mp3", None, "MP3", Audio={"Channels": 0})], ["six.wav"])
        self.assertEqual(streams("d.mp3", "audio")[0]["channels"], 2)


if __name__ == "__main__":
    unittest.main(verbosity=1)
