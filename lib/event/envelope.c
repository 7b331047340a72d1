/* SPDX-License-Identifier: MIT */
/*
 * A block of headers is a row of (length of name, name, length of value as two bytes,
 * value). Names are kept with their NUL, so that librdkafka can use them in place.
 */
#include "event/envelope.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

void envelope_frame(struct buffer *out, int32_t schema_id)
{
	buffer_append_byte(out, 0);
	buffer_append_u32(out, (uint32_t)schema_id);
}

bool envelope_unframe(struct bytes framed, int32_t *out_schema_id,
        struct bytes *out_value, struct fault *fault)
{
	const uint8_t *at = framed.data;

	if (framed.size < FRAME_BYTES || at[0] != 0)
		return fault_code(fault, FAULT_REJECT, "framing",
		        "the value does not begin with 00 and a schema id");
	*out_schema_id = (int32_t)((uint32_t)at[1] << 24 | (uint32_t)at[2] << 16
	                           | (uint32_t)at[3] << 8 | (uint32_t)at[4]);
	*out_value = (struct bytes){ at + FRAME_BYTES, framed.size - FRAME_BYTES };
	return true;
}

int32_t envelope_partition(struct bytes village_code, int32_t modulus)
{
	/* Of four bits each: the reversed polynomial EDB88320, as in IEEE 802.3. */
	static const uint32_t steps[16] = { 0x00000000, 0x1DB71064, 0x3B6E20C8,
		0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C, 0xEDB88320,
		0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278,
		0xBDBDF21C };
	uint32_t crc = 0xFFFFFFFFu;

	for (size_t i = 0; i < village_code.size; i++) {
		crc ^= village_code.data[i];
		crc = crc >> 4 ^ steps[crc & 15];
		crc = crc >> 4 ^ steps[crc & 15];
	}
	return (int32_t)(~crc % (uint32_t)modulus);
}

/* A header whose value is two pieces behind each other. */
static void pack_two(
        struct buffer *out, const char *name, struct bytes value, struct bytes rest)
{
	size_t size = strlen(name) + 1;

	if (value.size + rest.size > UINT16_MAX)
		return;
	buffer_append_byte(out, (uint8_t)size);
	buffer_append(out, name, size);
	buffer_append_u16(out, (uint16_t)(value.size + rest.size));
	buffer_append(out, value.data, value.size);
	buffer_append(out, rest.data, rest.size);
}

static void pack(struct buffer *out, const char *name, struct bytes value)
{
	pack_two(out, name, value, (struct bytes){ 0 });
}

static void pack_time(struct buffer *out, const char *name, int64_t time_us)
{
	char text[CLOCK_TEXT_BYTES];

	clock_format(time_us, text);
	pack(out, name, bytes_of(text));
}

void envelope_pack(struct buffer *out, const struct head *head, const char *record_name,
        int version, struct bytes traceparent)
{
	char suffix[16];

	snprintf(suffix, sizeof suffix, ".v%d", version);
	pack(out, "ce_specversion", bytes_of("1.0"));
	pack(out, "ce_id", head->event_id);
	pack_two(out, "ce_source", bytes_of("/desa/"), head->village_code);
	pack_two(out, "ce_type", bytes_of(record_name), bytes_of(suffix));
	pack_time(out, "ce_time", head->occurred_at_us);
	if (head->case_id.size > 0)
		pack(out, "ce_subject", head->case_id);
	pack_time(out, "ce_recordedtime", head->recorded_at_us);
	pack(out, "content-type", bytes_of("application/avro"));
	if (traceparent.size > 0)
		pack(out, "traceparent", traceparent);
}

static bool unpack(struct bytes block, size_t *at, struct header *out)
{
	size_t name_size;

	if (block.size - *at < 4)
		return false;
	name_size = block.data[(*at)++];
	if (name_size < 2 || block.size - *at < name_size + 2
	        || block.data[*at + name_size - 1] != 0)
		return false;
	out->name = (const char *)block.data + *at;
	*at += name_size;
	out->value.size = (size_t)block.data[*at] << 8 | block.data[*at + 1];
	*at += 2;
	if (block.size - *at < out->value.size)
		return false;
	out->value.data = block.data + *at;
	*at += out->value.size;
	return true;
}

size_t envelope_unpack(struct bytes block, int64_t seq, char sequence[24],
        struct header headers[ENVELOPE_MAX_HEADERS])
{
	size_t count = 0;
	size_t at = 0;

	while (at < block.size) {
		if (count == ENVELOPE_MAX_HEADERS - 1
		        || !unpack(block, &at, &headers[count]))
			return 0;
		count++;
	}
	if (seq == 0)
		return count;
	snprintf(sequence, 24, "%020lld", (long long)seq);
	headers[count].name = "ce_sequence";
	headers[count++].value = bytes_of(sequence);
	return count;
}
