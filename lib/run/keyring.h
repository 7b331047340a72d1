/* SPDX-License-Identifier: MIT */
#ifndef RUN_KEYRING_H
#define RUN_KEYRING_H

/*
 * Who is known and what each may do. A file of lines, either `name sha256 scope,scope`:
 * the name of a system or a person, the SHA-256 of its bearer token in hex, and its
 * scopes; or, where somebody else has made sure who asks, `name scope,scope`. The
 * tokens themselves stand nowhere.
 *
 * One thread owns a keyring; keys live until it is read again.
 */

#include "port/http.h"

struct keyring;
struct key;

/* What a file of a program looks like. */
struct keyring_kind {
	bool has_tokens; /* else names only */
	bool (*is_scope)(void *context, const char *word);
	void *context;
	const char *scopes; /* in words, for the fault */
};

/* path "": nobody is known. Faults are FAULT_STOP. kind must outlive the keyring. */
MUST_CHECK bool keyring_open(struct keyring **out, const char *path,
        const struct keyring_kind *kind, struct fault *fault);
void keyring_close(struct keyring **keyring);

/* Read the file again; a file with a fault leaves all as it was. */
MUST_CHECK bool keyring_reload(struct keyring *keyring, struct fault *fault);

/* Whether there is a file. */
bool keyring_any(const struct keyring *keyring);

/* Whose bearer token the request shows, or who has that name; NULL: nobody. */
struct key *keyring_find(struct keyring *keyring, const struct http_request *request);
struct key *keyring_named(struct keyring *keyring, const char *name);

const char *key_name(const struct key *key);

/* Whether the scope, or `*`, is among its own. */
bool key_has(const struct key *key, const char *scope);

/* Each has a bucket: so many a second, twice as many at once. False: it is empty. */
bool key_take(struct key *key, double per_second);

#endif
