/* SPDX-License-Identifier: MIT */
#include "villages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"

enum { MAX_VILLAGES = 512 };

#define MINUTE_US  (INT64_C(60) * 1000000)
#define SENDING_US (5 * MINUTE_US)
#define WAITING_US (2 * MINUTE_US)
#define SILENT_US  (3 * MINUTE_US) /* a heartbeat comes each minute */

struct villages {
	struct village all[MAX_VILLAGES]; /* in the order of their codes */
	size_t count;
};

/* Opening */

/* A number as the register has it, or null: the text goes into JSON as it is. */
static void keep_number(char out[16], const char *text)
{
	char *end;

	(void)strtod(text, &end);
	if (end == text || *end != '\0' || strlen(text) >= 16
	        || strspn(text, "-0123456789.") != strlen(text))
		text = "null";
	snprintf(out, 16, "%s", text);
}

/* village_code,name,kind,district_code,district_name,lat,lng */
static bool add_village(struct villages *villages, char *line)
{
	enum { CELLS = 7 };
	struct village *village = &villages->all[villages->count];
	const char *cells[CELLS];

	for (size_t i = 0; i < CELLS; i++) {
		cells[i] = strsep(&line, ",\r\n");
		if (cells[i] == NULL)
			return true;
	}
	if (strcmp(cells[0], "village_code") == 0)
		return true;
	if (villages->count == MAX_VILLAGES)
		return false;
	snprintf(village->code, sizeof village->code, "%s", cells[0]);
	snprintf(village->name, sizeof village->name, "%s", cells[1]);
	snprintf(village->kind, sizeof village->kind, "%s", cells[2]);
	snprintf(village->district, sizeof village->district, "%s", cells[4]);
	keep_number(village->latitude, cells[5]);
	keep_number(village->longitude, cells[6]);
	village->state = VILLAGE_UNKNOWN;
	villages->count++;
	return true;
}

static int by_code(const void *a, const void *b)
{
	return strcmp(
	        ((const struct village *)a)->code, ((const struct village *)b)->code);
}

static bool read_register(
        struct villages *villages, const char *csv, struct fault *fault)
{
	FILE *file = fopen(csv, "re");
	char *line = NULL;
	size_t room = 0;
	bool ok = true;

	if (file == NULL)
		return fault_set(
		        fault, FAULT_STOP, "villages %s: %s", csv, strerror(errno));
	while (ok && getline(&line, &room, file) >= 0)
		ok = add_village(villages, line);
	free(line);
	fclose(file);
	qsort(villages->all, villages->count, sizeof villages->all[0], by_code);
	return ok
	       || fault_set(fault, FAULT_STOP, "villages %s: more than %d", csv,
	               MAX_VILLAGES);
}

bool villages_open(struct villages **out, const char *csv, struct fault *fault)
{
	struct villages *villages = calloc(1, sizeof *villages);

	if (villages == NULL)
		return fault_memory(fault);
	if (!read_register(villages, csv, fault)) {
		villages_close(&villages);
		return false;
	}
	*out = villages;
	return true;
}

void villages_close(struct villages **villages)
{
	if (*villages == NULL)
		return;
	for (size_t i = 0; i < (*villages)->count; i++)
		free((*villages)->all[i].status);
	free(*villages);
	*villages = NULL;
}

/* Finding */

static struct village *find(const struct villages *villages, struct bytes code)
{
	size_t low = 0;
	size_t high = villages->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const char *found = villages->all[middle].code;
		int order = strncmp(found, (const char *)code.data, code.size);

