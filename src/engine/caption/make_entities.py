#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""make_entities.py OUTPUT.c: the character references of HTML by name, as a C table.

Python's standard library has the list of the HTML standard (13.5, named character references).
"""
import html.entities
import sys

rows = []
for name, text in sorted(html.entities.html5.items()):
    if not name.endswith(";"):
        continue
    name = name[:-1]
    codes = [ord(c) for c in text] + [0]
    is_legacy = "true" if name in html.entities.html5 else "false"
    rows.append(f'    {{"{name}", {{{codes[0]:#x}, {codes[1]:#x}}}, {is_legacy}}},\n')

with open(sys.argv[1], "w", encoding="ascii") as out:
    out.write('#include "engine/caption/entity.h"\n\n'
              "const struct kn_entity kn_entities[] = {\n" + "".join(rows) + "};\n"
              "const size_t kn_n_entities = sizeof(kn_entities) / sizeof(kn_entities[0]);\n")
