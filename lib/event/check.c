/* SPDX-License-Identifier: MIT */
/*
 * One walk over JSON and schema together. A fault is noted and the walk goes on, so
 * that a sender learns all of them at once; the words come from the schema's own doc
 * texts and from the kind of what was expected.
 */
#include "event/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "event/decimal.h"
#include "event/document.h"
#include "event/format.h"

enum { POINTER_BYTES = 256 };

struct check {
	struct arena *arena;
	struct check_report *report;
	struct fault *fault; /* memory only */
	int64_t now_us;
	char pointer[POINTER_BYTES];
	size_t pointer_size;
};

/* What was expected, for a machine, in English and in Indonesian. */
struct wish {
	const char *expected;
	const char *words;
	const char *words_id;
};

static bool check_node(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out);

static void pointer_push(struct check *check, struct bytes name)
{
	size_t limit = name.size;

	if (limit > CHECK_NAME_BYTES) /* cut before a character, not within one */
		for (limit = CHECK_NAME_BYTES; (name.data[limit] & 0xC0) == 0x80;)
			limit--;
	if (check->pointer_size + 2 * limit + 2 >= POINTER_BYTES)
		return;
	check->pointer[check->pointer_size++] = '/';
	for (size_t i = 0; i < limit; i++) {
		char sign = (char)name.data[i];
		bool escape = sign == '~' || sign == '/';

		check->pointer[check->pointer_size++] = escape ? '~' : sign;
		if (escape)
			check->pointer[check->pointer_size++] = sign == '~' ? '0' : '1';
	}
}

/* A field's name, in which nothing has to be escaped. */
static void pointer_push_field(struct check *check, const char *name)
{
	size_t size = strlen(name);

	if (size > CHECK_NAME_BYTES) {
		pointer_push(check, bytes_of(name));
	} else if (check->pointer_size + size + 2 < POINTER_BYTES) {
		check->pointer[check->pointer_size] = '/';
		memcpy(check->pointer + check->pointer_size + 1, name, size);
		check->pointer_size += size + 1;
	}
}

static void pointer_push_index(struct check *check, size_t index)
{
	char text[24];

	snprintf(text, sizeof text, "%zu", index);
	pointer_push(check, bytes_of(text));
}

static struct check_fault *next_fault(struct check *check, const char *expected)
{
	struct check_fault *fault;

	check->report->verdict = CHECK_MISFIT;
	if (check->report->count == CHECK_FAULTS)
		return NULL;
	fault = &check->report->faults[check->report->count++];
	memcpy(fault->pointer, check->pointer, check->pointer_size);
	fault->pointer[check->pointer_size] = '\0';
	snprintf(fault->expected, sizeof fault->expected, "%s", expected);
	return fault;
}

/* Always false, so that refusing is one line. */
static bool refuse(
        struct check *check, const struct schema_field *field, struct wish wish)
{
	struct check_fault *fault = next_fault(check, wish.expected);

	if (fault == NULL)
		return false;
	snprintf(fault->detail, sizeof fault->detail, "Expected %s. (%s)", wish.words,
	        field ? field->doc : "");
	snprintf(fault->detail_id, sizeof fault->detail_id, "Isi dengan %s. (%s)",
	        wish.words_id, field ? field->doc_id : "");
	return false;
}

static bool refuse_member(struct check *check, struct bytes name, const char *expected,
        const char *words, const char *words_id)
{
	size_t size = check->pointer_size;
	struct check_fault *fault;

	pointer_push(check, name);
	fault = next_fault(check, expected);
	if (fault != NULL) {
		snprintf(fault->detail, sizeof fault->detail, "%s", words);
		snprintf(fault->detail_id, sizeof fault->detail_id, "%s", words_id);
	}
	check->pointer_size = size;
	return false;
}

static void *check_alloc(struct check *check, size_t count, size_t size)
{
	void *memory = arena_alloc(check->arena, count * size);

	if (memory == NULL)
		fault_memory(check->fault);
	return memory;
}

/* uuids are kept in small letters: the same identity must look the same. */
static bool lower_uuid(struct check *check, struct value *out)
{
	uint8_t *copy = check_alloc(check, out->bytes.size, 1);

	if (copy == NULL)
		return false;
	for (size_t i = 0; i < out->bytes.size; i++) {
		uint8_t byte = out->bytes.data[i];

		copy[i] = byte >= 'A' && byte <= 'F' ? (uint8_t)(byte + 32) : byte;
	}
	out->bytes.data = copy;
	return true;
}

