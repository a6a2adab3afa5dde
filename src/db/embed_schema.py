#!/usr/bin/env python3
"""Turn schema/NNNN_name.sql files into the C table kn_migrations[]: embed_schema.py OUT SQL..."""
import os
import re
import sys


def c_text(sql):
    lines = []
    for line in sql.splitlines():
        escaped = line.replace("\\", "\\\\").replace('"', '\\"')
        lines.append('    "%s\\n"' % escaped)
    return "\n".join(lines)


def main(out, paths):
    seen = {}
    for path in paths:
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", os.path.basename(path))
        if not match:
            sys.exit("embed_schema: '%s' is not named NNNN_name.sql" % path)
        number = int(match.group(1))
        if number in seen:
            sys.exit("embed_schema: '%s' and '%s' have one number" % (seen[number][0], path))
        seen[number] = (path, match.group(2))
    with open(out, "w", encoding="utf-8") as c:
        c.write('/* Made by embed_schema.py: change the .sql files instead. */\n')
        c.write('#include "db/backend.h"\n\n')
        c.write("const struct kn_migration kn_migrations[] = {\n")
        for number in sorted(seen):
            path, name = seen[number]
            with open(path, encoding="utf-8") as sql:
                c.write('{%d, "%s",\n%s},\n' % (number, name, c_text(sql.read())))
        c.write("};\nconst int kn_n_migrations = %d;\n" % len(seen))


main(sys.argv[1], sys.argv[2:])
