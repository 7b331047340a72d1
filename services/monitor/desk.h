/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_DESK_H
#define MONITOR_DESK_H

/*
 * Questions that only a database can answer: a case's whole life and a village's
 * numbers, out of satu_data. A clerk asks, so that a slow database delays
 * neither the picture nor anybody who asks for something else; while it is away,
 * questions are answered at once with 503 in words.
 *
 * Promise: masked, what the schema calls personal does not even leave the database. It
 * is asked for whom it may be shown to only after who, what and why are kept there.
 *
 * desk_serve() and desk_ask_...() belong to the loop's thread.
 */

#include "base/conf.h"
#include "board.h"
#include "event/mask.h"
#include "port/http.h"

struct desk;

enum { CASE_BYTES = 404 }; /* 100 code points of four bytes */

/* Who asks, for what is kept of it. */
struct asker {
	char name[64];
	bool is_named;    /* by a token or a proxy; else everybody on this machine is
	                     alike */
	char reason[200]; /* "" where nothing personal is asked for */
	enum mask_view view;
};

/* conf's `satu_data` is a connection string; "": nothing here can be answered. */
MUST_CHECK bool desk_open(struct desk **out, const struct conf *conf,
        const struct catalog *catalog, struct board *board, struct loop *loop,
        struct fault *fault);

/* Before the listener: what was not answered is cut off with it. */
void desk_close(struct desk **desk);

/* Answer the request, soon. */
void desk_ask_case(struct desk *desk, struct http_request *request,
        const char *village_code, const char *case_id, const struct asker *asker);
void desk_ask_village(
        struct desk *desk, struct http_request *request, const char *village_code);

/* How keeping ended; problem NULL: it stands. */
typedef void desk_kept(void *context, const struct http_problem *problem);

/*
 * Keep who asked for what, then say so: soon, at once where nobody is asked, at the
 * close at the latest. kept NULL: a warning in the log is enough where it fails.
 */
void desk_keep(struct desk *desk, const struct asker *asker, const char *what,
        const char *village_code, const char *case_id, desk_kept *kept, void *context);

#endif
