/* SPDX-License-Identifier: MIT */
#include "event/identity.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/sha.h>

#include "base/clock.h"
#include "base/lanes.h"

/* Fixed by a throw of dice in 2026; it must never change. */
static const char namespace_text[] = "id.go.jember.desa/event-id/1";

static char *put_hex(char *at, const uint8_t *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		*at++ = digits[bytes[i] >> 4];
		*at++ = digits[bytes[i] & 15];
	}
	return at;
}

void identity_format(const uint8_t bytes[16], char text[UUID_TEXT_BYTES])
{
	static const size_t sizes[] = { 4, 2, 2, 2, 6 };
	char *at = text;

	for (int i = 0; i < 5; i++) {
		at = put_hex(at, bytes, sizes[i]);
		bytes += sizes[i];
		*at++ = '-';
	}
	at[-1] = '\0';
}

static void set_version(uint8_t bytes[16], int version)
{
	bytes[6] = (uint8_t)((bytes[6] & 0x0F) | (version << 4));
	bytes[8] = (uint8_t)((bytes[8] & 0x3F) | 0x80);
}

/* Drawn from the kernel in advance: a system call an id is a tenth of an event's cost.
 */
static void random_bytes(uint8_t *bytes, size_t size)
{
	static _Thread_local uint8_t pool[256];
	static _Thread_local size_t left;

	if (left < size) {
		/* Up to 256 bytes arrive whole once the kernel is ready: getrandom(2).
		 */
		while (getrandom(pool, sizeof pool, 0) != (ssize_t)sizeof pool)
			continue;
		left = sizeof pool;
	}
	left -= size;
	memcpy(bytes, pool + left, size);
	memset(pool + left, 0, size);
}

/*
 * RFC 9562, section 6.2, method 3: 48 bits of milliseconds and 12 bits of a finer
 * fraction are one number that is never given twice.
 */
void identity_new(char text[UUID_TEXT_BYTES])
{
	static _Atomic uint64_t last;
	uint64_t now_us = (uint64_t)clock_wall_us();
	uint64_t stamp = ((now_us / 1000) << 12) | (now_us % 1000 * 4096 / 1000);
	uint64_t before = atomic_load(&last);
	uint8_t bytes[16];

	do {
		if (stamp <= before)
			stamp = before + 1;
	} while (!atomic_compare_exchange_weak(&last, &before, stamp));
	for (int i = 0; i < 6; i++)
		bytes[i] = (uint8_t)(stamp >> (12 + 8 * (5 - i)));
	bytes[6] = (uint8_t)(stamp >> 8 & 0x0F);
	bytes[7] = (uint8_t)stamp;
	random_bytes(bytes + 8, 8);
	set_version(bytes, 7);
	identity_format(bytes, text);
}

void identity_random(char text[UUID_TEXT_BYTES])
{
	uint8_t bytes[16];

	random_bytes(bytes, sizeof bytes);
	set_version(bytes, 4);
	identity_format(bytes, text);
}

/* Version, 16 bytes of trace, 8 of parent, flags. */
void identity_trace(char text[TRACE_TEXT_BYTES])
{
	uint8_t bytes[24];
	char *at = text + 3;

	random_bytes(bytes, sizeof bytes);
	memcpy(text, "00-", 3);
	at = put_hex(at, bytes, 16);
	*at++ = '-';
	at = put_hex(at, bytes + 16, 8);
	memcpy(at, "-01", 4);
}

void identity_derive(
        struct bytes village_code, struct bytes key, char text[UUID_TEXT_BYTES])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct buffer input = { 0 };

	buffer_append(&input, namespace_text, sizeof namespace_text);
	buffer_append(&input, village_code.data, village_code.size);
	buffer_append_byte(&input, 0);
	buffer_append(&input, key.data, key.size);
	SHA256(input.data, input.size, digest);
	buffer_clear(&input);
	set_version(digest, 8);
	identity_format(digest, text);
}

static const uint8_t uuid_form[] = "00000000-0000-0000-0000-000000000000";

/* Sixteen characters from at on: hexadecimal digits, and hyphens where the form has. */
static lanes fits_form(const uint8_t *text, size_t at)
{
	lanes some = lanes_at(text + at);
	lanes hyphens = lanes_at(uuid_form + at) == '-';

	return (lanes_hex(some) & ~hyphens) | ((some == '-') & hyphens);
}

bool identity_is_uuid(struct bytes text)
{
	return text.size == UUID_TEXT_BYTES - 1
	       && lanes_all(fits_form(text.data, 0) & fits_form(text.data, 16)
	                    & fits_form(text.data, UUID_TEXT_BYTES - 1 - LANES));
}

/* Of a hexadecimal digit: letters have a bit that figures lack, and begin at 1. */
static unsigned digit(uint8_t byte)
{
	return (byte & 15u) + (byte >> 6) * 9u;
}

bool identity_parse(struct bytes text, uint8_t out[16])
{
	static const uint8_t places[16] = { 0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26,
		28, 30, 32, 34 };

	if (!identity_is_uuid(text))
		return false;
	for (size_t i = 0; i < sizeof places; i++) {
		const uint8_t *at = text.data + places[i];

		out[i] = (uint8_t)(digit(at[0]) << 4 | digit(at[1]));
	}
	return true;
}
