/* SPDX-License-Identifier: MIT */
#include "flow/replay_words.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "event/format.h"

enum { DISTRICT_BYTES = 8, CELLS = 5 };

/* Western Indonesia has had this offset, and no summer time, since 1964. */
static const char offset_of_jember[] = "+07:00";

bool replay_parse_time(const char *text, int64_t *out_us)
{
	bool has_seconds = strlen(text) != strlen("2026-11-21T08:00");
	char local[2 * CLOCK_TEXT_BYTES];
	int size;

	if (clock_parse(bytes_of(text), out_us))
		return true;
	size = snprintf(local, sizeof local, "%s%s%s", text, has_seconds ? "" : ":00",
	        offset_of_jember);
	return size > 0 && (size_t)size < sizeof local
	       && clock_parse(bytes_of(local), out_us);
}

bool replay_parse_span(const char *text, int64_t *out_us, struct fault *fault)
{
	static const struct {
		const char *name;
		int64_t us;
	} units[] = { { "ms", 1000 }, { "s", 1000000 }, { "m", 60000000 },
		{ "h", INT64_C(3600000000) }, { "d", INT64_C(86400000000) } };
	char *unit;
	long long number = strtoll(text, &unit, 10);

	if (text[0] != '\0' && !isdigit((unsigned char)text[0]))
		unit = (char *)text; /* no sign, no space before it */
	if (text[0] == '\0' || strcmp(text, "0") == 0) {
		*out_us = 0;
		return true;
	}
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (unit != text && number >= 0 && number <= 100000
		        && strcmp(unit, units[i].name) == 0) {
			*out_us = number * units[i].us;
			return true;
		}
	return fault_code(fault, FAULT_REJECT, "span",
	        "expected a span such as 5s, 90m, 2h or 1d");
}

static bool parse_end(
        const char *text, int64_t from_us, int64_t *out_us, struct fault *fault)
{
	int64_t span_us;

	if (text[0] != '+')
		return replay_parse_time(text, out_us)
		       || fault_code(fault, FAULT_REJECT, "to",
		               "to: expected a time such as 2026-11-21T10:00, or a "
		               "span behind the first, such as +2h");
	if (!replay_parse_span(text + 1, &span_us, fault))
		return fault_wrap(fault, "to");
	*out_us = from_us + span_us;
	return true;
}

bool replay_parse_times(
        const char *from, const char *to, struct replay_wish *wish, struct fault *fault)
{
	if (!replay_parse_time(from, &wish->from_us))
		return fault_code(fault, FAULT_REJECT, "from",
		        "from: expected a time such as 2026-11-21T08:00 (of Jember) or "
		        "2026-11-21T08:00:00+07:00");
	if (wish->from_us < 0)
		return fault_code(fault, FAULT_REJECT, "from",
		        "from: expected a time from 1970 on");
	return parse_end(to, wish->from_us, &wish->to_us, fault)
	       && (wish->to_us > wish->from_us
	               || fault_code(fault, FAULT_REJECT, "to",
	                       "to: expected a time behind the first"));
}

bool replay_parse_speed(const char *text, double *out, struct fault *fault)
{
	char *end;
	double speed;

	*out = 0;
	if (strcmp(text, "max") == 0)
		return true;
	speed = strtod(text, &end);
	if (strspn(text, "0123456789.") != (size_t)(end - text))
		end = (char *)text; /* no sign, no hexadecimal, no words */
	if (*end == 'x')
		end++;
	if (end == text || *end != '\0' || !(speed >= 0.01 && speed <= 1e6))
		return fault_code(fault, FAULT_REJECT, "speed",
		        "speed: expected a number such as 10, or max");
	*out = speed;
	return true;
}

bool replay_parse_topic(const char *text, const struct catalog *catalog,
        struct replay_wish *wish, struct fault *fault)
{
	for (size_t i = 0; i < catalog->topic_count; i++)
		if (strcmp(catalog->topics[i].topic, text) == 0
		        || strcmp(catalog->topics[i].name, text) == 0) {
			wish->topics[i] = true;
			return true;
		}
	return fault_code(fault, FAULT_REJECT, "topic",
	        "topic: expected one of the catalog, such as %s",
	        catalog->topics[0].topic);
}

