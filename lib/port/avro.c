/* SPDX-License-Identifier: MIT */
/*
 * The generic value of Avro-C is filled from ours and written field by field: a
 * record's binary form is its fields' one after the other, so the seam is the writer's
 * position before its field.
 */
#include "port/avro.h"

#include <stdlib.h>
#include <string.h>

#include <avro.h>
#include <jansson.h>

enum { FIRST_BYTES = 4096, MOST_BYTES = 16 << 20 };

struct avro_encoder {
	avro_schema_t schema;
	avro_value_iface_t *class;
	avro_value_t value;
	avro_writer_t writer;
	char *memory;
	size_t room;
};

static bool avro_fault(struct fault *fault)
{
	return fault_set(fault, FAULT_STOP, "avro: %s", avro_strerror());
}

static bool encoder_grow(struct avro_encoder *encoder, size_t room, struct fault *fault)
{
	char *memory = realloc(encoder->memory, room);

	if (memory == NULL)
		return fault_memory(fault);
	encoder->memory = memory;
	encoder->room = room;
	if (encoder->writer == NULL)
		encoder->writer = avro_writer_memory(memory, (int64_t)room);
	else
		avro_writer_memory_set_dest(encoder->writer, memory, (int64_t)room);
	return encoder->writer != NULL || fault_memory(fault);
}

static void drop_defaults(json_t *json)
{
	const char *key;
	json_t *member;
	size_t index;

	json_object_del(json, "default");
	json_object_foreach(json, key, member) drop_defaults(member);
	json_array_foreach(json, index, member) drop_defaults(member);
}

/* Avro-C cannot read the default "\u0000", which is a decimal's 0, and needs none. */
static bool encoder_schema(
        struct avro_encoder *encoder, struct bytes text, struct fault *fault)
{
	json_t *json = json_loadb((const char *)text.data, text.size,
	        JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	char *bare;
	bool ok;

	drop_defaults(json);
	bare = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
	json_decref(json);
	if (bare == NULL)
		return fault_memory(fault);
	ok = avro_schema_from_json_length(bare, strlen(bare), &encoder->schema) == 0
	     || avro_fault(fault);
	free(bare);
	return ok;
}

static bool encoder_prepare(
        struct avro_encoder *encoder, const struct schema *schema, struct fault *fault)
{
	if (!encoder_schema(encoder, schema_text(schema), fault))
		return false;
	encoder->class = avro_generic_class_from_schema(encoder->schema);
	if (encoder->class == NULL
	        || avro_generic_value_new(encoder->class, &encoder->value) != 0)
		return avro_fault(fault);
	return encoder_grow(encoder, FIRST_BYTES, fault);
}

bool avro_encoder_open(
        struct avro_encoder **out, const struct schema *schema, struct fault *fault)
{
	struct avro_encoder *encoder = calloc(1, sizeof *encoder);

