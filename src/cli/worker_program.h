#pragma once
/* Where the other programs are: beside this one (a build folder, a private install), else KN_LIBEXEC. */

/* malloc'd path, whether the file is there or not. */
char *kn_worker_program(void);
/* The same for kinora-commands, which is all of the command line. */
char *kn_commands_program(void);
