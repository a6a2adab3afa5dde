#pragma once
/* Everything a caller can make grow has its limit here, with the reason for the figure. */

// Parameters travel in the URL even for POST; configurations of 60 kB exist (spec 01, section 1).
#define KN_MAX_TARGET_BYTES (1024 * 1024)
// Timelines of megabytes travel in the form body.
#define KN_MAX_FORM_BYTES (16 * 1024 * 1024)
// One request's headers; clients send under 4 KiB, STS tokens and policies add a few more.
#define KN_MAX_HEADER_BYTES (64 * 1024)
// OSS: PutObject and one part take at most 5 GiB (spec 09, 4.3).
#define KN_MAX_PUT_BYTES (5ll * 1024 * 1024 * 1024)
// OSS: parts of one upload (spec 09, 4.4).
#define KN_MAX_PARTS 10000
// XML bodies of OSS: 10,000 parts of a completion are about 1 MiB.
#define KN_MAX_XML_BYTES (4 * 1024 * 1024)
// ClientToken (spec 01, section 9).
#define KN_MAX_CLIENT_TOKEN 64
// Nesting of JSON a client sends: jansson's own limit is 2048, far beyond any real request.
#define KN_MAX_JSON_BYTES (16 * 1024 * 1024)
// A job is tried this often (design, section 3).
#define KN_MAX_ATTEMPTS 3
// Series in /metrics: a label that callers choose (a bucket's name) must not fill the memory.
#define KN_MAX_METRICS 4096
// Calls of one access key that wait for a thread: half of the places there are, so that one caller in a
// hurry leaves room for the others.
#define KN_MAX_WAITING_PER_KEY 512
// Jobs that wait, of all queues together: more than a day of work for a thousand workers.
#define KN_MAX_QUEUED_JOBS 1000000
// Receivers that wait for a message: each holds a connection and little more.
#define KN_MAX_LONG_POLLS 20000
// Subscriptions of a topic: a publish writes a row for each.
#define KN_MAX_SUBSCRIPTIONS 100
// Nonces of reading calls kept in memory for half an hour: 1,100 calls a second, about 100 MiB at
// the very most; beyond that reads are throttled rather than replays let through.
#define KN_MAX_NONCES (2 * 1024 * 1024)
// Captions of one track or file: a day of television has 30,000 cues; songs lit letter by letter 100,000.
#define KN_MAX_CUES 500000
// A caption file: the largest styled scripts with fonts inside are 30 MiB.
#define KN_MAX_CAPTION_BYTES (64 * 1024 * 1024)
// Captions that are read as a tree (TTML, USF) or by libavformat take up to 40 times their size: 640 MiB at the very most.
// A day of them is 5 MiB.
#define KN_MAX_CAPTION_TREE_BYTES (16 * 1024 * 1024)
// Differently styled pieces of text in one track: each costs 130 bytes, so 260 MiB at the very most.
#define KN_MAX_CUE_RUNS 2000000
// Names of fonts, voices, classes and languages, counted in each piece of text that has them and is written with them:
// a page that names one of 100 kB and switches to bold and back was 600 MB of WebVTT. Real films have under 1 MiB.
#define KN_MAX_CUE_LOOK_BYTES (64 * 1024 * 1024)