static bool check_length(
        struct check *check, const struct schema_field *field, struct bytes text)
{
	size_t length;
	char expected[64];
	char words[96];
	char words_id[96];

	if (text.size <= field->max_length && text.size >= 4 * field->min_length)
		return true; /* however many bytes a character takes: not counted */
	length = bytes_code_points(text);
	if (length >= field->min_length && length <= field->max_length)
		return true;
	snprintf(expected, sizeof expected, "length %zu..%zu", field->min_length,
	        field->max_length);
	snprintf(words, sizeof words, "text of %zu to %zu characters",
	        field->min_length, field->max_length);
	snprintf(words_id, sizeof words_id, "teks %zu sampai %zu tanda",
	        field->min_length, field->max_length);
	return refuse(check, field, (struct wish){ expected, words, words_id });
}

static bool check_text(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	const char *form = node->logical == LOGICAL_UUID ? "uuid" : field->format;
	const struct format *format = format_find(form);

	if (json->kind != TREE_TEXT)
		return refuse(check, field, (struct wish){ "string", "text", "teks" });
	out->bytes = json->text;
	if (format != NULL && !format->fits(out->bytes))
		return refuse(check, field,
		        (struct wish){ form, format->words, format->words_id });
	if (!check_length(check, field, out->bytes))
		return false;
	if (!schema_matches(field, out->bytes))
		return refuse(check, field,
		        (struct wish){ field->pattern,
		                "text of the form that the field has",
		                "teks sesuai bentuk isian" });
	return node->logical != LOGICAL_UUID || lower_uuid(check, out);
}

static bool refuse_below(struct check *check, const struct schema_field *field)
{
	char expected[64];
	char words[96];
	char words_id[96];

	snprintf(expected, sizeof expected, ">= %.40s", field->minimum);
	snprintf(words, sizeof words, "a number of %.40s or more", field->minimum);
	snprintf(words_id, sizeof words_id, "angka %.40s atau lebih", field->minimum);
	return refuse(check, field, (struct wish){ expected, words, words_id });
}

static bool refuse_decimal(struct check *check, const struct schema_field *field,
        const struct schema_node *node)
{
	char expected[64];
	char words[128];
	char words_id[128];

	snprintf(expected, sizeof expected, "decimal(%d,%d)", node->precision,
	        node->scale);
	snprintf(words, sizeof words,
	        "an amount as text of digits with at most %d decimals, such as "
	        "\"150000.00\"",
	        node->scale);
	snprintf(words_id, sizeof words_id,
	        "jumlah sebagai teks angka, paling banyak %d angka di belakang titik, "
	        "misalnya \"150000.00\"",
	        node->scale);
	return refuse(check, field, (struct wish){ expected, words, words_id });
}

static bool check_decimal(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	decimal least;
	decimal number;
	uint8_t *bytes;
	size_t size = node->type == SCHEMA_FIXED ? node->size : DECIMAL_BYTES;

	if (json->kind != TREE_TEXT
	        || !decimal_parse(json->text, node->precision, node->scale, &number))
		return refuse_decimal(check, field, node);
	if (field->minimum[0] != '\0'
	        && decimal_parse(
	                bytes_of(field->minimum), node->precision, node->scale, &least)
	        && number < least)
		return refuse_below(check, field);
	bytes = check_alloc(check, size, 1);
	if (bytes == NULL)
		return false;
	out->bytes.size = node->type == SCHEMA_FIXED
	                          ? decimal_bytes_fixed(number, bytes, size)
	                          : decimal_bytes(number, bytes);
	out->bytes.data = bytes;
	return true;
}

/*
 * Text of U+0000 to U+00FF as bytes, as Avro's JSON encoding has it. False with the
 * fault filled when memory is out, false without when another character is there.
 */
static bool latin_bytes(struct check *check, const struct tree *json, struct bytes *out)
{
	struct bytes text = json->text;
	uint8_t *bytes = check_alloc(check, text.size, 1);
	size_t size = 0;

	for (size_t i = 0; bytes != NULL && i < text.size; i++) {
		uint8_t byte = text.data[i];

		if (byte > 0xC3)
			return false;
		if (byte >= 0xC2)
			byte = (uint8_t)(byte << 6 | (text.data[++i] & 0x3F));
		bytes[size++] = byte;
	}
	*out = (struct bytes){ bytes, size };
	return bytes != NULL;
}

