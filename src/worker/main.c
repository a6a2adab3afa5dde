/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kinora-worker: started by kinora, never by people: as a nursery with a socket as descriptor 3, or to
 * report what its libraries can do.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libavutil/log.h>

#include "worker/lockdown.h"
#include "worker/nursery.h"
#include "worker/proof.h"
#include "worker/report.h"

#define CONTROL_FD 3
// A decoder's state of 0.8 MB stays in the heap for the next one, pictures are mapped and given back.
#define MAP_FROM_BYTES (1 << 20)
#define KEEP_FREE_BYTES (16 << 20)

static int report(void)
{
    json_auto_t *value = kn_worker_report();
    bool is_told = value && json_dumpf(value, stdout, JSON_COMPACT) == 0 && fflush(stdout) == 0;
    // Encoders and fontconfig keep memory until the process ends, which is now: without their handlers.
    _exit(is_told ? 0 : 1);
}

// One heap for all threads of a child, which keeps what is freed: a third of the time of a tiny job was the
// kernel finding pages for the heaps of its threads.
static void tune_heap(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, MAP_FROM_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_FREE_BYTES);
}

// What every child would do again for itself, done once: the codecs' tables computed, the functions of
// a hundred libraries looked up, the filter of system calls made.
static void warm_up(void)
{
    const int level = av_log_get_level();
    av_log_set_level(AV_LOG_QUIET);
    (void)kn_proof_decoder("h264", "libx264");
    (void)kn_proof_encoder("aac");
    (void)kn_proof_filter("testsrc2=d=0.1:s=128x128,scale=64:64,format=yuv420p,buffersink");
    av_log_set_level(level);
    (void)kn_lockdown_prepare(NULL); // a child says what is wrong
    (void)malloc_trim(0);
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    int type = 0;
    socklen_t size = sizeof(type);
    if (strcmp(what, "--report") == 0)
        return report();
    if (strcmp(what, "--version") == 0)
        return puts("kinora-worker " KN_VERSION) < 0;
    if (strcmp(what, "--nursery") == 0 &&
        getsockopt(CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0) {
        tune_heap();
        return kn_nursery_main(CONTROL_FD, kn_worker_features, warm_up);
    }
    (void)fputs("kinora-worker: this program is started by kinora: run 'kinora serve' or "
                "'kinora convert'\n",
                stderr);
    return 2;
}
