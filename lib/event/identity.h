/* SPDX-License-Identifier: MIT */
#ifndef EVENT_IDENTITY_H
#define EVENT_IDENTITY_H

/*
 * Identities of events: UUIDv7 (RFC 9562) for a post without a key; derived from
 * village and key for a post with one, so that a repeat has the same event_id even
 * after the spool that knew the key has died (UUIDv8: SHA-256 of a fixed namespace,
 * village and key). Text is lower case, 36 characters and a NUL.
 */

#include "base/bytes.h"

enum { UUID_TEXT_BYTES = 37, TRACE_TEXT_BYTES = 56 };

/* Two calls never return the same; ids of one process grow with time. Thread-safe. */
void identity_new(char text[UUID_TEXT_BYTES]);
void identity_random(char text[UUID_TEXT_BYTES]); /* UUIDv4, for incarnations */
void identity_trace(char text[TRACE_TEXT_BYTES]); /* W3C Trace Context, sampled */
void identity_derive(
        struct bytes village_code, struct bytes key, char text[UUID_TEXT_BYTES]);

/* 16 bytes to text. */
void identity_format(const uint8_t bytes[16], char text[UUID_TEXT_BYTES]);

/* Whether text is a UUID of 36 characters; faster than to parse it. */
bool identity_is_uuid(struct bytes text);

/* 36 characters, lower or upper case, to 16 bytes. */
MUST_CHECK bool identity_parse(struct bytes text, uint8_t out[16]);

#endif
