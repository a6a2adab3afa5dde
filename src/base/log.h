#pragma once
/*
 * Logfmt lines on standard error (or to a writer, kn_log_set_writer()). A log handle carries context:
 *     struct kn_log job_log = kn_log_with(&log, "job", id);
 *     KN_WARN(&job_log, "callback refused: %d", status);
 *         -> time=… level=warn job=4f2a… msg="callback refused: 503"
 * Thread-safe: a line is one write(). Secrets and captions stay out.
 */
enum kn_log_level { KN_LOG_DEBUG = 0, KN_LOG_INFO, KN_LOG_WARN, KN_LOG_ERROR };

struct kn_log {
    char context[224]; // " key=value key=value", cut when too long
};

/* The lowest level written; KN_LOG_INFO at start. KINORA_LOG=debug|info|warn|error sets it. */
void kn_log_set_level(enum kn_log_level level);
enum kn_log_level kn_log_level(void);
/*
 * Give lines to `writer` instead: the worker's child sends them over its link. `context` is the
 * handle's " key=value…". Called by any thread; NULL goes back to the descriptor.
 */
typedef void (*kn_log_writer)(enum kn_log_level level, const char *context, const char *message);
void kn_log_set_writer(kn_log_writer writer);

/* A copy of `log` (NULL: empty) with one more key. Values with spaces or quotes are quoted. */
struct kn_log kn_log_with(const struct kn_log *log, const char *key, const char *value);

void kn_log_write(const struct kn_log *log, enum kn_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define KN_LOG_AT(log, level, ...)                                                                 \
    do {                                                                                           \
        if ((level) >= kn_log_level())                                                             \
            kn_log_write((log), (level), __VA_ARGS__);                                             \
    } while (0)
#define KN_DEBUG(log, ...) KN_LOG_AT(log, KN_LOG_DEBUG, __VA_ARGS__)
#define KN_INFO(log, ...) KN_LOG_AT(log, KN_LOG_INFO, __VA_ARGS__)
#define KN_WARN(log, ...) KN_LOG_AT(log, KN_LOG_WARN, __VA_ARGS__)
#define KN_ERROR(log, ...) KN_LOG_AT(log, KN_LOG_ERROR, __VA_ARGS__)
