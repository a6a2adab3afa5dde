#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hls and Dash groups and what their manifests say, read back by ffmpeg and line by line."""
import json
import os
import re
import subprocess
import unittest
import xml.etree.ElementTree as ET

from support import CONVERT, ConvertCase, complaints, ffmpeg, output, probe, read, sh, streams, write

SECOND = {"Segment": {"Duration": 1}}
MPD = "{urn:mpeg:dash:schema:mpd:2011}"
INPUTS = [{"Name": "v", "Uri": "v.mp4"}, {"Name": "en", "Uri": "en.m4a"}, {"Name": "s", "Uri": "s.srt"}]


def rendition(uri, container, hls=None, **more):
    made = output(uri, container, MuxConfig=SECOND, **more)
    if hls:
        made["HlsGroupConfig"] = hls
    return made


def references(playlist):
    """Every address in an M3U8 text, relative to the working folder."""
    text = read(playlist).decode()
    found = re.findall(r'URI="([^"]+)"', text) + re.findall(r"^([^#\s].*)$", text, re.M)
    return [os.path.normpath(os.path.join(os.path.dirname(playlist), f)) for f in found]


def key_times(path):
    rows = sh("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time,flags",
              "-of", "csv=p=0", path).split()
    return [round(float(r.split(",")[0]), 3) for r in rows if "K" in r.split(",")[1]]


