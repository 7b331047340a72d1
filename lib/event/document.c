/* SPDX-License-Identifier: MIT */
/*
 * Everything that jansson would be lax or slow about is looked at before it sees the
 * text: UTF-8, NUL, depth. Duplicates, lone surrogates and \u0000 it refuses itself.
 */
#include "event/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/sha.h>

static bool not_json(
        struct check_report *report, const char *detail, const char *detail_id)
{
	struct check_fault *fault = &report->faults[0];

	report->verdict = CHECK_NOT_JSON;
	report->count = 1;
	fault->pointer[0] = '\0';
	snprintf(fault->expected, sizeof fault->expected, "JSON");
	snprintf(fault->detail, sizeof fault->detail, "%s", detail);
	snprintf(fault->detail_id, sizeof fault->detail_id, "%s", detail_id);
	return false;
}

bool document_parse(
        struct document **out, struct bytes body, struct check_report *report)
{
	json_error_t error;
	json_t *json;
	char where[128];
	char where_id[128];

	report->verdict = CHECK_OK;
	report->count = 0;
	if (!bytes_is_text(body))
		return not_json(report, "The body is not UTF-8 text without NUL.",
		        "Isi kiriman bukan teks UTF-8.");
	if (!bytes_json_is_shallow(body, CHECK_DEPTH))
		return not_json(report, "The body is nested deeper than 16.",
		        "Isi kiriman bersarang lebih dari 16 tingkat.");
	json = json_loadb((const char *)body.data, body.size,
	        JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (json == NULL) {
		snprintf(where, sizeof where,
		        "The body is not JSON without duplicate members (line %d, byte "
		        "%d).",
		        error.line, error.position);
		snprintf(where_id, sizeof where_id,
		        "Isi kiriman bukan JSON yang benar (baris %d, bita %d).",
		        error.line, error.position);
		return not_json(report, where, where_id);
	}
	if (!json_is_object(json)) {
		json_decref(json);
		not_json(report, "The body must be one JSON object.",
		        "Isi kiriman harus satu objek JSON.");
		report->verdict = CHECK_MISFIT;
		return false;
	}
	*out = calloc(1, sizeof **out);
	if (*out == NULL) {
		json_decref(json);
		return not_json(report, "Out of memory.", "Memori habis.");
	}
	(*out)->object = json;
	return true;
}

void document_close(struct document **document)
{
	if (*document == NULL)
		return;
	for (size_t i = 0; i < (*document)->taken_count; i++)
		json_decref((*document)->taken[i]);
	json_decref((*document)->object);
	free(*document);
	*document = NULL;
}

bool document_take(struct document *document, const char *member, struct bytes *out)
{
	json_t *value = json_object_get(document->object, member);

	if (!json_is_string(value) || document->taken_count == DOCUMENT_TAKEN)
		return false;
	document->taken[document->taken_count++] = json_incref(value);
	json_object_del(document->object, member);
	*out = (struct bytes){ (const uint8_t *)json_string_value(value),
		json_string_length(value) };
	return true;
}

bool document_digest(const struct document *document, const char *topic,
        uint8_t digest[32], struct fault *fault)
{
	char *text = json_dumps(document->object, JSON_COMPACT | JSON_SORT_KEYS);
	struct buffer whole = { 0 };
	bool ok;

	if (text == NULL)
		return fault_memory(fault);
	buffer_format(&whole, "%s %s", topic, text);
	free(text);
	ok = buffer_ok(&whole, fault);
	if (ok)
		SHA256(whole.data, whole.size, digest);
	buffer_clear(&whole);
	return ok;
}
