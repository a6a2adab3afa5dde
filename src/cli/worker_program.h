#pragma once
/* Where kinora-worker is: beside this program (a build folder, a private install), else KN_LIBEXEC. */

/* malloc'd path, whether the file is there or not. */
char *kn_worker_program(void);
