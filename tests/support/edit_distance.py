# SPDX-License-Identifier: GPL-3.0-or-later
"""How far what was read is from what was drawn (Levenshtein)."""


def distance(a, b):
    """Characters to insert, delete or replace."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        row, above = [i + 1], row
        for j, y in enumerate(b):
            row.append(min(row[j] + 1, above[j + 1] + 1, above[j] + (x != y)))
    return row[-1]