static bool check_bytes(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	if (node->logical == LOGICAL_DECIMAL)
		return check_decimal(check, field, node, json, out);
	if (json->kind == TREE_TEXT && latin_bytes(check, json, &out->bytes)
	        && (node->type == SCHEMA_BYTES || out->bytes.size == node->size))
		return true;
	return check->fault->kind == FAULT_NONE
	       && refuse(check, field, (struct wish){ "bytes", "bytes", "bita" });
}

static bool check_time(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	static const struct wish date = { "date", "a date such as 2026-11-21",
		"tanggal, misalnya 2026-11-21" };
	static const struct wish moment = { "date-time",
		"a time with its offset, such as 2026-11-21T08:15:00+07:00",
		"waktu dengan selisihnya, misalnya 2026-11-21T08:15:00+07:00" };
	int32_t days;
	int64_t time_us;

	if (node->logical == LOGICAL_DATE) {
		if (json->kind != TREE_TEXT || !clock_parse_date(json->text, &days))
			return refuse(check, field, date);
		out->integer = days;
		return true;
	}
	if (json->kind != TREE_TEXT || !clock_parse(json->text, &time_us)
	        || (node->logical == LOGICAL_TIMESTAMP_MILLIS && time_us % 1000 != 0))
		return refuse(check, field, moment);
	out->integer =
	        node->logical == LOGICAL_TIMESTAMP_MILLIS ? time_us / 1000 : time_us;
	return true;
}

static bool check_integer(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	static const struct wish whole = { "integer", "a whole number",
		"bilangan bulat" };
	int64_t number = json->integer; /* where it is one */

	if (node->logical != LOGICAL_NONE && node->logical != LOGICAL_TIME_MICROS)
		return check_time(check, field, node, json, out);
	if (json->kind != TREE_INTEGER
	        || (node->type == SCHEMA_INT
	                && (number < INT32_MIN || number > INT32_MAX))
	        || (node->logical == LOGICAL_TIME_MICROS
	                && (number < 0 || number >= INT64_C(86400000000))))
		return refuse(check, field, whole);
	if (field->minimum[0] != '\0' && number < strtoll(field->minimum, NULL, 10))
		return refuse_below(check, field);
	out->integer = number;
	return true;
}

static bool is_number(const struct tree *json)
{
	return json->kind == TREE_INTEGER || json->kind == TREE_REAL;
}

static double number_of(const struct tree *json)
{
	return json->kind == TREE_INTEGER ? (double)json->integer : json->real;
}

static bool check_real(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	static const struct wish number = { "number", "a number", "bilangan" };
	static const struct wish small = { "number of 32 bits",
		"a number no larger than 3.4e38", "bilangan tidak lebih dari 3.4e38" };

	if (!is_number(json))
		return refuse(check, field, number);
	out->real = number_of(json);
	if (node->type == SCHEMA_FLOAT && !isfinite((float)out->real))
		return refuse(check, field, small);
	return true;
}

/* Whether the sender may give the symbol as an answer. */
static bool is_answer(
        const struct schema_field *field, const struct schema_node *node, size_t symbol)
{
	return !field->required_of_sender || (int)symbol != node->default_symbol;
}

static bool refuse_symbol(struct check *check, const struct schema_field *field,
        const struct schema_node *node)
{
	char list[96] = "";
	size_t used = 0;

	for (size_t i = 0; i < node->symbol_count; i++)
		if (is_answer(field, node, i)
		        && used + strlen(node->symbols[i]) + 2 < sizeof list)
			used += (size_t)snprintf(list + used, sizeof list - used,
			        "%s%s", used ? "|" : "", node->symbols[i]);
	return refuse(check, field, (struct wish){ list, list, list });
}

static bool check_symbol(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	for (size_t i = 0; json->kind == TREE_TEXT && i < node->symbol_count; i++) {
		if (bytes_equal_text(json->text, node->symbols[i])
		        && is_answer(field, node, i)) {
			out->integer = (int64_t)i;
			return true;
		}
	}
	return refuse_symbol(check, field, node);
}

/* kind is "array" or "object", as a sender knows it. */
static bool refuse_count(
        struct check *check, const struct schema_field *field, const char *kind)
{
	bool list = kind[0] == 'a';
	char expected[64];
	char words[96];
	char words_id[96];

