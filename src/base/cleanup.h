#pragma once
/*
 * kn_auto(destructor) ends a local's life at the end of its scope; KN_TAKE() hands ownership out.
 *
 * A destructor takes the address of the variable, accepts empty and leaves empty, as libav's do:
 *     kn_auto(av_frame_free) AVFrame *frame = av_frame_alloc();
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define kn_auto(destructor) __attribute__((cleanup(destructor)))

// Move a pointer out of an owning variable, leaving NULL: `*out_job = KN_TAKE(job);`
#define KN_TAKE(pointer)                                                                           \
    __extension__({                                                                                \
        __typeof__(pointer) kn_taken_ = (pointer);                                                 \
        (pointer) = NULL;                                                                          \
        kn_taken_;                                                                                 \
    })

// For memory from malloc(): `kn_auto(kn_free) char *text = ...`. Takes the address of any pointer.
static inline void kn_free(void *address_of_pointer)
{
    void **p = address_of_pointer;
    free(*p);
    *p = NULL;
}

// For file descriptors; -1 is empty.
static inline void kn_close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); // nothing to save: whoever must know of write errors calls fsync() first
    *fd = -1;
}

// Move a descriptor out of an owning variable, leaving -1.
#define KN_TAKE_FD(fd)                                                                             \
    __extension__({                                                                                \
        int kn_taken_fd_ = (fd);                                                                   \
        (fd) = -1;                                                                                 \
        kn_taken_fd_;                                                                              \
    })

static inline void kn_close_file(FILE **file)
{
    if (*file)
        (void)fclose(*file);
    *file = NULL;
}

#define KN_COUNT(array) (sizeof(array) / sizeof((array)[0]))
