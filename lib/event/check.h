/* SPDX-License-Identifier: MIT */
#ifndef EVENT_CHECK_H
#define EVENT_CHECK_H

/*
 * JSON from a stranger against a schema. The strict reading of interfaces.md: UTF-8
 * without NUL, no duplicate members, bounded depth, numbers exact, nothing converted.
 * All faults of a body are collected (at most CHECK_FAULTS), each with its JSON
 * pointer and words in English and Indonesian made from the schema's own doc texts;
 * never a value of the body.
 */

#include "base/bytes.h"
#include "event/schema.h"
#include "event/value.h"

enum {
	CHECK_FAULTS = 20,
	CHECK_DEPTH = 16,
	CHECK_NAME_BYTES = 64, /* a stranger's member name is cut to this in pointers */
};

enum check_verdict {
	CHECK_OK,
	CHECK_NOT_JSON, /* answer 400 */
	CHECK_MISFIT,   /* answer 422 */
};

struct check_fault {
	char pointer[256]; /* RFC 6901 */
	char expected[96]; /* machine-like: "nik", "decimal(18,2)", "SUBMITTED|AMENDED"
	                    */
	char detail[256];
	char detail_id[256];
};

struct check_report {
	enum check_verdict verdict;
	size_t count;
	struct check_fault faults[CHECK_FAULTS];
};

/* A parsed JSON object. */
struct document;

/*
 * Parse the body of one object. The document stands in the arena and looks into the
 * body: it lives as long as both. False with the report filled when it is not JSON, not
 * an object or breaks a bound; *out is set on success only.
 */
MUST_CHECK bool document_parse(struct document **out, struct arena *arena,
        struct bytes body, struct check_report *report);

/*
 * Take a text member out of the object (a batch line's "record", "idempotency_key").
 * False and nothing changed when it is absent or no text. *out lives as long as the
 * document.
 */
bool document_take(struct document *document, const char *member, struct bytes *out);

/*
 * SHA-256 over topic and object in a canonical form: the same members, the same digest,
 * whatever their order and spacing.
 */
MUST_CHECK bool document_digest(const struct document *document, const char *topic,
        uint8_t digest[32], struct fault *fault);

/*
 * Check the object as a record that a sender posts. Fields that the gateway sets are
 * refused in the body and left zero in *out; an absent field takes its default. now_us
 * is the standard of occurred_at. An absent event_id is left empty for the caller.
 * Texts of *out look into the document.
 * False: report->verdict is CHECK_MISFIT, or memory ran out and fault says so
 * (report->verdict is then CHECK_OK).
 */
MUST_CHECK bool check_record(const struct schema *schema,
        const struct document *document, int64_t now_us, struct arena *arena,
        struct value *out, struct check_report *report, struct fault *fault);

#endif