	snprintf(
	        expected, sizeof expected, "%s of at most %zu", kind, field->max_items);
	snprintf(words, sizeof words, "%s with at most %zu %s",
	        list ? "a list" : "an object", field->max_items,
	        list ? "items" : "members");
	snprintf(words_id, sizeof words_id, "%s berisi paling banyak %zu",
	        list ? "daftar" : "objek", field->max_items);
	return refuse(check, field, (struct wish){ expected, words, words_id });
}

static bool check_array(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	size_t size = check->pointer_size;
	size_t i = 0;
	bool ok = true;

	if (json->kind != TREE_ARRAY || json->count > field->max_items)
		return refuse_count(check, field, "array");
	out->list.values = check_alloc(check, json->count, sizeof *out->list.values);
	if (out->list.values == NULL)
		return false;
	out->list.count = json->count;
	for (const struct tree *at = json->first; at != NULL; at = at->next, i++) {
		pointer_push_index(check, i);
		ok &= check_node(check, field, node->items, at, &out->list.values[i]);
		check->pointer_size = size;
	}
	return ok;
}

static bool check_map(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	size_t size = check->pointer_size;
	struct value_entry *entry;
	bool ok = true;

	if (json->kind != TREE_OBJECT || json->count > field->max_items)
		return refuse_count(check, field, "object");
	out->map.count = json->count;
	out->map.entries = check_alloc(check, out->map.count, sizeof *entry);
	if (out->map.entries == NULL)
		return false;
	entry = out->map.entries;
	for (const struct tree *at = json->first; at != NULL; at = at->next, entry++) {
		entry->key = at->name;
		pointer_push(check, at->name);
		ok &= check_length(check, field, at->name)
		      && check_node(check, field, node->items, at, &entry->value);
		check->pointer_size = size;
	}
	return ok;
}

static bool fits_branch(const struct schema_node *node, const struct tree *json)
{
	switch (node->type) {
	case SCHEMA_NULL:
		return json->kind == TREE_NULL;
	case SCHEMA_BOOLEAN:
		return (json->kind == TREE_TRUE || json->kind == TREE_FALSE);
	case SCHEMA_INT:
	case SCHEMA_LONG:
		return node->logical == LOGICAL_NONE ? json->kind == TREE_INTEGER
		                                     : json->kind == TREE_TEXT;
	case SCHEMA_FLOAT:
	case SCHEMA_DOUBLE:
		return is_number(json);
	case SCHEMA_BYTES:
	case SCHEMA_STRING:
	case SCHEMA_FIXED:
	case SCHEMA_ENUM:
		return json->kind == TREE_TEXT;
	case SCHEMA_ARRAY:
		return json->kind == TREE_ARRAY;
	case SCHEMA_RECORD:
	case SCHEMA_MAP:
		return json->kind == TREE_OBJECT;
	case SCHEMA_UNION:
		return false;
	}
	return false;
}

/* The last branch that the JSON could be; where it could be none, the last but null. */
static size_t last_branch(const struct schema_node *node, const struct tree *json)
{
	size_t branch = node->branch_count;

	while (branch > 0 && !fits_branch(node->branches[branch - 1], json))
		branch--;
	if (branch > 0)
		return branch - 1;
	for (branch = node->branch_count - 1; branch > 0; branch--)
		if (node->branches[branch]->type != SCHEMA_NULL)
			break;
	return branch;
}

/* The first branch that takes the value; where none does, the last says why not. */
static bool check_union(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	struct check_report *report = check->report;
	enum check_verdict verdict = report->verdict;
	size_t count = report->count;
	size_t last = last_branch(node, json);

	out->item = check_alloc(check, 1, sizeof *out->item);
	for (size_t i = 0; out->item != NULL && i <= last; i++) {
		if (i < last && !fits_branch(node->branches[i], json))
			continue;
		report->verdict = verdict;
		report->count = count;
		out->branch = i;
		*out->item = (struct value){ 0 };
		if (check_node(check, field, node->branches[i], json, out->item))
			return true;
		if (check->fault->kind != FAULT_NONE)
			return false;
	}
	return false;
}

static bool check_default(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out);

