#pragma once
/* The commands: one per file cmd_<name>.c; commands.c lists them. See cli.h for their form. */

int kn_cmd_convert(int argc, char **argv);
int kn_cmd_doctor(int argc, char **argv);
