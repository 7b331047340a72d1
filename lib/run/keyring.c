/* SPDX-License-Identifier: MIT */
#include "run/keyring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "event/digest.h"

enum { LINE_BYTES = 1024, NAME_BYTES = 64, MOST_KEYS = 256 };

struct key {
	char name[NAME_BYTES];
	uint8_t digest[DIGEST_BYTES];
	char scopes[LINE_BYTES]; /* ",read,requests," */
	double drops;            /* in the bucket */
	int64_t filled_us;       /* monotonic */
};

struct list {
	struct key *keys;
	size_t count;
};

struct keyring {
	const char *path;
	const struct keyring_kind *kind;
	struct list list;
};

/* Reading */

static bool read_hex(const char *text, uint8_t out[DIGEST_BYTES])
{
	if (strlen(text) != 2 * DIGEST_BYTES
	        || strspn(text, "0123456789abcdef") != 2 * DIGEST_BYTES)
		return false;
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		unsigned byte;

		sscanf(text + 2 * i, "%2x", &byte);
		out[i] = (uint8_t)byte;
	}
	return true;
}

static bool read_scopes(const struct keyring_kind *kind, char *words, struct key *key)
{
	char *rest = NULL;

	strcpy(key->scopes, ",");
	for (char *word = strtok_r(words, ",", &rest); word != NULL;
	        word = strtok_r(NULL, ",", &rest)) {
		if (strcmp(word, "*") != 0 && !kind->is_scope(kind->context, word))
			return false;
		strcat(key->scopes, word);
		strcat(key->scopes, ",");
	}
	return true;
}

static bool read_key(const struct keyring_kind *kind, char *line, struct key *key)
{
	char *rest = NULL;
	const char *name = strtok_r(line, " \t\r\n", &rest);
	const char *digest = kind->has_tokens ? strtok_r(NULL, " \t\r\n", &rest) : NULL;
	char *scopes = strtok_r(NULL, " \t\r\n", &rest);

	if (scopes == NULL || strtok_r(NULL, " \t\r\n", &rest) != NULL
	        || strlen(name) >= NAME_BYTES)
		return false;
	strcpy(key->name, name);
	return bytes_is_text(bytes_of(name))
	       && (digest == NULL || read_hex(digest, key->digest))
	       && read_scopes(kind, scopes, key);
}

/* Whether the newest key is somebody's already: one person would pass for another. */
static bool stands_twice(const struct keyring_kind *kind, const struct list *list)
{
	const struct key *newest = &list->keys[list->count];

	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->keys[i].name, newest->name) == 0
		        || (kind->has_tokens
		                && memcmp(list->keys[i].digest, newest->digest,
		                           DIGEST_BYTES)
		                           == 0))
			return true;
	return false;
}

static bool read_list(const struct keyring *keyring, FILE *file, struct list *out,
        struct fault *fault)
{
	const struct keyring_kind *kind = keyring->kind;
	char line[LINE_BYTES / 2];

	for (int number = 1; fgets(line, sizeof line, file) != NULL; number++) {
		if (line[strspn(line, " \t\r\n")] == '\0' || line[0] == '#')
			continue;
		if (out->count == MOST_KEYS)
			return fault_set(fault, FAULT_STOP, "%s: more than %d lines",
			        keyring->path, MOST_KEYS);
		if (!read_key(kind, line, &out->keys[out->count]))
			return fault_set(fault, FAULT_STOP,
			        "%s, line %d: expected: name %sscope,scope; scopes are "
			        "%s",
			        keyring->path, number,
			        kind->has_tokens ? "sha256 " : "", kind->scopes);
		if (stands_twice(kind, out))
			return fault_set(fault, FAULT_STOP,
			        "%s, line %d: that name%s stands here twice",
			        keyring->path, number,
			        kind->has_tokens ? " or token" : "");
		out->count++;
	}
	return true;
}

/* Who reads the sums can try words against them, who writes makes his own. A group may
 * read: the file then is root's and the program's group's.
 */
static bool is_private(const struct keyring *keyring, FILE *file, struct fault *fault)
{
	struct stat info;

	return (fstat(fileno(file), &info) == 0 && (info.st_mode & 0027) == 0)
	       || fault_set(fault, FAULT_STOP,
	               "tokens %s: others may read or change it; chmod 600 it",
	               keyring->path);
}

bool keyring_reload(struct keyring *keyring, struct fault *fault)
{
	struct list fresh = { calloc(MOST_KEYS, sizeof *fresh.keys), 0 };
	FILE *file = fopen(keyring->path, "re");
	bool ok;

	if (fresh.keys == NULL)
		ok = fault_memory(fault);
	else if (file == NULL)
		ok = fault_set(
		        fault, FAULT_STOP, "%s: %s", keyring->path, strerror(errno));
	else
		ok = is_private(keyring, file, fault)
		     && read_list(keyring, file, &fresh, fault);
	if (file != NULL)
		fclose(file);
	if (!ok) {
		free(fresh.keys);
		return false;
	}
	free(keyring->list.keys);
	keyring->list = fresh;
	return true;
}

bool keyring_open(struct keyring **out, const char *path,
        const struct keyring_kind *kind, struct fault *fault)
{
	struct keyring *keyring = calloc(1, sizeof *keyring);

	if (keyring == NULL)
		return fault_memory(fault);
	keyring->path = path;
	keyring->kind = kind;
	if (path[0] != '\0' && !keyring_reload(keyring, fault)) {
		keyring_close(&keyring);
		return false;
	}
	*out = keyring;
	return true;
}

void keyring_close(struct keyring **keyring)
{
	if (*keyring == NULL)
		return;
	free((*keyring)->list.keys);
	free(*keyring);
	*keyring = NULL;
}

bool keyring_any(const struct keyring *keyring)
{
	return keyring->path[0] != '\0';
}

/* Asking */

struct key *keyring_find(struct keyring *keyring, const struct http_request *request)
{
	const char *value = http_header(request, "Authorization");
	uint8_t digest[DIGEST_BYTES];
	struct bytes secret;

	if (value == NULL || strncasecmp(value, "Bearer ", 7) != 0)
		return NULL;
	secret = bytes_of(value + 7);
	digest_of(&secret, 1, digest);
	for (size_t i = 0; i < keyring->list.count; i++)
		if (memcmp(keyring->list.keys[i].digest, digest, sizeof digest) == 0)
			return &keyring->list.keys[i];
	return NULL;
}

struct key *keyring_named(struct keyring *keyring, const char *name)
{
	for (size_t i = 0; i < keyring->list.count; i++)
		if (strcmp(keyring->list.keys[i].name, name) == 0)
			return &keyring->list.keys[i];
	return NULL;
}

const char *key_name(const struct key *key)
{
	return key->name;
}

bool key_has(const struct key *key, const char *scope)
{
	char wanted[NAME_BYTES + 2];

	snprintf(wanted, sizeof wanted, ",%.60s,", scope);
	return strstr(key->scopes, wanted) != NULL
	       || strstr(key->scopes, ",*,") != NULL;
}

bool key_take(struct key *key, double per_second)
{
	int64_t now_us = clock_monotonic_us();
	double most = 2 * per_second;

	key->drops += (double)(now_us - key->filled_us) * 1e-6 * per_second;
	if (key->filled_us == 0 || key->drops > most)
		key->drops = most;
	key->filled_us = now_us;
	if (key->drops < 1)
		return false;
	key->drops -= 1;
	return true;
}
