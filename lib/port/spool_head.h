/* SPDX-License-Identifier: MIT */
#ifndef PORT_SPOOL_HEAD_H
#define PORT_SPOOL_HEAD_H

/*
 * The second witness: a small file beside the spool that says how far each stream has
 * come. SQLite drops committed rows of a damaged log without a word, and an old copy
 * of the file looks as good as the new one; only a witness of its own can tell.
 *
 * Two slots of 4 KiB are written in turn and in place, each with its own check sum, so
 * that a cut in the midst of one leaves the other. Promise: what head_write() was given
 * is on disk when it returns true. A file that is absent, short or wrong in both slots
 * is no fault: it says nothing (head_read() returns false).
 */

#include "base/bytes.h"
#include "base/fault.h"
#include "event/digest.h"

enum { HEAD_STREAMS = 60, HEAD_NAME_BYTES = 24 };

struct head_entry {
	uint8_t name[HEAD_NAME_BYTES]; /* of incarnation and topic: head_name() */
	int64_t seq;                   /* last number that may have been answered for */
	uint8_t chain[DIGEST_BYTES];
};

struct head_file;

/* Opens or creates it; end it with head_close(). */
MUST_CHECK bool head_open(
        struct head_file **out, const char *path, struct fault *fault);
void head_close(struct head_file **head);

/* The newest good slot, as it was found when the file was opened. */
bool head_read(const struct head_file *head, struct head_entry entries[HEAD_STREAMS],
        size_t *count);

/*
 * Whether the file was changed after its newest slot was written: by somebody who put
 * an older copy in its place, or gave it another owner. As it was found when opened;
 * false where nothing tells (docs/decisions/0028).
 */
bool head_was_touched(const struct head_file *head);

MUST_CHECK bool head_write(struct head_file *head, const struct head_entry *entries,
        size_t count, struct fault *fault);

/*
 * The incarnation's 16 bytes and 8 of the topic's digest: where nothing but the head is
 * left, it still tells whose numbers are missing.
 */
void head_name(
        const char *incarnation, const char *topic, uint8_t name[HEAD_NAME_BYTES]);

#endif