		if (order == 0 && found[code.size] == '\0')
			return (struct village *)&villages->all[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct village *villages_find(const struct villages *villages, const char *code)
{
	return find(villages, bytes_of(code));
}

const struct village *villages_at(const struct villages *villages, size_t index)
{
	return index < villages->count ? &villages->all[index] : NULL;
}

/* What is heard of them */

void villages_heard(struct villages *villages, const char *code, int64_t appended_us)
{
	struct village *village = find(villages, bytes_of(code));

	if (village == NULL)
		return;
	village->events++;
	if (appended_us > village->heard_us)
		village->heard_us = appended_us;
	village->has_changed = true;
}

void villages_report(struct villages *villages, struct bytes code,
        const struct village_report *report)
{
	struct village *village = find(villages, code);
	char *status;

	if (village == NULL)
		return;
	status = strndup((const char *)report->status.data, report->status.size);
	if (status == NULL)
		return; /* the next one comes within a minute */
	free(village->status);
	village->status = status;
	village->reported_us = report->reported_us;
	village->pending = report->pending;
	village->oldest_pending_us = report->oldest_pending_us;
	village->is_blocked = report->is_blocked;
	village->has_changed = true;
}

/* States */

static enum village_state state_of(
        const struct village *village, int64_t now_us, int64_t hearing_us)
{
	bool has_reported = village->reported_us > 0;
	int64_t reported_us =
	        village->reported_us > hearing_us ? village->reported_us : hearing_us;
	bool is_alive = has_reported && now_us - reported_us < SILENT_US;

	if (is_alive && village->is_blocked)
		return VILLAGE_BLOCKED;
	if (village->pending > 0
	        && (!is_alive || now_us - village->oldest_pending_us > WAITING_US))
		return VILLAGE_WAITING;
	if (village->heard_us > 0 && now_us - village->heard_us < SENDING_US)
		return VILLAGE_SENDING;
	if (!has_reported)
		return VILLAGE_UNKNOWN;
	return is_alive ? VILLAGE_QUIET : VILLAGE_SILENT;
}

void villages_settle(struct villages *villages, int64_t now_us, int64_t hearing_us)
{
	for (size_t i = 0; i < villages->count; i++) {
		struct village *village = &villages->all[i];
		enum village_state state = state_of(village, now_us, hearing_us);

		if (state == village->state)
			continue;
		village->state = state;
		village->state_since_us = now_us;
		village->has_changed = true;
	}
}

void villages_sum(const struct villages *villages, struct village_sums *out)
{
	*out = (struct village_sums){ 0 };
	for (size_t i = 0; i < villages->count; i++) {
		const struct village *village = &villages->all[i];

		out->states[village->state]++;
		out->seen += village->heard_us > 0;
		out->pending += village->pending;
		if (village->pending > 0
		        && (out->oldest_pending_us == 0
		                || village->oldest_pending_us < out->oldest_pending_us))
			out->oldest_pending_us = village->oldest_pending_us;
	}
}

const char *village_state_name(enum village_state state)
{
	static const char *const names[] = { "blocked", "waiting", "silent", "sending",
		"quiet", "unknown" };

	return names[state];
}

/* JSON */

static void put_text(const char *name, const char *text, struct buffer *out)
{
	buffer_format(out, "%s:", name);
	buffer_append_json(out, bytes_of(text));
}

/* All but the closing brace. */
static void put_line(const struct village *village, struct buffer *out)
{
	put_text("{\"village_code\"", village->code, out);
	put_text(",\"name\"", village->name, out);
	put_text(",\"kind\"", village->kind, out);
	put_text(",\"district\"", village->district, out);
	buffer_format(out, ",\"latitude\":%s,\"longitude\":%s,\"events\":%lld",
	        village->latitude, village->longitude, (long long)village->events);
	buffer_append_text(out, ",\"last_heard_at\":");
	clock_append_json(village->heard_us, out);
	buffer_format(out,
	        ",\"state\":\"%s\",\"pending\":", village_state_name(village->state));
	if (village->reported_us > 0)
		buffer_format(out, "%lld", (long long)village->pending);
	else
		buffer_append_text(out, "null");
	buffer_append_text(out, ",\"oldest_pending_at\":");
	clock_append_json(village->pending > 0 ? village->oldest_pending_us : 0, out);
	buffer_append_text(out, ",\"reported_at\":");
	clock_append_json(village->reported_us, out);
}

void village_put(const struct village *village, struct buffer *out)
{
	put_line(village, out);
	buffer_append_byte(out, '}');
}

void villages_put(const struct villages *villages, struct buffer *out)
{
	buffer_append_byte(out, '[');
	for (size_t i = 0; i < villages->count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		village_put(&villages->all[i], out);
	}
	buffer_append_byte(out, ']');
}

void villages_put_changed(struct villages *villages, struct buffer *out)
{
	bool first = true;

	buffer_append_byte(out, '[');
	for (size_t i = 0; i < villages->count; i++) {
		if (!villages->all[i].has_changed)
			continue;
		if (!first)
			buffer_append_byte(out, ',');
		first = false;
		village_put(&villages->all[i], out);
		villages->all[i].has_changed = false;
	}
	buffer_append_byte(out, ']');
}

static int64_t number_of(const json_t *json, const char *name)
{
	return json_integer_value(json_object_get(json, name));
}

static void put_departments(const json_t *known, const char *topic,
        const char *incarnation, struct buffer *out)
{
	const json_t *numbers;
	char key[256];

	snprintf(key, sizeof key, "%s %s", topic, incarnation);
	numbers = json_object_get(known, key);
	buffer_append_text(out, ",\"departments\":{");
	if (numbers != NULL)
		buffer_format(out,
		        "\"satu_data\":{\"applied\":%lld,\"dead\":%lld,"
		        "\"parked\":%lld,\"missing\":%lld}",
		        (long long)number_of(numbers, "applied"),
		        (long long)number_of(numbers, "dead"),
		        (long long)number_of(numbers, "parked"),
		        (long long)number_of(numbers, "missing"));
	buffer_append_byte(out, '}');
}

/* Streams as the heartbeat has them; those of earlier lives name their own. */
static void put_streams(const json_t *list, const char *incarnation,
        const json_t *known, bool *any, struct buffer *out)
{
	size_t i;
	const json_t *said;

	json_array_foreach(list, i, said)
	{
		const char *topic = json_string_value(json_object_get(said, "topic"));
		const char *own =
		        json_string_value(json_object_get(said, "incarnation"));

		if (topic == NULL)
			continue;
		put_text(*any ? ",{\"topic\"" : "{\"topic\"", topic, out);
		put_text(",\"incarnation\"", own ? own : incarnation, out);
		buffer_format(out, ",\"last_seq\":%lld,\"delivered_seq\":%lld",
		        (long long)number_of(said, "last_seq"),
		        (long long)number_of(said, "delivered_seq"));
		put_departments(known, topic, own ? own : incarnation, out);
		buffer_append_byte(out, '}');
		*any = true;
	}
}

void village_put_whole(
        const struct village *village, struct bytes known, struct buffer *out)
{
	json_t *status = village->status ? json_loads(village->status, 0, NULL) : NULL;
	json_t *numbers = json_loadb((const char *)known.data, known.size, 0, NULL);
	const char *named = json_string_value(json_object_get(status, "incarnation"));
	const char *incarnation = named ? named : "";
	bool any = false;

	put_line(village, out);
	buffer_format(out, ",\"status\":%s,\"streams\":[",
	        village->status ? village->status : "null");
	put_streams(json_object_get(status, "topics"), incarnation, numbers, &any, out);
	put_streams(
	        json_object_get(status, "earlier"), incarnation, numbers, &any, out);
	buffer_append_text(out, "]}");
	json_decref(numbers);
	json_decref(status);
}
