/* SPDX-License-Identifier: MIT */
#include "departments.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { SILENT_S = 45 }; /* a sink reports at least each 10 s */

bool departments_init(
        struct departments *departments, const char *list, struct fault *fault)
{
	for (const char *at = list; *at != '\0'; at += strspn(at, ", ")) {
		size_t size = strcspn(at, ", ");
		struct department_line *line = &departments->all[departments->count];

		if (size > 0) {
			if (departments->count == DEPARTMENTS)
				return fault_set(fault, FAULT_STOP,
				        "departments: more than %d", DEPARTMENTS);
			snprintf(line->name, sizeof line->name, "%.*s", (int)size, at);
			snprintf(line->state, sizeof line->state, "unknown");
			line->lag = line->p50_us = line->p99_us = -1;
			departments->count++;
		}
		at += size;
	}
	return true;
}

bool departments_report(struct departments *departments,
        const struct department_line *report, int64_t now_us, int64_t heard_since_us)
{
	bool applied = false;

	for (size_t i = 0; i < departments->count; i++) {
		struct department_line *line = &departments->all[i];
		int64_t since_us = line->since_us;
		bool same = strcmp(line->state, report->state) == 0;

		if (strcmp(line->name, report->name) != 0)
			continue;
		applied = report->applied != line->applied;
		*line = *report;
		line->since_us = same && since_us > 0 ? since_us : now_us;
	}
	departments_settle(departments, now_us, heard_since_us);
	return applied;
}

void departments_settle(
        struct departments *departments, int64_t now_us, int64_t heard_since_us)
{
	if (now_us - heard_since_us < SILENT_S * INT64_C(1000000))
		return;
	for (size_t i = 0; i < departments->count; i++) {
		struct department_line *line = &departments->all[i];

		if (line->reported_at == 0
		        || now_us / 1000000 - line->reported_at < SILENT_S)
			continue;
		snprintf(line->state, sizeof line->state, "silent");
		line->since_us = line->reported_at * 1000000;
	}
}

int64_t department_lag_seconds(const struct department_line *line, int64_t now_us)
{
	if (line->lag == 0)
		return 0;
	if (line->lag < 0 || line->oldest_us == 0)
		return -1;
	return now_us > line->oldest_us ? (now_us - line->oldest_us) / 1000000 : 0;
}

int64_t departments_worst(const struct departments *departments, bool p99)
{
	int64_t worst = -1;

	for (size_t i = 0; i < departments->count; i++) {
		const struct department_line *line = &departments->all[i];
		int64_t span_us = p99 ? line->p99_us : line->p50_us;

		if (strcmp(line->state, "silent") != 0 && span_us > worst)
			worst = span_us;
	}
	return worst;
}

static void put_text(const char *name, const char *text, struct buffer *out)
{
	buffer_format(out, ",\"%s\":", name);
	if (text[0] != '\0')
		buffer_append_json(out, bytes_of(text));
	else
		buffer_append_text(out, "null");
}

static void put_number(const char *name, int64_t number, struct buffer *out)
{
	buffer_format(out, ",\"%s\":", name);
	if (number >= 0)
		buffer_format(out, "%lld", (long long)number);
	else
		buffer_append_text(out, "null");
}

static void put_ms(const char *name, int64_t span_us, struct buffer *out)
{
	buffer_format(out, ",\"%s\":", name);
	if (span_us >= 0)
		buffer_format(out, "%.1f", (double)span_us / 1000);
	else
		buffer_append_text(out, "null");
}

static void put_letter(const struct letter *letter, struct buffer *out)
{
	buffer_format(out, "{\"id\":%lld", (long long)letter->id);
	put_text("topic", letter->topic, out);
	buffer_format(out, ",\"partition\":%d,\"offset\":%lld", (int)letter->partition,
	        (long long)letter->offset);
	put_text("village", letter->village_code, out);
	put_number("seq", letter->seq, out);
	put_text("class", letter->class, out);
	put_text("sqlstate", letter->sqlstate, out);
	buffer_append_text(out, ",\"at\":");
	clock_append_json(letter->at * 1000000, out);
	buffer_append_byte(out, '}');
}

static void put_letters(const struct department_line *line, struct buffer *out)
{
	buffer_append_text(out, ",\"letters\":[");
	for (size_t i = 0; i < line->letter_count; i++) {
		buffer_append_text(out, i > 0 ? "," : "");
		put_letter(&line->letters[i], out);
	}
	buffer_append_byte(out, ']');
}

static void put_line(const struct department_line *line, int64_t now_us,
        bool with_letters, struct buffer *out)
{
	buffer_append_text(out, "{\"name\":");
	buffer_append_json(out, bytes_of(line->name));
	put_text("title", line->title, out);
	put_text("state", line->state, out);
	put_text("reason", line->reason, out);
	buffer_format(out, ",\"lag\":%lld", (long long)line->lag);
	put_number("lag_seconds", department_lag_seconds(line, now_us), out);
	put_number("dead", line->dead, out);
	put_number("parked", line->parked, out);
	put_number("applied", line->applied, out);
	put_ms("p50_ms", line->p50_us, out);
	put_ms("p99_ms", line->p99_us, out);
	buffer_append_text(out, ",\"last_row_at\":");
	clock_append_json(line->row_at * 1000000, out);
	buffer_append_text(out, ",\"reported_at\":");
	clock_append_json(line->reported_at * 1000000, out);
	if (with_letters)
		put_letters(line, out);
	buffer_append_byte(out, '}');
}

void departments_put(const struct departments *departments, int64_t now_us,
        bool with_letters, struct buffer *out)
{
	buffer_append_byte(out, '[');
	for (size_t i = 0; i < departments->count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		put_line(&departments->all[i], now_us, with_letters, out);
	}
	buffer_append_byte(out, ']');
}
