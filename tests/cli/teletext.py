"""Teletext captions in an MPEG transport stream, made by hand: what a broadcaster's inserter sends.

    film = Teletext([("eng", 2, 0x888), ("deu", 5, 0x889)])
    film.page(1.0, 0x888, {22: boxed("Hello")})
    film.page(3.0, 0x888, {})
    film.write("film.ts")
"""
import struct

PID_PMT, PID_TEXT = 0x100, 0x101
FIRST_S = 10  # what the clock says when the stream begins


def hamming_8_4(value):
    d = [value >> i & 1 for i in range(4)]
    p1, p2, p3 = 1 ^ d[0] ^ d[2] ^ d[3], 1 ^ d[0] ^ d[1] ^ d[3], 1 ^ d[0] ^ d[1] ^ d[2]
    p4 = 1 ^ p1 ^ d[0] ^ p2 ^ d[1] ^ p3 ^ d[2] ^ d[3]
    return sum(bit << i for i, bit in enumerate((p1, d[0], p2, d[1], p3, d[2], p4, d[3])))


def hamming_24_18(value):
    places = [i for i in range(1, 24) if i & (i - 1)]
    word = sum((value >> n & 1) << (place - 1) for n, place in enumerate(places))
    for parity in (1, 2, 4, 8, 16):
        ones = sum(word >> (i - 1) & 1 for i in range(1, 24) if i & parity)
        word |= (1 ^ ones & 1) << (parity - 1)
    word |= (1 ^ bin(word).count("1") & 1) << 23
    return struct.pack("<I", word)[:3]


def triplet(address, mode, data):
    return hamming_24_18(address | mode << 6 | data << 11)


def odd(code):
    return code | (0x80 if bin(code & 0x7F).count("1") % 2 == 0 else 0)


def boxed(text, before=b""):
    """40 codes: `text` (a string of codes below 0x80, or bytes) in a box."""
    codes = text.encode("ascii") if isinstance(text, str) else text
    return (before + b"\x0b\x0b" + codes + b"\x0a\x0a").ljust(40)[:40]


def line(page, row, payload):
    magazine = page >> 8 & 7
    return bytes([hamming_8_4(magazine | (row & 1) << 3), hamming_8_4(row >> 1)]) + payload


def header(page, national=0, erases=True, subtitle=True, serial=False, inhibited=False):
    nibbles = [page & 15, page >> 4 & 15, 0, 8 if erases else 0, 0, 8 if subtitle else 0, 8 if inhibited else 0,
               (1 if serial else 0) | (national >> 2 & 1) << 1 | (national >> 1 & 1) << 2 | (national & 1) << 3]
    return line(page, 0, bytes(map(hamming_8_4, nibbles)) + bytes(odd(0x20) for _ in range(32)))


def extras(page, triplets, designation=0):
    """Row 26: what triplet() made, at most 13."""
    filled = triplets + [triplet(63, 0x1F, 0)] * (13 - len(triplets))
    return line(page, 26, bytes([hamming_8_4(designation)]) + b"".join(filled))


def alphabet(page, designation, row=28):
    """Row 28 (of a page) or 29 (of its magazine): the set of letters."""
    first = hamming_24_18(designation << 7 | 15 << 14)
    return line(page, row, bytes([hamming_8_4(0)]) + first + hamming_24_18(7) + hamming_24_18(0) * 11)


def payload(lines):
    """Lines as a PES packet's payload."""
    def unit(one):
        return b"\x03\x2c\xe7\xe4" + bytes(int(f"{byte:08b}"[::-1], 2) for byte in one)
    return b"\x10" + b"".join(map(unit, lines))


def page_lines(page, rows, more=(), **how):
    text = [line(page, row, bytes(map(odd, codes))) for row, codes in sorted(rows.items())]
    ends = header(page | 0xFF, subtitle=False)
    return [header(page, **how), *more, *text, ends]


def crc_32(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return struct.pack(">I", crc)


class Teletext:
    """`pages`: (language, kind, page) as the descriptor has them; kind 2 subtitles, 5 for the deaf."""

    def __init__(self, pages):
        self.pages, self.packets, self.counters = pages, [], {}

    def lines(self, at_s, lines):
        self.packets.append((at_s, payload(lines)))

    def page(self, at_s, page, rows, more=(), **how):
        self.lines(at_s, page_lines(page, rows, more, **how))

    def ts(self, pid, data, starts, clock=None):
        counter = self.counters[pid] = (self.counters.get(pid, -1) + 1) & 15
        field = b"" if clock is None else struct.pack(">BIH", 0x10, clock >> 1, (clock & 1) << 15 | 0x7E00)
        room = 184 - (len(field) + 1 if field else 0)
        part, rest = data[:room], data[room:]
        if field or len(part) < room:
            fill = 184 - len(part) - 1
            field = (field or (b"\x00" if fill else b"")).ljust(fill, b"\xff")
            field = bytes([len(field)]) + field
        head = struct.pack(">BHB", 0x47, starts << 14 | pid, (0x30 if field else 0x10) | counter)
        return head + field + part, rest

    def table(self, pid, body):
        section = body + crc_32(body)
        return self.ts(pid, (b"\0" + section).ljust(184, b"\xff"), True)[0]

    def tables(self):
        entries = b"".join(language.encode() + bytes([kind << 3 | page >> 8 & 7, page & 255])
                           for language, kind, page in self.pages)
        descriptor = b"\x56" + bytes([len(entries)]) + entries
        stream = struct.pack(">BHH", 6, 0xE000 | PID_TEXT, 0xF000 | len(descriptor)) + descriptor
        program = struct.pack(">HBBBHH", 1, 0xC1, 0, 0, 0xE000 | PID_TEXT, 0xF000) + stream
        pat = struct.pack(">HBBBHH", 1, 0xC1, 0, 0, 1, 0xE000 | PID_PMT)
        return (self.table(0, b"\x00" + struct.pack(">H", 0xB000 | len(pat) + 4) + pat) +
                self.table(PID_PMT, b"\x02" + struct.pack(">H", 0xB000 | len(program) + 4) + program))

    def write(self, path):
        with open(path, "wb") as file:
            file.write(self.tables())
            for at_s, data in self.packets:
                clock = round((FIRST_S + at_s) * 90000)
                stamp = struct.pack(">BHH", 0x21 | clock >> 29 & 14, (clock >> 14 & 0xFFFE) | 1, (clock << 1 & 0xFFFE) | 1)
                rest = b"\0\0\1\xbd" + struct.pack(">HBBB", len(data) + 8, 0x84, 0x80, 5) + stamp + data
                starts = True
                while rest:
                    packet, rest = self.ts(PID_TEXT, rest, starts, clock if starts else None)
                    file.write(packet)
                    starts = False
            file.write(self.tables())