/* Null, as a union that has it, or as itself. */
static bool take_null(struct check *check, struct value *out)
{
	const struct schema_node *node = out->node;

	if (node->type == SCHEMA_NULL)
		return true;
	while (node->branches[out->branch]->type != SCHEMA_NULL)
		out->branch++;
	out->item = check_alloc(check, 1, sizeof *out->item);
	if (out->item == NULL)
		return false;
	out->item->node = node->branches[out->branch];
	return true;
}

/* The parser of schemas has seen that the default fits, so only memory can run out. */
static bool take_default(
        struct check *check, const struct schema_field *field, struct value *out)
{
	struct tree json;

	if (strcmp(field->standard, "null") == 0) /* most are: not parsed each time */
		return take_null(check, out);
	return (tree_parse(
	                &json, check->arena, bytes_of(field->standard), TREE_WITH_NUL)
	               && check_default(check, field, field->type, &json, out))
	       || fault_memory(check->fault);
}

static bool default_record(struct check *check, const struct schema_node *node,
        const struct tree *json, struct value *out)
{
	const struct tree *at = NULL;

	out->list.count = node->field_count;
	out->list.values = check_alloc(check, node->field_count, sizeof *out);
	if (out->list.values == NULL)
		return false;
	for (size_t i = 0; i < node->field_count; i++) {
		const struct schema_field *field = &node->fields[i];
		const struct tree *member = tree_member(json, field->name, &at);
		struct value *value = &out->list.values[i];

		value->node = field->type;
		if (member ? !check_default(check, field, field->type, member, value)
		           : !take_default(check, field, value))
			return false;
	}
	return true;
}

static bool default_list(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	size_t i = 0;

	out->list.count = json->count;
	out->list.values = check_alloc(check, json->count, sizeof *out);
	if (out->list.values == NULL)
		return false;
	for (const struct tree *at = json->first; at != NULL; at = at->next)
		if (!check_default(
		            check, field, node->items, at, &out->list.values[i++]))
			return false;
	return true;
}

static bool default_map(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	struct value_entry *entry = check_alloc(check, json->count, sizeof *entry);

	out->map.count = json->count;
	out->map.entries = entry;
	if (entry == NULL)
		return false;
	for (const struct tree *at = json->first; at != NULL; at = at->next, entry++) {
		entry->key = at->name;
		if (!check_default(check, field, node->items, at, &entry->value))
			return false;
	}
	return true;
}

/* A default as Avro writes it: a union's is its first branch's, and no form applies. */
static bool check_default(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	out->node = node;
	switch (node->type) {
	case SCHEMA_NULL:
		return true;
	case SCHEMA_BOOLEAN:
		out->boolean = json->kind == TREE_TRUE;
		return true;
	case SCHEMA_INT:
	case SCHEMA_LONG:
		out->integer = json->integer;
		return true;
	case SCHEMA_FLOAT:
	case SCHEMA_DOUBLE:
		out->real = number_of(json);
		return true;
	case SCHEMA_STRING:
		out->bytes = json->text;
		return true;
	case SCHEMA_BYTES:
	case SCHEMA_FIXED:
		return latin_bytes(check, json, &out->bytes);
	case SCHEMA_ENUM:
		for (size_t i = 0; i < node->symbol_count; i++)
			if (bytes_equal_text(json->text, node->symbols[i]))
				out->integer = (int64_t)i;
		return true;
	case SCHEMA_RECORD:
		return default_record(check, node, json, out);
	case SCHEMA_ARRAY:
		return default_list(check, field, node, json, out);
	case SCHEMA_MAP:
		return default_map(check, field, node, json, out);
	case SCHEMA_UNION:
		out->branch = 0;
		out->item = check_alloc(check, 1, sizeof *out->item);
		return out->item != NULL
		       && check_default(
		               check, field, node->branches[0], json, out->item);
	}
	return true;
}

/* Leave a field that the sender did not give as its default, now, or zero. */
static bool check_absent(
        struct check *check, const struct schema_field *field, struct value *out)
{
	struct check_fault *fault;

	if (field->set_by_gateway || strcmp(field->name, "event_id") == 0)
		return true;
	if (strcmp(field->name, "occurred_at") == 0) {
		out->integer = check->now_us;
		return true;
	}
	if (field->standard != NULL && !field->required_of_sender)
		return take_default(check, field, out);
	if (field->standard == NULL && schema_is_nullable(field->type))
		return take_null(check, out);
	pointer_push(check, bytes_of(field->name));
	fault = next_fault(check, "present");
	if (fault != NULL) {
		snprintf(fault->detail, sizeof fault->detail,
		        "This field must be given. (%s)", field->doc);
		snprintf(fault->detail_id, sizeof fault->detail_id,
		        "Isian ini harus diisi. (%s)", field->doc_id);
	}
	return false;
}

