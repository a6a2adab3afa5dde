"""kinora captions on films: every text stream into a file of its own, by the reader and by the worker."""
import os
import unittest

import support
from media import ffmpeg, film
from teletext import Teletext, boxed, header, line


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


FIRST = "1\n00:00:00,100 --> 00:00:00,600\nGood <i>morning</i>\n\n2\n00:00:01,000 --> 00:00:01,500\nBye\n"
SECOND = "1\n00:00:00,200 --> 00:00:00,700\nBonjour\n"


class FilmCaptions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        film("plain.mp4", 2)
        write("first.srt", FIRST)
        write("second.srt", SECOND)
        inputs = ["-i", "plain.mp4", "-i", "first.srt", "-i", "second.srt", "-map", "0:v", "-map", "1", "-map", "2",
                  "-c", "copy", "-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=fre",
                  "-metadata:s:s:1", "title=Sous-titres", "-disposition:s:1", "forced"]
        ffmpeg(*inputs, "-c:s", "srt", "film.mkv")
        ffmpeg(*inputs, "-c:s", "mov_text", "film.mp4")
        ffmpeg(*inputs, "-c:s", "mov_text", "-movflags", "frag_keyframe+empty_moov", "fragments.mp4")

    def ok(self, *args):
        done = support.run("captions", *args)
        self.assertEqual(done.status, 0, done.err)
        return done

    def refused(self, *args, words):
        done = support.run("captions", *args)
        self.assertEqual(done.status, 1, done.err)
        self.assertTrue(done.err.startswith("kinora: "), done.err)
        for word in words:
            self.assertIn(word, done.err)

    def test_every_stream_of_every_container_comes_out_as_it_went_in(self):
        for name in ("film.mkv", "film.mp4", "fragments.mp4"):
            done = self.ok(name, "--line-end", "lf", "--overwrite", "-o", "out.{streamindex}.{autoext}")
            self.assertEqual(done.out.split(), ["out.0.srt", "out.1.srt"])
            self.assertEqual(read("out.0.srt").strip(), FIRST.strip(), name)
            self.assertEqual(read("out.1.srt").strip(), SECOND.strip(), name)

    def test_streams_are_listed_with_what_the_film_says_of_them(self):
        rows = self.ok("film.mkv", "--list", "--json").json["Files"]
        self.assertEqual([r["Language"] for r in rows], ["eng", "fre"])
        self.assertEqual([r["Forced"] for r in rows], [False, True])
        self.assertEqual(rows[1]["Title"], "Sous-titres")
        self.assertEqual([(r["StreamIndex"], r["ContainerIndex"]) for r in rows], [(0, 1), (1, 2)])

    def test_one_stream_or_the_forced_ones_need_no_number_in_the_name(self):
        self.ok("film.mkv", "--stream", "0", "-o", "one.vtt")
        self.assertIn("Good <i>morning</i>", read("one.vtt"))
        self.ok("film.mkv", "--forced-only", "-o", "forced.srt")
        self.assertIn("Bonjour", read("forced.srt"))

    def test_two_streams_never_go_to_one_name(self):
        self.refused("film.mkv", "-o", "both.srt", words=["2 caption streams", "{streamindex}"])
        self.assertFalse(os.path.exists("both.srt"))

    def test_a_stream_that_is_not_there_is_said(self):
        self.refused("film.mkv", "--stream", "2", "-o", "none.srt", words=["there is no 2"])
        self.refused("plain.mp4", "-o", "none.srt", words=["has no captions"])
        self.assertFalse(os.path.exists("none.srt"))

    def test_a_container_of_libavformats_is_read_by_the_worker(self):
        ffmpeg("-i", "plain.mp4", "-i", "first.srt", "-map", "0", "-map", "1", "-c", "copy", "-c:s", "ass", "film.nut")
        write("beside.srt", SECOND)
        self.refused("plain.mp4", "film.nut", "-o", "x{name}.srt", words=[])
        self.ok("beside.srt", "film.mkv", "--stream", "0", "--overwrite", "-o", "y{name}.srt")
        self.assertIn("Bonjour", read("ybeside.srt"))

    def test_each_page_of_a_teletext_stream_is_a_caption_stream(self):
        text = Teletext([("eng", 2, 0x888), ("deu", 5, 0x889)])
        text.page(0.4, 0x888, {20: boxed("Good", b" " * 16), 22: boxed(b"\x03evening", b" " * 14)})
        text.page(0.5, 0x889, {22: boxed("Gr}~e", b" " * 16)}, national=1)
        text.page(1.2, 0x888, {})
        text.page(1.6, 0x889, {})
        text.write("text.ts")
        ffmpeg("-copyts", "-itsoffset", "10", "-i", "plain.mp4", "-i", "text.ts", "-map", "0:v", "-map", "1", "-c",
               "copy", "-muxdelay", "0", "-muxpreload", "0", "film.ts")
        rows = self.ok("film.ts", "--list", "--json").json["Files"]
        self.assertEqual([(r["Language"], r["Page"], r["HearingImpaired"]) for r in rows],
                         [("eng", "888", False), ("deu", "889", True)])
        self.ok("film.ts", "--line-end", "lf", "-o", "text.{streamindex}.srt")
        self.assertEqual(read("text.0.srt").rstrip("\n"), "1\n00:00:00,400 --> 00:00:01,200\nGood\n"
                         '<font color="#ffff00">evening</font>')
        self.assertEqual(read("text.1.srt").rstrip("\n"), "1\n00:00:00,500 --> 00:00:01,600\nGrüße")
        self.ok("film.ts", "--stream", "0", "-o", "text.vtt")
        self.assertIn("<c.yellow>evening</c>", read("text.vtt"))

    def test_recordings_joined_byte_by_byte_are_on_one_clock(self):
        joined = b""
        for word, offset in (("First", "100"), ("Second", "10"), ("Third", "95442")):  # the clock wraps in the last
            text = Teletext([("eng", 2, 0x888)])
            text.page(0.4, 0x888, {22: boxed(word, b" " * 16)})
            text.page(1.2, 0x888, {})
            text.write("text.ts")
            copy = ["-map", "0", "-c", "copy", "-muxdelay", "0", "-muxpreload", "0"]
            ffmpeg("-copyts", "-itsoffset", "10", "-i", "plain.mp4", "-i", "text.ts", *copy, "-map", "1", "part.ts")
            ffmpeg("-i", "part.ts", *copy, "-output_ts_offset", offset, "moved.ts")
            with open("moved.ts", "rb") as f:
                joined += f.read()
        with open("joined.ts", "wb") as f:
            f.write(joined)
        self.ok("joined.ts", "--line-end", "lf", "-o", "joined.srt")
        lines = read("joined.srt").split("\n")
        self.assertEqual(lines[2::4][:3], ["First", "Second", "Third"])
        # Each recording lasts two seconds; sound begins 23 ms before the pictures.
        self.assertEqual([line[:10] for line in lines[1::4][:3]], ["00:00:00,4", "00:00:02,4", "00:00:04,4"])

    def broadcast(self, path, seconds, pages, first_pid="0x100"):
        """A transport stream of pictures and sound with one page of teletext: [(from, to, text)]."""
        ffmpeg("-f", "lavfi", "-i", f"color=s=64x36:r=5:d={seconds}", "-f", "lavfi", "-i", f"sine=440:duration={seconds}",
               "-c:v", "mpeg2video", "-c:a", "mp2", "-b:a", "32k", "-muxdelay", "0", "-muxpreload", "0", "plain.ts")
        text = Teletext([("eng", 2, 0x888)])
        for start, end, words in pages:
            text.page(start, 0x888, {22: boxed(words, b" " * 16)})
            text.page(end, 0x888, {})
        text.write("text.ts")
        ffmpeg("-copyts", "-itsoffset", "10", "-i", "plain.ts", "-i", "text.ts", "-map", "0", *(["-map", "1"] if pages else []),
               "-c", "copy", "-muxdelay", "0", "-muxpreload", "0", "-mpegts_start_pid", first_pid, path)
        with open(path, "rb") as f:
            return f.read()

    def test_a_clock_that_wraps_and_a_page_that_blinks_change_nothing(self):
        # 33 bits of 90 kHz end 3.7 s after the beginning.
        self.broadcast("part.ts", 6, [(0.2, 0.7, "Blinks"), (0.74, 1.2, "Blinks"), (2.2, 2.7, "Before"), (5, 5.5, "After")])
        ffmpeg("-i", "part.ts", "-map", "0", "-c", "copy", "-output_ts_offset", "95440", "-muxdelay", "0", "-muxpreload", "0",
               "wraps.ts")
        for name in ("part.ts", "wraps.ts"):
            self.ok(name, "--line-end", "lf", "--overwrite", "-o", "wraps.srt")
            lines = read("wraps.srt").split("\n")
            self.assertEqual(lines[2::4][:3], ["Blinks", "Before", "After"], name)
            at = [int(time[6:8]) + int(time[9:12]) / 1000 for time in lines[1::4][:3] + [lines[1][17:]]]
            for time, wanted in zip(at, (0, 2, 4.8, 1)):
                self.assertAlmostEqual(time - at[0], wanted, delta=0.01)

    def test_streams_that_begin_later_are_read_too(self):
        # Half a minute on, another stream; behind it nothing of it is left to be found.
        early = self.broadcast("early.ts", 35, [(0.4, 1.2, "Early")])
        plain = self.broadcast("without.ts", 35, [])
        with open("joined.ts", "wb") as f:
            f.write(early + self.broadcast("late.ts", 2, [(0.4, 1.2, "Late")], "0x300") + plain * 4)
        self.ok("joined.ts", "--line-end", "lf", "-o", "late.{streamindex}.srt")
        self.assertEqual(read("late.0.srt").split("\n")[2], "Early")
        times, text = read("late.1.srt").split("\n")[1:3]
        self.assertEqual((times[:8], text), ("00:00:35", "Late"))
        rows = self.ok("joined.ts", "--list", "--json").json["Files"]
        self.assertEqual([(r["StreamIndex"], r["Page"]) for r in rows], [(0, "888"), (1, "888")])
        self.refused("joined.ts", "-o", "one.srt", words=["has 2 caption streams", "no {streamindex}"])
        # The first that there is begins late, too; nothing more may be met in a film that was looked through.
        with open("after.ts", "wb") as f:
            f.write(plain * 2 + self.broadcast("late.ts", 2, [(0.4, 1.2, "Late")], "0x300") + plain)
        row, = self.ok("after.ts", "--list", "--json").json["Files"]
        self.assertNotIn("MayHaveMore", row)
        self.ok("after.ts", "--line-end", "lf", "-o", "after.srt")
        times, text = read("after.srt").split("\n")[1:3]
        self.assertEqual((times[:8], text), ("00:01:10", "Late"))

    def test_a_stream_that_the_tables_announce_is_there_however_late_it_begins(self):
        self.broadcast("announced.ts", 50, [(45, 46, "At last")])
        row, = self.ok("announced.ts", "--list", "--json").json["Files"]
        self.assertEqual((row["Language"], row["Page"]), ("eng", "888"))
        self.ok("announced.ts", "--line-end", "lf", "-o", "announced.srt")
        self.assertEqual(read("announced.srt").split("\n")[2], "At last")

    def test_a_long_broadcast_is_looked_at_in_places(self):
        # Longer than what is looked through: one stream lies where it is looked, one between two such places.
        plain = self.broadcast("without.ts", 35, [])
        met = self.broadcast("met.ts", 2, [(0.4, 1.2, "Met")], "0x300")
        unmet = self.broadcast("unmet.ts", 2, [(0.4, 1.2, "Unmet")], "0x400")
        length = (38 << 20) // len(plain) + 1
        body = plain * length
        step = len(body) // 16
        a, b = ((at + 100_000) // 188 * 188 for at in (step * 8 - step // 8, step * 9 + step // 2))
        for name, parts in (("long.ts", [body[:a], met, body[a:b], unmet, body[b:]]),
                            ("missed.ts", [body[:b], unmet, body[b:]])):
            with open(name, "wb") as f:
                f.writelines(parts)
        done = self.ok("long.ts", "--list")
        self.assertIn("long.ts: not all of it was looked at", done.err)
        row, = self.ok("long.ts", "--list", "--json").json["Files"]
        self.assertEqual((row["StreamIndex"], row["MayHaveMore"]), (0, True))
        self.refused("long.ts", "-o", "one.srt", words=["caption stream 1", "begins while the film goes on"])
        self.ok("long.ts", "--line-end", "lf", "-o", "long.{streamindex}.srt")
        self.assertEqual([read(f"long.{i}.srt").split("\n")[2] for i in (0, 1)], ["Met", "Unmet"])
        self.refused("missed.ts", "-o", "missed.srt", words=["no captions in the beginning and in the places further on"])
        self.ok("missed.ts", "--look-everywhere", "--line-end", "lf", "-o", "missed.srt")
        self.assertEqual(read("missed.srt").split("\n")[2], "Unmet")
        self.assertEqual(len(self.ok("long.ts", "--look-everywhere", "--list", "--json").json["Files"]), 2)

    def test_streams_of_a_disc_are_known_by_their_first_picture(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x36:r=25:d=40", "-c:v", "mpeg2video", "-b:v", "400k", "disc.vob")
        with open("disc.vob", "rb") as f:
            disc = f.read()
        at = disc.index(b"\0\0\1\xba", len(disc) - 2048 * 20)
        spu = bytes.fromhex("0018 0006 0000" "0000 0006 0302 1004 00ff 0100 0003 00ff ff")
        body = bytes.fromhex("81 80 05 21 00 51 f7 01") + b"\x20" + spu
        with open("disc.vob", "wb") as f:
            f.write(disc[:at] + b"\0\0\1\xbd" + len(body).to_bytes(2, "big") + body + disc[at:])
        rows = self.ok("disc.vob", "--list", "--json").json["Files"]
        self.assertEqual([r["CodecName"] for r in rows], ["dvd_subtitle"])

    def test_a_damaged_broadcast_loses_what_was_damaged(self):
        pages = [(n + 0.2, n + 0.7, f"Caption {n}") for n in range(10)]
        whole = self.broadcast("broadcast.ts", 10, pages)
        middle = len(whole) // 2
        broken = {
            "zeros": whole[:middle] + bytes(4000) + whole[middle + 4000:],
            "noise": whole[:middle] + bytes(n * 37 & 255 for n in range(4000)) + whole[middle + 4000:],
            "lost": whole[:middle] + whole[middle + 3333:], # packets no longer lie 188 bytes apart
            "cut off": whole[:middle + 100],
            "cut in front": whole[middle + 100:],
        }
        for name, content in broken.items():
            with open("broken.ts", "wb") as f:
                f.write(content)
            done = self.ok("broken.ts", "--line-end", "lf", "--overwrite", "-o", "broken.srt")
            if not name.startswith("cut"):
                self.assertIn("the film is damaged at ", done.err, name)
            said = [line for line in read("broken.srt").split("\n") if line.startswith("Caption")]
            first, last = 0 if name != "cut in front" else 6, 9 if name != "cut off" else 3
            for n in range(first, last + 1):
                self.assertEqual(said.count(f"Caption {n}"), 1 if n not in (4, 5) else said.count(f"Caption {n}"), (name, said))
            self.assertEqual(said, sorted(said), name)

    def test_teletext_pages_that_nobody_declared_are_looked_for(self):
        text = Teletext([("fre", 1, 0x100)])
        text.lines(0.2, [header(0x100, subtitle=False), line(0x100, 1, bytes(40))])
        text.page(1, 0x888, {22: boxed("Bonsoir", b" " * 16)})
        text.page(2, 0x888, {})
        text.page(2.5, 0x889, {22: boxed("Good evening", b" " * 12)})
        text.write("undeclared.ts")
        rows = self.ok("undeclared.ts", "--list", "--json").json["Files"]
        self.assertEqual([r["Page"] for r in rows], ["888", "889"])
        self.ok("undeclared.ts", "--line-end", "lf", "-o", "undeclared.{streamindex}.srt")
        self.assertEqual(read("undeclared.0.srt").rstrip("\n"), "1\n00:00:00,800 --> 00:00:01,800\nBonsoir")

    def test_webvtt_of_a_playlist_is_on_the_films_clock(self):
        # The film begins at 10 s of its clock; the second segment's map is 26 hours (2^33) round.
        ffmpeg("-i", "plain.mp4", "-an", "-c:v", "copy", "-output_ts_offset", "10", "-muxdelay", "0", "-muxpreload", "0", "-f", "hls",
               "-hls_list_size", "0", "video.m3u8")
        write("s0.vtt", "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n00:00.500 --> 00:01.000 line:0\nOne\n\n"
              "00:01.000 --> 00:01.500\nCut\n")
        write("s1.vtt", "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:01:00:00.000,MPEGTS:8590879592\n\n01:00:00.500 --> 01:00:01.000\nCut\n\n"
              "01:00:01.000 --> 01:00:02.000\nTwo\n")
        write("text.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\ns0.vtt\n#EXTINF:1,\ns1.vtt\n#EXTINF:1,\nnone.vtt\n"
              "#EXT-X-ENDLIST\n")
        write("master.m3u8", '#EXTM3U\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="t",NAME="English, all",LANGUAGE="en",FORCED=YES,'
              'URI="text.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=100000,SUBTITLES="t"\nvideo.m3u8\n')
        row = self.ok("master.m3u8", "--list", "--json").json["Files"][0]
        self.assertEqual((row["Language"], row["Title"], row["Forced"]), ("en", "English, all", True))
        for name in ("master.m3u8", "text.m3u8"):
            done = self.ok(name, "--overwrite", "-o", "hls.vtt")
            self.assertIn("segment 2 is left out", done.err)
            text = read("hls.vtt")
            self.assertIn("00:00:00.500 --> 00:00:01.000 line:0\nOne", text, name)
            self.assertIn("00:00:01.000 --> 00:00:01.500\nCut\n\n00:00:01.500 --> 00:00:02.500\nTwo", text, name)
        write("outside.m3u8", "#EXTM3U\n#EXTINF:1,\n../secret.vtt\n#EXT-X-ENDLIST\n")
        self.refused("outside.m3u8", "-o", "outside.vtt", words=["none of its 1 segments", "may name only what lies beside it"])

    def sealed(self, name, text, key, iv):
        """A file as EXT-X-KEY METHOD=AES-128 has it; key and iv in hexadecimal digits."""
        write(name, text)
        ffmpeg("-f", "data", "-i", name, "-map", "0", "-c", "copy", "-f", "data", "-encryption_key", key, "-encryption_iv", iv,
               "crypto:" + name)

    def test_encrypted_webvtt_of_a_playlist_is_read(self):
        first, second, iv = "000102030405060708090a0b0c0d0e0f", "f" * 32, "10" * 16
        for name, key in (("first.key", first), ("second.key", second)):
            with open(name, "wb") as f:
                f.write(bytes.fromhex(key))
        text = "WEBVTT\n\n00:00:0{0}.000 --> 00:00:0{0}.500\nPart {0}\n"
        write("e0.vtt", text.format(0))
        # The number of the segment is the IV where the playlist names none.
        self.sealed("e1.vtt", text.format(1), first, f"{41:032x}")
        self.sealed("e2.vtt", text.format(2), first, f"{42:032x}")
        self.sealed("e3.vtt", text.format(3), second, iv)
        self.sealed("e4.vtt", text.format(4), second, f"{4:032x}")
        with open("e3.vtt", "rb") as a, open("e4.vtt", "rb") as b:
            parts = a.read(), b.read()
        with open("e34.vtt", "wb") as f:
            f.write(b"".join(parts))
        head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:40\n"
        body = ("#EXTINF:1,\ne0.vtt\n#EXT-X-KEY:METHOD=AES-128,URI=\"first.key\"\n#EXTINF:1,\ne1.vtt\n#EXTINF:1,\ne2.vtt\n"
                f"#EXT-X-KEY:METHOD=AES-128,URI=\"second.key\",IV=0x{iv},KEYFORMAT=\"identity\"\n"
                "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n"
                f"#EXT-X-BYTERANGE:{len(parts[0])}@0\n#EXTINF:1,\ne34.vtt\n"
                f"#EXT-X-KEY:METHOD=AES-128,URI=\"second.key\",IV=0X4\n#EXT-X-BYTERANGE:{len(parts[1])}\n#EXTINF:1,\ne34.vtt\n"
                "#EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\ne5.vtt\n#EXT-X-ENDLIST\n")
        write("e5.vtt", text.format(5))
        write("sealed.m3u8", head + body)
        done = self.ok("sealed.m3u8", "-o", "sealed.vtt")
        self.assertEqual(done.err, "")
        for n in range(6):
            self.assertIn(f"00:00:0{n}.000 --> 00:00:0{n}.500\nPart {n}\n", read("sealed.vtt"))
        # A wrong key, one that is none, and one that is not there: what is in the clear is read.
        write("short.key", "short")
        for key, words in (("second.key", "its key or IV is another"), ("short.key", "has 5 bytes, not 16"),
                           ("none.key", "its key cannot be had")):
            write("other.m3u8", head + body.replace("first.key", key))
            done = self.ok("other.m3u8", "--overwrite", "-o", "other.vtt")
            self.assertIn("segment 1 is left out", done.err)
            self.assertIn(words, done.err)
            self.assertEqual(read("other.vtt").count("-->"), 4)

    def test_renditions_whose_keys_nobody_gives_away_fail_alone(self):
        for name, line in (("sample", 'METHOD=SAMPLE-AES,URI="first.key"'),
                           ("drm", 'METHOD=AES-128,URI="skd://x",KEYFORMAT="com.widevine"')):
            write(name + ".m3u8", f"#EXTM3U\n#EXT-X-KEY:{line}\n#EXTINF:1,\nplain.vtt\n#EXT-X-ENDLIST\n")
        write("plain.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nOpen\n")
        write("open.m3u8", "#EXTM3U\n#EXTINF:1,\nplain.vtt\n#EXT-X-ENDLIST\n")
        write("all.m3u8", "#EXTM3U\n" + "".join(f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="t",NAME="{n}",URI="{n}.m3u8"\n'
                                              for n in ("sample", "open", "drm")))
        done = support.run("captions", "all.m3u8", "-o", "all.{streamindex}.vtt")
        self.assertEqual(done.status, 1)
        self.assertIn("caption stream 0: none of its 1 segments can be read", done.err)
        self.assertIn("encrypted by 'SAMPLE-AES'", done.err)
        self.assertIn("encrypted by 'AES-128, com.widevine'", done.err)
        self.assertIn("Open", read("all.1.vtt"))
        self.assertFalse(os.path.exists("all.0.vtt"))

    def test_sixty_four_streams_come_out_at_once(self):
        maps = [word for i in range(64) for word in ("-map", "1")]
        for name in ("many.mkv", "many.mp4"):
            ffmpeg("-i", "plain.mp4", "-i", "second.srt", "-map", "0:v", *maps, "-c", "copy", "-c:s",
                   "srt" if name.endswith("mkv") else "mov_text", name)
            self.ok(name, "--line-end", "lf", "--overwrite", "-o", "many.{streamindex}.srt")
            for i in range(64):
                self.assertEqual(read(f"many.{i}.srt").strip(), SECOND.strip(), name)

    def test_damage_anywhere_ends_in_captions_or_a_sentence(self):
        for name in ("film.mkv", "film.mp4", "fragments.mp4"):
            with open(name, "rb") as f:
                whole = bytearray(f.read())
            for nth in range(6):
                broken = bytearray(whole)
                at = len(whole) * (2 * nth + 1) // 12
                broken[at:at + 16] = b"\xff" * 16
                with open("broken" + name, "wb") as f:
                    f.write(broken if nth % 2 else broken[:at])
                done = support.run("captions", "broken" + name, "--overwrite", "-o", "broken.{streamindex}.srt")
                self.assertIn(done.status, (0, 1))
                if done.status:
                    self.assertRegex(done.err, "^kinora: ")

    def test_a_film_cut_off_gives_what_it_has(self):
        with open("film.mkv", "rb") as f:
            whole = f.read()
        with open("cut.mkv", "wb") as f:
            f.write(whole[:whole.index(b"Bye")])
        done = self.ok("cut.mkv", "--stream", "0", "--line-end", "lf", "-o", "cut.srt")
        self.assertIn("the film ends in the middle", done.err)
        self.assertIn("Good <i>morning</i>", read("cut.srt"))
        self.assertNotIn("Bye", read("cut.srt"))


if __name__ == "__main__":
    support.main()
