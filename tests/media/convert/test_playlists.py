#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Films that are playlists: in a folder and in a bucket, in parts of one file, encrypted."""
import os
import re
import unittest

from support import ConvertCase, complaints, ffmpeg, output, psnr, read, streams, write

KEY = bytes(range(16))


class Playlists(ConvertCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.makedirs("films")
        write("films/film.key", KEY)
        write("films/short.key", KEY[:7])
        how = ("-c", "copy", "-hls_time", "1", "-hls_list_size", "0")
        ffmpeg("-i", "v.mp4", *how, "films/plain.m3u8")
        ffmpeg("-i", "v.mp4", *how, "-hls_flags", "single_file", "films/parts.m3u8")
        ffmpeg("-i", "v.mp4", *how, "-hls_segment_type", "fmp4", "-hls_flags", "single_file", "films/fragments.m3u8")
        for name, key in (("sealed", "film.key"), ("short", "short.key")):
            write("key-info", f"{key}\nfilms/film.key\n".encode())
            ffmpeg("-i", "v.mp4", *how, "-hls_key_info_file", "key-info", f"films/{name}.m3u8")
        # Each part of one file is a chain of its own (RFC 8216, 4.3.2.4).
        text, file, at = read("films/sealed.m3u8").decode(), b"", 0
        for name in re.findall(r"^sealed.*[.]ts$", text, re.M):
            part = read("films/" + name)
            text = text.replace(name, f"#EXT-X-BYTERANGE:{len(part)}@{len(file)}\nsealed-parts.ts")
            file += part
        write("films/sealed-parts.ts", file)
        write("films/sealed-parts.m3u8", text.replace("#EXT-X-VERSION:3", "#EXT-X-VERSION:4").encode())

    def same_film(self, uri):
        self.done([output("c.mp4", ForceTranscode=True)], [uri])
        self.assertEqual(complaints("c.mp4"), "")
        for kind in ("video", "audio"):
            self.assertAlmostEqual(float(streams("c.mp4", kind)[0]["duration"]), 2, delta=0.06)
        self.assertGreater(psnr("v.mp4", "c.mp4", "160x90"), 30)

    def test_every_form_in_a_folder_and_in_a_bucket(self):
        for place in ("", "oss://"):
            for name in ("plain", "parts", "fragments", "sealed", "sealed-parts"):
                with self.subTest(place + name):
                    self.same_film(f"{place}films/{name}.m3u8")

    def test_a_key_that_is_missing_or_cut_short_is_named(self):
        write("films/lost.m3u8", read("films/sealed.m3u8").replace(b"film.key", b"lost.key"))
        for place in ("", "oss://"):
            self.refused(r"films/lost[.]key", [output("x.mp4")], [place + "films/lost.m3u8"])

    def test_a_key_outside_the_playlists_folder_is_refused(self):
        write("films/far.m3u8", read("films/sealed.m3u8").replace(b"film.key", b"../../film.key"))
        self.refused(r"may name only what lies beside it", [output("x.mp4")], ["films/far.m3u8"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