static bool check_field(struct check *check, const struct schema_field *field,
        const struct tree *json, struct value *out)
{
	size_t size = check->pointer_size;
	bool ok;

	out->node = field->type;
	if (json != NULL && field->set_by_gateway)
		return refuse_member(check, bytes_of(field->name), "absent",
		        "This field is set by the gateway and may not be given.",
		        "Isian ini diisi oleh sistem dan tidak boleh dikirim.");
	if (json == NULL) {
		ok = check_absent(check, field, out);
	} else {
		pointer_push_field(check, field->name);
		ok = check_node(check, field, field->type, json, out);
	}
	check->pointer_size = size;
	return ok;
}

static bool is_field(const struct schema_node *node, struct bytes name)
{
	for (size_t i = 0; i < node->field_count; i++)
		if (bytes_equal_text(name, node->fields[i].name))
			return true;
	return false;
}

static bool check_members(
        struct check *check, const struct schema_node *node, const struct tree *json)
{
	bool ok = true;

	for (const struct tree *at = json->first; at != NULL; at = at->next)
		if (!is_field(node, at->name))
			ok = refuse_member(check, at->name, "absent",
			        "There is no such field.", "Isian ini tidak dikenal.");
	return ok;
}

static bool check_record_node(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	const struct tree *at = NULL;
	size_t known = 0;
	bool ok = true;

	if (json->kind != TREE_OBJECT)
		return refuse(check, field,
		        (struct wish){ "object", "an object with its fields",
		                "objek dengan isiannya" });
	out->list.count = node->field_count;
	out->list.values = check_alloc(check, node->field_count, sizeof *out);
	if (out->list.values == NULL)
		return false;
	for (size_t i = 0; i < node->field_count; i++) {
		const struct tree *member =
		        tree_member(json, node->fields[i].name, &at);

		known += member != NULL;
		ok &= check_field(
		        check, &node->fields[i], member, &out->list.values[i]);
	}
	if (known < json->count) /* seldom, and then each is looked for */
		ok = check_members(check, node, json) && ok;
	return ok;
}

static bool check_node(struct check *check, const struct schema_field *field,
        const struct schema_node *node, const struct tree *json, struct value *out)
{
	out->node = node;
	switch (node->type) {
	case SCHEMA_NULL:
		return json->kind == TREE_NULL
		       || refuse(check, field, (struct wish){ "null", "null", "null" });
	case SCHEMA_BOOLEAN:
		out->boolean = json->kind == TREE_TRUE;
		return (json->kind == TREE_TRUE || json->kind == TREE_FALSE)
		       || refuse(check, field,
		               (struct wish){
		                       "boolean", "true or false", "true atau false" });
	case SCHEMA_INT:
	case SCHEMA_LONG:
		return check_integer(check, field, node, json, out);
	case SCHEMA_FLOAT:
	case SCHEMA_DOUBLE:
		return check_real(check, field, node, json, out);
	case SCHEMA_BYTES:
	case SCHEMA_FIXED:
		return check_bytes(check, field, node, json, out);
	case SCHEMA_STRING:
		return check_text(check, field, node, json, out);
	case SCHEMA_ENUM:
		return check_symbol(check, field, node, json, out);
	case SCHEMA_RECORD:
		return check_record_node(check, field, node, json, out);
	case SCHEMA_ARRAY:
		return check_array(check, field, node, json, out);
	case SCHEMA_MAP:
		return check_map(check, field, node, json, out);
	case SCHEMA_UNION:
		return check_union(check, field, node, json, out);
	}
	return false;
}

bool check_record(const struct schema *schema, const struct document *document,
        int64_t now_us, struct arena *arena, struct value *out,
        struct check_report *report, struct fault *fault)
{
	struct check check = {
		.arena = arena, .report = report, .fault = fault, .now_us = now_us
	};

	report->verdict = CHECK_OK;
	report->count = 0;
	fault_clear(fault);
	*out = (struct value){ .node = schema_root(schema) };
	return check_record_node(&check, NULL, out->node, &document->object, out);
}
