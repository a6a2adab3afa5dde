#pragma once
/*
 * Proofs that a part of FFmpeg works here, by using it on a small picture or a moment of sound: a
 * library may list what then cannot be opened. Each takes some milliseconds. One thread at a time.
 */
#include <stdbool.h>

/* Whether the encoder makes packets. */
bool kn_proof_encoder(const char *name);

/* Whether the decoder makes frames of what `encoder` made; without that encoder, whether it opens. */
bool kn_proof_decoder(const char *name, const char *encoder);

/* Whether a frame comes out of a graph from a source to a sink: "testsrc2=d=0.1,bwdif,buffersink". */
bool kn_proof_filter(const char *graph);
