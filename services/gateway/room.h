/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_ROOM_H
#define GATEWAY_ROOM_H

/*
 * Room on the spool's disk, in stages by free bytes, and the ballast: a file that takes
 * room so that it can be given back. On a disk that is full to the last block even
 * deleting fails; without the ballast the marks of delivery, the deletes and the log's
 * checkpoint have room again.
 *
 * Promise: pending events are never deleted for room. Once the ballast is given back
 * nothing is taken in until there is room for it again.
 *
 * room_stage() and room_told() may be called by any thread; the rest is the keeper's.
 */

#include "base/conf.h"
#include "base/fault.h"

enum room_stage {
	ROOM_OK,
	ROOM_LOW,    /* told, and nothing else */
	ROOM_SCARCE, /* no batches; the counter goes on */
	ROOM_FULL,   /* only topics with a reserve: payments */
	ROOM_NONE,   /* the ballast is given back: nothing */
};

struct room;

MUST_CHECK bool room_open(
        struct room **out, const struct conf *conf, struct fault *fault);

/* The ballast stays on the disk. */
void room_close(struct room **room);

/* Look at the disk, if it is time to; then true. */
bool room_look(struct room *room);

/* The disk has refused a write: the ballast is given back. */
void room_note_refused(struct room *room);

/* An event was stored. */
void room_note_stored(struct room *room);

/* What is taken in by it. */
enum room_stage room_stage(const struct room *room);

/*
 * What is said of it: the same, but ROOM_FULL after a refusal that free bytes do not
 * explain, until an event was stored. Those are tried meanwhile, since nothing else
 * shows that a quota was raised.
 */
enum room_stage room_told(const struct room *room);
const char *room_stage_name(enum room_stage stage);

#define ROOM_KEYS                                                                      \
	CONF_KEY(BYTES, disk_low_bytes, "2G",                                          \
	        "free room below which a warning is told"),                            \
	        CONF_KEY(BYTES, disk_scarce_bytes, "512M",                             \
	                "free room below which batches are refused"),                  \
	        CONF_KEY(BYTES, disk_full_bytes, "128M",                               \
	                "free room below which all but payments is refused"),          \
	        CONF_KEY(BYTES, ballast_bytes, "32M",                                  \
	                "size of the file that is given back when the disk is full")

#endif
