#pragma once
/* The commands: one per file cmd_<name>.c; commands.c lists them. See cli.h for their form. */

int kn_cmd_backup(int argc, char **argv);
int kn_cmd_buckets(int argc, char **argv);
int kn_cmd_call(int argc, char **argv);
int kn_cmd_captions(int argc, char **argv);
int kn_cmd_completion(int argc, char **argv);
int kn_cmd_convert(int argc, char **argv);
int kn_cmd_cp(int argc, char **argv);
int kn_cmd_doctor(int argc, char **argv);
int kn_cmd_events(int argc, char **argv);
int kn_cmd_jobs(int argc, char **argv);
int kn_cmd_keys(int argc, char **argv);
int kn_cmd_pipelines(int argc, char **argv);
int kn_cmd_restore(int argc, char **argv);
int kn_cmd_serve(int argc, char **argv);
int kn_cmd_usage(int argc, char **argv);
int kn_cmd_worker(int argc, char **argv);
