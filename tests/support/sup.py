# SPDX-License-Identifier: GPL-3.0-or-later
"""sup: films of captions for tests and measurements, as Blu-ray discs have them (PGS, in a .sup file).

FFmpeg, which draws the text with libass, cannot write PGS. A .sup file is a row of segments:

    "PG"  PTS (4)  DTS (4)  type (1)  size (2)  payload          times in 1/90000 s

and a caption is a display set of them: what is shown where (PCS), the window (WDS), the colours (PDS), the
picture in runs (ODS), the end. A display set without a picture takes the caption away.
"""
import operator
import re
import struct
import subprocess

WIDTH, HEIGHT = 1920, 1080
LEVELS = 15  # of brightness, and as many of alpha
PCS, WDS, PDS, ODS, END = 0x16, 0x17, 0x14, 0x15, 0x80
EPOCH_START = 0x80


def rgba(line, style, band):
    """The band of a frame with the text, as the bytes of each channel."""
    script = ("[Script Info]\nScriptType: v4.00+\nPlayResX: %d\nPlayResY: %d\nWrapStyle: 2\n\n[V4+ Styles]\nFormat: Name, Fontname, "
              "Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, "
              "ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, "
              "Encoding\nStyle: Default,%s,%d,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,%d,0,0,100,100,0,0,1,%g,0,2,"
              "40,40,20,1\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
              % (WIDTH, band, style["font"], style["size"], -style.get("italic", 0), style.get("outline", 3)))
    return script + "".join("Dialogue: 0,0:%02d:%02d.00,0:%02d:%02d.00,Default,,0,0,0,,%s\n" %
                            (i // 60, i % 60, (i + 1) // 60, (i + 1) % 60, text.replace("\n", "\\N"))
                            for i, text in enumerate(line))


def draw(texts, style, band, folder):
    """One picture after another: (brightness, alpha), a byte for each pixel."""
    path = f"{folder}/draw.ass"
    with open(path, "w", encoding="utf-8") as file:
        file.write(rgba(texts, style, band))
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"color=black@0:s={WIDTH}x{band}:r=1:d={len(texts)},format=bgra",
         "-vf", f"ass={path}:alpha=1", "-f", "rawvideo", "-pix_fmt", "bgra", "-"], stdout=subprocess.PIPE, check=True).stdout
    size = WIDTH * band * 4
    for i in range(len(texts)):
        picture = raw[i * size:(i + 1) * size]
        yield picture[1::4], picture[3::4]


def indices(bright, alpha):
    """Each pixel's place in the palette: alpha above, brightness below; 0 is clear."""
    high = bytes(round(a * LEVELS / 255) << 4 for a in range(256))
    low = bytes(round(b * LEVELS / 255) for b in range(256))
    return bytes(map(operator.or_, alpha.translate(high), bright.translate(low)))


def palette(colour):
    """PDS entries for text of a colour on black."""
    entries = b""
    for index in range(1, 256):
        part = (index & 15) / LEVELS
        r, g, b = (c * part for c in colour)
        y = 0.2126 * r + 0.7152 * g + 0.0722 * b
        cr, cb = (r - y) / 1.5748, (b - y) / 1.8556
        entries += bytes((index, round(16 + y * 219 / 255),
            round(128 + cr * 224 / 255), round(128 + cb * 224 / 255), round((index >> 4) * 255 / LEVELS)))
    return b"\x00\x00" + entries


def runs(row):
    """A row as PGS writes runs of a colour; two zeros end it."""
    out = bytearray()
    for found in re.finditer(rb"(.)\1*", row, re.DOTALL):
        n, colour = found.end() - found.start(), found.group(1)[0]
        while n > 0:
            part = min(n, 16383)
            n -= part
            if colour and part < 3:
                out += bytes([colour] * part)
                continue
            kind = 0x80 if colour else 0
            out += bytes([0, kind | part]) if part < 64 else bytes([0, kind | 0x40 | part >> 8, part & 255])
            if colour:
                out.append(colour)
    return bytes(out) + b"\x00\x00"


def segment(at_s, kind, payload):
    return b"PG" + struct.pack(">IIBH", round(at_s * 90000), 0, kind, len(payload)) + payload


def crop(picture, width):
    rows = [picture[i:i + width] for i in range(0, len(picture), width)]
    inked = [i for i, row in enumerate(rows) if row.strip(b"\x00")]
    rows = rows[inked[0]:inked[-1] + 1]
    left = min(len(row) - len(row.lstrip(b"\x00")) for row in rows)
    right = max(len(row.rstrip(b"\x00")) for row in rows)
    return inked[0], left, [row[left:right] for row in rows]


def display_set(number, at_s, picture, top, band, colour, is_forced):
    above, left, rows = crop(picture, WIDTH)
    width, height = len(rows[0]), len(rows)
    data = b"".join(runs(row) for row in rows)
    place = struct.pack(">HH", left, top + above)
    out = segment(at_s, PCS, struct.pack(">HHBHBBBB", WIDTH, HEIGHT, 0x10, number & 0xFFFF, EPOCH_START, 0, 0, 1) +
                  struct.pack(">HBB", 0, 0, 0x40 if is_forced else 0) + place)
    out += segment(at_s, WDS, b"\x01\x00" + place + struct.pack(">HH", width, height))
    out += segment(at_s, PDS, palette(colour))
    head = struct.pack(">HB", 0, 0)
    first, rest = data[:60000], data[60000:]
    flags = 0x80 | (0 if rest else 0x40)
    out += segment(at_s, ODS, head + bytes([flags]) + struct.pack(">I", len(data) + 4)[1:] +
                   struct.pack(">HH", width, height) + first)
    while rest:
        part, rest = rest[:60000], rest[60000:]
        out += segment(at_s, ODS, head + bytes([0 if rest else 0x40]) + part)
    return out + segment(at_s, END, b"")


def clearing(number, at_s):
    return segment(at_s, PCS, struct.pack(">HHBHBBBB", WIDTH, HEIGHT, 0x10, number & 0xFFFF, 0, 0, 0, 0)) + segment(
        at_s, WDS, b"\x00") + segment(at_s, END, b"")


def write(path, texts, style, folder=".", step_s=3, shown_s=2, top=None, colour=(255, 255, 255), forced=()):
    """A .sup file: text i is shown from (i + 1) * step_s on, for shown_s seconds.

    style  {"font": family, "size": of a line, "italic": 0 or 1, "outline": px}
    top    the frame's row where the band with the text begins; without it at the bottom
    forced numbers of those that are marked so
    """
    band = max(text.count("\n") + 1 for text in texts) * style["size"] * 3 // 2 + 60
    with open(path, "wb") as file:
        for i, (bright, alpha) in enumerate(draw(texts, style, band, folder)):
            at_s = (i + 1) * step_s
            file.write(display_set(2 * i, at_s, indices(bright, alpha), HEIGHT - band if top is None else top, band,
                                   colour, i in forced))
            file.write(clearing(2 * i + 1, at_s + shown_s))
