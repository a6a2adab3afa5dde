#pragma once
/* The commands: one per file cmd_<name>.c; commands.c lists them. */
