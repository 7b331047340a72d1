/* SPDX-License-Identifier: MIT */
/*
 * What a tree's parser takes for granted is looked at before it sees the text: UTF-8,
 * NUL, depth. Only where it refuses is jansson asked, for the place of the fault.
 */
#include "event/document.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "event/digest.h"

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

/* Says where, in line and byte, as far as jansson finds anything wrong. */
static bool not_well_formed(struct check_report *report, struct bytes body)
{
	json_error_t error = { 0 };
	char where[128];
	char where_id[128];

	if (body.size == 0)
		return not_json(report, "The body is empty.", "Isi kiriman kosong.");
	json_decref(json_loadb((const char *)body.data, body.size,
	        JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error));
	snprintf(where, sizeof where,
	        "The body is not JSON without duplicate members (line %d, byte %d).",
	        error.line, error.position);
	snprintf(where_id, sizeof where_id,
	        "Isi kiriman bukan JSON yang benar (baris %d, bita %d).", error.line,
	        error.position);
	return not_json(report, where, where_id);
}

bool document_parse(struct document **out, struct arena *arena, struct bytes body,
        struct check_report *report)
{
	struct document *document = arena_alloc(arena, sizeof *document);

	report->verdict = CHECK_OK;
	report->count = 0;
	if (!bytes_is_text(body))
		return not_json(report, "The body is not UTF-8 text without NUL.",
		        "Isi kiriman bukan teks UTF-8.");
	if (!bytes_json_is_shallow(body, CHECK_DEPTH))
		return not_json(report, "The body is nested deeper than 16.",
		        "Isi kiriman bersarang lebih dari 16 tingkat.");
	if (document == NULL)
		return not_json(report, "Out of memory.", "Memori habis.");
	document->arena = arena;
	if (!tree_parse(&document->object, arena, body, TREE_WITHOUT_NUL))
		return not_well_formed(report, body);
	if (document->object.kind != TREE_OBJECT) {
		not_json(report, "The body must be one JSON object.",
		        "Isi kiriman harus satu objek JSON.");
		report->verdict = CHECK_MISFIT;
		return false;
	}
	*out = document;
	return true;
}

bool document_take(struct document *document, const char *member, struct bytes *out)
{
	const struct tree *at = NULL;
	const struct tree *found = tree_member(&document->object, member, &at);

	if (found == NULL || found->kind != TREE_TEXT)
		return false;
	tree_take(&document->object, found);
	*out = found->text;
	return true;
}

bool document_digest(const struct document *document, const char *topic,
        uint8_t digest[DIGEST_BYTES], struct fault *fault)
{
	struct buffer whole = { 0 };
	struct bytes text;
	bool ok;

	buffer_format(&whole, "%s ", topic);
	tree_print(&document->object, document->arena, &whole);
	text = buffer_bytes(&whole);
	ok = buffer_ok(&whole, fault);
	if (ok)
		digest_of(&text, 1, digest);
	buffer_clear(&whole);
	return ok;
}
