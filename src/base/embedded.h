#pragma once
/* Files of data/ that are built into the programs by tools/embed. A table ends with a NULL name. */
struct kn_embedded {
    const char *name; // the file's, without folder and extension
    const char *text; // the whole file
};
