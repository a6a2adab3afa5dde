#pragma once
/* The commands: one per file cmd_<name>.c; commands.c lists them. See cli.h for their form. */

int kn_cmd_buckets(int argc, char **argv);
int kn_cmd_call(int argc, char **argv);
int kn_cmd_completion(int argc, char **argv);
int kn_cmd_convert(int argc, char **argv);
int kn_cmd_cp(int argc, char **argv);
int kn_cmd_doctor(int argc, char **argv);
int kn_cmd_jobs(int argc, char **argv);
int kn_cmd_pipelines(int argc, char **argv);
int kn_cmd_serve(int argc, char **argv);
