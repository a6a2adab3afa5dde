#pragma once
/* The command `captions` for a program that reads most captions itself. */
#include "supervisor/keeper.h"

/*
 * kn_cmd_captions(), with a process forked from this one (kn_keeper_new_own()) asked first. What that refuses for the
 * reason "NeedsMediaLibraries" is done by kinora-worker, all of it. `child` NULL: everything is.
 */
int kn_captions_command(int argc, char **argv, kn_keeper_child child);
