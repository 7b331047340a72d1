/* SPDX-License-Identifier: MIT */
#ifndef CTL_REPLAY_H
#define CTL_REPLAY_H

/* What the ways out of `kentongan replay` share. */

#include "ctl.h"
#include "flow/replay.h"

struct playing {
	struct ctl *ctl;
	struct catalog *catalog;
	struct replay_wish wish;
	char district[16];
	enum mask_view view;
	struct replay *replay;
	size_t limit; /* of records; 0: none */
	size_t taken;
	bool has_told_wait;
	bool rehearses; /* what comes out is not masked */
	struct buffer out;
};

/* Keep who replays, open the replay, and tell what has left the log. */
bool replay_begin(struct playing *playing, struct fault *fault);

/* rehearse.c: into a scratch database. */
bool replay_rehearse(struct playing *playing, struct fault *fault);

#endif