	if (encoder == NULL)
		return fault_memory(fault);
	if (!encoder_prepare(encoder, schema, fault)) {
		avro_encoder_close(&encoder);
		return false;
	}
	*out = encoder;
	return true;
}

void avro_encoder_close(struct avro_encoder **encoder)
{
	struct avro_encoder *old = *encoder;

	if (old == NULL)
		return;
	if (old->writer != NULL)
		avro_writer_free(old->writer);
	if (old->value.iface != NULL)
		avro_value_decref(&old->value);
	if (old->class != NULL)
		avro_value_iface_decref(old->class);
	if (old->schema != NULL)
		avro_schema_decref(old->schema);
	free(old->memory);
	free(old);
	*encoder = NULL;
}

static int fill(avro_value_t *to, const struct value *from);

/* Avro-C counts the NUL of a string; ours has none, so the text is copied. */
static int fill_string(avro_value_t *to, struct bytes text)
{
	char small[512];
	char *copy = text.size < sizeof small ? small : malloc(text.size + 1);
	int result;

	if (copy == NULL)
		return -1;
	if (text.size > 0)
		memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	result = avro_value_set_string_len(to, copy, text.size + 1);
	if (copy != small)
		free(copy);
	return result;
}

static int fill_list(avro_value_t *to, const struct value *from)
{
	for (size_t i = 0; i < from->list.count; i++) {
		avro_value_t item;

		if (avro_value_append(to, &item, NULL) != 0
		        || fill(&item, &from->list.values[i]) != 0)
			return -1;
	}
	return 0;
}

static int fill_map(avro_value_t *to, const struct value *from)
{
	for (size_t i = 0; i < from->map.count; i++) {
		struct bytes name = from->map.entries[i].key;
		avro_value_t item;
		char *key = strndup((const char *)name.data, name.size);
		int result = key ? avro_value_add(to, key, &item, NULL, NULL) : -1;

		free(key);
		if (result != 0 || fill(&item, &from->map.entries[i].value) != 0)
			return -1;
	}
	return 0;
}

static int fill_record(avro_value_t *to, const struct value *from)
{
	for (size_t i = 0; i < from->list.count; i++) {
		avro_value_t field;

		if (avro_value_get_by_index(to, i, &field, NULL) != 0
		        || fill(&field, &from->list.values[i]) != 0)
			return -1;
	}
	return 0;
}

static int fill_union(avro_value_t *to, const struct value *from)
{
	avro_value_t branch;

	if (avro_value_set_branch(to, (int)from->branch, &branch) != 0)
		return -1;
	return fill(&branch, from->item);
}

static int fill(avro_value_t *to, const struct value *from)
{
	switch (from->node->type) {
	case SCHEMA_NULL:
		return avro_value_set_null(to);
	case SCHEMA_BOOLEAN:
		return avro_value_set_boolean(to, from->boolean);
	case SCHEMA_INT:
		return avro_value_set_int(to, (int32_t)from->integer);
	case SCHEMA_LONG:
		return avro_value_set_long(to, from->integer);
	case SCHEMA_FLOAT:
		return avro_value_set_float(to, (float)from->real);
	case SCHEMA_DOUBLE:
		return avro_value_set_double(to, from->real);
	case SCHEMA_STRING:
		return fill_string(to, from->bytes);
	case SCHEMA_BYTES:
		return avro_value_set_bytes(
		        to, (void *)from->bytes.data, from->bytes.size);
	case SCHEMA_FIXED:
		return avro_value_set_fixed(
		        to, (void *)from->bytes.data, from->bytes.size);
	case SCHEMA_ENUM:
		return avro_value_set_enum(to, (int)from->integer);
	case SCHEMA_ARRAY:
		return fill_list(to, from);
	case SCHEMA_MAP:
		return fill_map(to, from);
	case SCHEMA_RECORD:
		return fill_record(to, from);
	case SCHEMA_UNION:
		return fill_union(to, from);
	}
	return -1;
}

/* False when the memory is too small for the value. */
static bool write_fields(struct avro_encoder *encoder, const struct value *record,
        const char *seam_field, size_t *out_seam)
{
	avro_writer_reset(encoder->writer);
	for (size_t i = 0; i < record->list.count; i++) {
		const char *name = record->node->fields[i].name;
		avro_value_t field;

		if (avro_value_get_by_index(&encoder->value, i, &field, NULL) != 0)
			return false;
		if (seam_field != NULL && strcmp(name, seam_field) == 0)
			*out_seam = (size_t)avro_writer_tell(encoder->writer);
		if (avro_value_write(encoder->writer, &field) != 0)
			return false;
	}
	return true;
}

bool avro_encode(struct avro_encoder *encoder, const struct value *record,
        const char *seam_field, struct buffer *out, size_t *out_seam,
        struct fault *fault)
{
	size_t seam = 0;

	if (avro_value_reset(&encoder->value) != 0
	        || fill(&encoder->value, record) != 0)
		return avro_fault(fault);
	while (!write_fields(encoder, record, seam_field, &seam)) {
		if (encoder->room >= MOST_BYTES)
			return avro_fault(fault);
		if (!encoder_grow(encoder, encoder->room * 4, fault))
			return false;
	}
	buffer_append(out, encoder->memory, (size_t)avro_writer_tell(encoder->writer));
	if (out_seam != NULL)
		*out_seam = seam;
	return buffer_ok(out, fault);
}