bool replay_parse_village(
        const char *text, struct replay_wish *wish, struct fault *fault)
{
	wish->village = text;
	return text[0] == '\0' || format_find("village-code")->fits(bytes_of(text))
	       || fault_code(fault, FAULT_REJECT, "village",
	               "village: expected a code such as 35.09.01.2001");
}

static bool is_district_code(const char *text)
{
	return strlen(text) == DISTRICT_BYTES && strspn(text, "0123456789.") == 8
	       && text[2] == '.' && text[5] == '.';
}

/* Whether the line is of a village in the district of that name; out is its code. */
static bool is_within(char *line, const char *name, char out[16])
{
	char *cells[CELLS];

	for (size_t i = 0; i < CELLS; i++) {
		cells[i] = strsep(&line, ",\r\n");
		if (cells[i] == NULL)
			return false;
	}
	if (strcasecmp(cells[4], name) != 0 || !is_district_code(cells[3]))
		return false;
	snprintf(out, 16, "%s", cells[3]);
	return true;
}

bool replay_parse_district(
        const char *text, const char *register_csv, char out[16], struct fault *fault)
{
	char *line = NULL;
	size_t room = 0;
	bool found = text[0] == '\0' || is_district_code(text);
	FILE *file;

	if (found) {
		snprintf(out, 16, "%s", text);
		return true;
	}
	file = fopen(register_csv, "r");
	if (file == NULL)
		return fault_set(fault, FAULT_STOP, "villages %s: %s", register_csv,
		        strerror(errno));
	while (!found && getline(&line, &room, file) >= 0)
		found = is_within(line, text, out);
	free(line);
	fclose(file);
	return found
	       || fault_code(fault, FAULT_REJECT, "district",
	               "district: expected its name, or a code such as 35.09.01");
}

void replay_say(const struct replay_wish *wish, const struct catalog *catalog,
        struct buffer *out)
{
	char from[CLOCK_TEXT_BYTES];
	char to[CLOCK_TEXT_BYTES];

	clock_format(wish->from_us, from);
	clock_format(wish->to_us, to);
	buffer_format(out, "replay from %s to %s", from, to);
	for (size_t i = 0; i < catalog->topic_count; i++)
		if (wish->topics[i])
			buffer_format(out, " %s", catalog->topics[i].topic);
	if (wish->district[0] != '\0')
		buffer_format(out, " district %s", wish->district);
	if (wish->service[0] != '\0')
		buffer_format(out, " service %.100s", wish->service);
}

void replay_cursor_text(
        const struct replay_cursor *cursor, char text[REPLAY_CURSOR_BYTES])
{
	snprintf(text, REPLAY_CURSOR_BYTES, "%" PRId64 "-%zu-%d-%" PRId64,
	        cursor->at_us, cursor->topic, (int)cursor->partition, cursor->offset);
}

bool replay_parse_cursor(
        const char *text, struct replay_wish *wish, struct fault *fault)
{
	struct replay_cursor *after = &wish->after;
	int partition;
	int used = 0;

	wish->has_after = text[0] != '\0';
	if (!wish->has_after)
		return true;
	if (sscanf(text, "%" SCNd64 "-%zu-%d-%" SCNd64 "%n", &after->at_us,
	            &after->topic, &partition, &after->offset, &used)
	                != 4
	        || text[used] != '\0')
		return fault_code(fault, FAULT_REJECT, "after",
		        "after: expected the id of an event of the same replay");
	after->partition = partition;
	return (after->at_us >= wish->from_us && after->at_us < wish->to_us
	               && after->topic < REPLAY_TOPICS && wish->topics[after->topic]
	               && partition >= 0 && after->offset >= 0
	               && after->offset < INT64_MAX)
	       || fault_code(fault, FAULT_REJECT, "after",
	               "after: expected the id of an event of the same replay");
}
