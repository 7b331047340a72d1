/* SPDX-License-Identifier: MIT */
#ifndef FLOW_REPLAY_WORDS_H
#define FLOW_REPLAY_WORDS_H

/*
 * How people say what they want to see again, on a command line or in an address.
 * FAULT_REJECT says what is expected, never what was typed.
 */

#include "flow/replay.h"

enum { REPLAY_CURSOR_BYTES = 80 };

/*
 * A time with its offset (RFC 3339), or as the clocks of Jember show it, with or
 * without seconds and their fraction: "2026-11-21T08:00".
 */
MUST_CHECK bool replay_parse_time(const char *text, int64_t *out_us);

/* Two of them; `to` may also be a span behind `from`: "+2h". */
MUST_CHECK bool replay_parse_times(const char *from, const char *to,
        struct replay_wish *wish, struct fault *fault);

/* "5s", "90m", "2h", "1d", "500ms"; "" and "0" are none. */
MUST_CHECK bool replay_parse_span(
        const char *text, int64_t *out_us, struct fault *fault);

/* "10", "0.5", "60x"; "max" is 0. */
MUST_CHECK bool replay_parse_speed(const char *text, double *out, struct fault *fault);

/* One topic, by its full or its short name. */
MUST_CHECK bool replay_parse_topic(const char *text, const struct catalog *catalog,
        struct replay_wish *wish, struct fault *fault);

/* A village's code, or "" for all; the text is kept. */
MUST_CHECK bool replay_parse_village(
        const char *text, struct replay_wish *wish, struct fault *fault);

/*
 * A district by its code, 35.09.01, or its name in the register
 * (village_code,name,kind, district_code,district_name,...): its code. "" is "".
 */
MUST_CHECK bool replay_parse_district(
        const char *text, const char *register_csv, char out[16], struct fault *fault);

/*
 * The wish in words, for those who keep who saw what: its times, topics, district and
 * service. Its village and case are kept beside it.
 */
void replay_say(const struct replay_wish *wish, const struct catalog *catalog,
        struct buffer *out);

/* "<time in microseconds>-<topic>-<partition>-<offset>" */
void replay_cursor_text(
        const struct replay_cursor *cursor, char text[REPLAY_CURSOR_BYTES]);
MUST_CHECK bool replay_parse_cursor(
        const char *text, struct replay_wish *wish, struct fault *fault);

#endif