class Manifests(ConvertCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        write("s.srt", b"1\n00:00:00,200 --> 00:00:00,900\nHello <i>there</i>\n\n"
                       b"2\n00:00:01,000 --> 00:00:01,500\nTwo\nlines\n\n")

    def grouped(self, kind, outputs, manifest, extend=None, inputs=INPUTS):
        group = {"Type": kind, "Base": os.path.dirname(manifest) + "/", "Outputs": outputs,
                 "ManifestName": os.path.basename(manifest)}
        group.update(extend or {})
        write("job.json", json.dumps({"Inputs": inputs, "OutputGroups": [group]}).encode())
        run = subprocess.run([CONVERT, "job.json", "2"], capture_output=True, text=True, timeout=100)
        self.assertEqual(run.returncode, 0, run.stderr)

    def all_there(self, playlist):
        for name in references(playlist):
            self.assertTrue(os.path.getsize(name), name)
            if name.endswith(".m3u8"):
                self.all_there(name)

    def test_an_hls_group_with_two_sizes_two_languages_and_captions(self):
        for container in ("m3u8", "hls-fmp4"):
            with self.subTest(container):
                at = container + "/"
                language = lambda ref, name: dict(audios=[{"InputRef": ref, "Codec": "AAC", "Bitrate": 64}],
                                                  hls={"Type": "audio", "Name": name, "Language": name[:2],
                                                       "IsDefault": str(ref == "v").lower()})
                self.grouped("Hls", [
                    rendition(at + "big/big.m3u8", container, {"Type": "video"}, audio=None),
                    rendition(at + "small/small.m3u8", container, {"Type": "video"}, audio=None,
                              Video={"Width": 128}),
                    rendition(at + "zh/zh.m3u8", container, video=None, audio=None, **language("v", "zhongwen")),
                    rendition(at + "en/en.m3u8", container, video=None, audio=None, **language("en", "english")),
                    rendition(at + "sub/sub.m3u8", container,
                              {"Type": "subtitle", "Name": "English", "Language": "en", "AutoSelect": "true"},
                              video=None, audio=None, Subtitles=[{"InputRef": "s", "Codec": "VTT"}]),
                ], at + "master.m3u8")
                text = read(at + "master.m3u8").decode()
                self.assertIn('TYPE=AUDIO,GROUP-ID="audio",NAME="zhongwen",DEFAULT=YES,AUTOSELECT=YES,'
                              'LANGUAGE="zh",CHANNELS="2",URI="zh/zh.m3u8"', text)
                self.assertIn('TYPE=SUBTITLES,GROUP-ID="subtitle",NAME="English",DEFAULT=NO,AUTOSELECT=YES,'
                              'FORCED=NO,LANGUAGE="en",URI="sub/sub.m3u8"', text)
                streams_said = re.findall(
                    r'BANDWIDTH=(\d+),AVERAGE-BANDWIDTH=(\d+),CODECS="(avc1[.][0-9a-f]{6}),mp4a.40.2",'
                    r'RESOLUTION=(\d+x\d+),FRAME-RATE=25.000,AUDIO="audio",SUBTITLES="subtitle"', text)
                self.assertEqual([s[3] for s in streams_said], ["160x90", "128x72"])
                for peak, average, _, _ in streams_said:
                    self.assertGreaterEqual(int(peak), int(average))
                    self.assertGreater(int(average), 64000)
                self.all_there(at + "master.m3u8")
                self.assertEqual(complaints(at + "master.m3u8"), "")
                self.assertEqual(key_times(at + "big/big.m3u8"), key_times(at + "small/small.m3u8"))
                for name, length in (("big/big", 2), ("zh/zh", 2), ("en/en", 2)):  # en.m4a lasts 3 s
                    found = float(probe(f"{at}{name}.m3u8")["format"]["duration"])
                    self.assertAlmostEqual(found, length, delta=0.1)
                begins = {n: float(probe(f"{at}{n}.m3u8")["streams"][0]["start_time"])
                          for n in ("big/big", "zh/zh", "en/en")}
                self.assertLess(max(begins.values()) - min(begins.values()), 0.03)

    def test_captions_beside_a_playlist_are_webvtt(self):
        self.grouped("Hls", [rendition("c/v.m3u8", "m3u8", audios=[], Subtitles=[
            {"InputRef": "s", "Language": "en"}])], "c/m.m3u8")
        text = read("c/v-s0.vtt").decode()
        self.assertEqual(text, "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:126000,LOCAL:00:00:00.000\n\n"
                               "00:00:00.200 --> 00:00:00.900\nHello <i>there</i>\n\n"
                               "00:00:01.000 --> 00:00:01.500\nTwo\nlines\n")
        self.assertIn('NAME="eng",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,LANGUAGE="en",URI="v-s0.m3u8"',
                      read("c/m.m3u8").decode())
        self.all_there("c/m.m3u8")

    def test_captions_of_a_group_are_named_and_forced_ones_say_so(self):
        ffmpeg("-i", "v.mp4", "-i", "s.srt", "-i", "s.srt", "-map", "0", "-map", "1", "-map", "2", "-c", "copy",
               "-metadata:s:s:0", "language=deu", "-disposition:s:1", "forced", "film.mkv")
        for name, files in (("n/{streamindex}.{autoext}", ["0.m3u8", "1.m3u8"]),
                            ("n/c{streamindex}.vtt", ["c0.m3u8", "c1.m3u8"])):
            video = rendition("n/v.m3u8", "m3u8", audios=[], TransConfig={"KeepCaptions": True})
            video["CaptionNames"] = {"One": name, "Many": name}
            self.grouped("Hls", [video], "n/m.m3u8", inputs=[{"Name": "v", "Uri": "film.mkv"}])
            lines = re.findall(r'TYPE=SUBTITLES.*NAME="(.*?)".*FORCED=(\w+).*URI="(.*)"', read("n/m.m3u8").decode())
            self.assertEqual(lines, [("deu", "NO", files[0]), ("und", "YES", files[1])])
            self.assertIn(b"Hello <i>there</i>", read("n/" + files[1].replace("m3u8", "vtt")))
            self.all_there("n/m.m3u8")

    def test_captions_beside_a_film_come_later_or_earlier(self):
        for offset, times in ((0.25, ["00:00:00.450 --> 00:00:01.150", "00:00:01.250 --> 00:00:01.750"]),
                              (-0.5, ["00:00:00.000 --> 00:00:00.400", "00:00:00.500 --> 00:00:01.000"])):
            own = {"InputRef": "s", "TimeOffset": offset}
            self.done([rendition("o.m3u8", "m3u8", audios=[], Subtitles=[own]),
                       output("o.mkv", "mkv", audios=[], Subtitles=[own])],
                      INPUTS)
            self.assertEqual(re.findall(r".* --> .*", read("o-s0.vtt").decode()), times)
            ffmpeg("-i", "o.mkv", "-map", "0:s", "o.srt")
            self.assertEqual(re.findall(r".* --> .*", read("o.srt").decode()), [t.replace(".", ",") for t in times])

    def test_captions_are_clipped_with_the_film(self):
        self.done([rendition("k.m3u8", "hls-fmp4", audios=[], Subtitles=[{"InputRef": "s"}],
                             Features={"Clip": {"TimeSpan": {"Seek": "0.5", "Duration": "0.7"}}})], INPUTS)
        self.assertEqual(re.findall(r".* --> .*", read("k-s0.vtt").decode()),
                         ["00:00:00.000 --> 00:00:00.400", "00:00:00.500 --> 00:00:00.700"])

    def test_a_dash_group_lists_every_track(self):
        audios = [{"InputRef": "v"}, {"InputRef": "en", "Language": "eng", "LanguageControl": "Configured"}]
        self.grouped("Dash", [
            rendition("d/big/big.mpd", "mpd", audio=None, audios=[]),
            rendition("d/small/small.mpd", "mpd", audio=None, audios=[], Video={"Width": 128}),
            rendition("d/sound/sound.mpd", "mpd", video=None, audio=None, audios=audios)], "d/all.mpd")
        root = ET.parse("d/all.mpd").getroot()
        self.assertRegex(root.get("mediaPresentationDuration"), r"PT2[.]0\d\dS")
        sets = root.findall(f".//{MPD}AdaptationSet")
        self.assertEqual([(s.get("contentType"), s.get("lang"), len(s.findall(MPD + "Representation")))
                          for s in sets], [("video", None, 2), ("audio", "zh", 1), ("audio", "en", 1)])
        for element in root.iter():
            name = element.get("media") or element.get("sourceURL")
            self.assertTrue(not name or os.path.getsize("d/" + name), name)
        where = os.getcwd()
        os.chdir("d")  # FFmpeg 5.1 resolves a manifest's folder twice
        try:
            self.assertEqual(complaints("all.mpd"), "")
            self.assertEqual(sorted(s["codec_type"] for s in probe("all.mpd")["streams"]),
                             ["audio", "audio", "video", "video"])
            self.assertAlmostEqual(float(probe("all.mpd")["format"]["duration"]), 2, delta=0.1)
        finally:
            os.chdir(where)

    def test_cmaf_segments_serve_both_manifests(self):
        self.done([rendition("f/x.m3u8", "cmaf")])
        self.assertEqual(complaints("f/x.m3u8"), "")
        self.all_there("f/x.m3u8")
        listed = {os.path.basename(n) for p in ("f/x-t0.m3u8", "f/x-t1.m3u8") for n in references(p)}
        said = {e.get("media") or e.get("sourceURL") for e in ET.parse("f/x.mpd").getroot().iter()}
        self.assertEqual(listed, said - {None})

    def test_an_existing_playlist_is_extended(self):
        self.grouped("Hls", [
            rendition("old/v.m3u8", "m3u8", {"Type": "video"}, audio=None),
            rendition("old/en.m3u8", "m3u8", {"Type": "audio", "Name": "English", "Language": "en"}, video=None),
            rendition("old/fr.m3u8", "m3u8", {"Type": "audio", "Name": "French", "Language": "fr"}, video=None),
        ], "old/m.m3u8")
        self.grouped("Hls", [rendition("old/ja.m3u8", "m3u8", {"Type": "audio", "Name": "Japanese", "Language": "ja"},
                                       video=None, audios=[{"InputRef": "v"}])], "old/new.m3u8",
                     {"ManifestExtend": {"InputRef": "m", "Excludes": [{"Type": "Audio", "Language": "fr"}]}},
                     INPUTS + [{"Name": "m", "Uri": "old/m.m3u8"}])
        self.assertEqual(re.findall(r'NAME="(\w+)"', read("old/new.m3u8").decode()), ["English", "Japanese"])
        self.all_there("old/new.m3u8")
        self.assertEqual(complaints("old/new.m3u8"), "")

    def test_sound_is_cut_on_the_same_grid_as_pictures(self):
        ffmpeg("-f", "lavfi", "-i", "sine=440:d=20", "-c:a", "aac", "long.m4a")
        self.done([rendition("g.m3u8", "m3u8", video=None)], ["long.m4a"])
        at, off = 0, []
        for n, length in enumerate(re.findall(r"#EXTINF:([\d.]+)", read("g.m3u8").decode()), 1):
            at += float(length)
            off.append(abs(at - n))
        self.assertEqual(len(off), 20)
        self.assertLess(max(off), 0.03)

    def test_a_playlist_is_read_with_all_its_renditions(self):
        self.grouped("Hls", [
            rendition("in/v.m3u8", "m3u8", {"Type": "video"}, audio=None),
            rendition("in/en.m3u8", "m3u8", {"Type": "audio", "Name": "English", "Language": "en"}, video=None,
                      audios=[{"InputRef": "en"}])], "in/m.m3u8")
        self.done([output("back.mp4", audio=None, audios=[{"InputRef": "p", "LanguageControl": "InputFirst"}])],
                  [{"Name": "p", "Uri": "in/m.m3u8"}])
        self.assertEqual(complaints("back.mp4"), "")
        self.assertAlmostEqual(float(probe("back.mp4")["format"]["duration"]), 2, delta=0.1)
        self.assertEqual(streams("back.mp4", "audio")[0]["tags"]["language"], "eng")

    def test_a_playlist_names_nothing_outside_its_folder(self):
        os.makedirs("p", exist_ok=True)
        sh("cp", "v.mp4", "secret.ts")
        for name in ("../secret.ts", os.path.abspath("secret.ts"),
                     "file://" + os.path.abspath("secret.ts")):
            write("p/x.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{name}\n#EXT-X-ENDLIST\n".encode())
            self.refused("may name only what lies beside it", [output("x.mp4")], ["p/x.m3u8"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
