/* SPDX-License-Identifier: MIT */
#include "tokens.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "event/digest.h"

enum { LINE_BYTES = 1024, NAME_BYTES = 64, MOST_TOKENS = 256 };

struct token {
	char name[NAME_BYTES];
	uint8_t digest[DIGEST_BYTES];
	char scopes[LINE_BYTES]; /* ",read,requests," */
	double drops;            /* in the bucket */
	int64_t filled_us;       /* monotonic */
};

struct list {
	struct token *tokens;
	size_t count;
};

struct tokens {
	const char *path;
	const struct catalog *catalog;
	double per_second;
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

static bool is_scope(const struct catalog *catalog, const char *word)
{
	return strcmp(word, "read") == 0 || strcmp(word, "repair") == 0
	       || strcmp(word, "*") == 0 || catalog_short(catalog, word) != NULL;
}

static bool read_scopes(const struct catalog *catalog, char *words, struct token *token)
{
	char *rest = NULL;

	strcpy(token->scopes, ",");
	for (char *word = strtok_r(words, ",", &rest); word != NULL;
	        word = strtok_r(NULL, ",", &rest)) {
		if (!is_scope(catalog, word))
			return false;
		strcat(token->scopes, word);
		strcat(token->scopes, ",");
	}
	return true;
}

/* name sha256 scopes */
static bool read_token(const struct catalog *catalog, char *line, struct token *token)
{
	char *rest = NULL;
	const char *name = strtok_r(line, " \t\r\n", &rest);
	const char *digest = strtok_r(NULL, " \t\r\n", &rest);
	char *scopes = strtok_r(NULL, " \t\r\n", &rest);

	if (scopes == NULL || strtok_r(NULL, " \t\r\n", &rest) != NULL
	        || strlen(name) >= NAME_BYTES)
		return false;
	strcpy(token->name, name);
	return read_hex(digest, token->digest) && read_scopes(catalog, scopes, token);
}

static bool read_list(
        const struct tokens *tokens, FILE *file, struct list *out, struct fault *fault)
{
	char line[LINE_BYTES / 2];

	for (int number = 1; fgets(line, sizeof line, file) != NULL; number++) {
		if (line[strspn(line, " \t\r\n")] == '\0' || line[0] == '#')
			continue;
		if (out->count == MOST_TOKENS)
			return fault_set(fault, FAULT_STOP, "%s: more than %d tokens",
			        tokens->path, MOST_TOKENS);
		if (!read_token(tokens->catalog, line, &out->tokens[out->count]))
			return fault_set(fault, FAULT_STOP,
			        "%s, line %d: expected: name sha256 scope,scope; "
			        "scopes "
			        "are read, repair, * and the topics' short names",
			        tokens->path, number);
		out->count++;
	}
	return true;
}

/* Who reads the sums can try words against them, who writes makes his own. A group may
 * read: the file then is root's and the gateway's group's.
 */
static bool is_private(const struct tokens *tokens, FILE *file, struct fault *fault)
{
	struct stat info;

	return (fstat(fileno(file), &info) == 0 && (info.st_mode & 0027) == 0)
	       || fault_set(fault, FAULT_STOP,
	               "tokens %s: others may read or change it; chmod 600 it",
	               tokens->path);
}

bool tokens_reload(struct tokens *tokens, struct fault *fault)
{
	struct list fresh = { calloc(MOST_TOKENS, sizeof *fresh.tokens), 0 };
	FILE *file = fopen(tokens->path, "re");
	bool ok;

	if (file != NULL && !is_private(tokens, file, fault)) {
		ok = false;
	} else if (fresh.tokens == NULL || file == NULL) {
		ok = fresh.tokens == NULL
		             ? fault_memory(fault)
		             : fault_set(fault, FAULT_STOP, "tokens %s: %s",
		                     tokens->path, strerror(errno));
	} else {
		ok = read_list(tokens, file, &fresh, fault);
	}
	if (file != NULL)
		fclose(file);
	if (!ok) {
		free(fresh.tokens);
		return false;
	}
	free(tokens->list.tokens);
	tokens->list = fresh;
	return true;
}

bool tokens_open(struct tokens **out, const char *path, uint64_t requests_per_second,
        const struct catalog *catalog, struct fault *fault)
{
	struct tokens *tokens = calloc(1, sizeof *tokens);

	if (tokens == NULL)
		return fault_memory(fault);
	tokens->path = path;
	tokens->catalog = catalog;
	tokens->per_second = (double)requests_per_second;
	if (path[0] != '\0' && !tokens_reload(tokens, fault)) {
		tokens_close(&tokens);
		return false;
	}
	*out = tokens;
	return true;
}

void tokens_close(struct tokens **tokens)
{
	if (*tokens == NULL)
		return;
	free((*tokens)->list.tokens);
	free(*tokens);
	*tokens = NULL;
}

bool tokens_any(const struct tokens *tokens)
{
	return tokens->path[0] != '\0';
}

/* Asking */

static struct token *find_token(
        struct tokens *tokens, const struct http_request *request)
{
	const char *value = http_header(request, "Authorization");
	uint8_t digest[DIGEST_BYTES];
	struct bytes secret;

	if (value == NULL || strncasecmp(value, "Bearer ", 7) != 0)
		return NULL;
	secret = bytes_of(value + 7);
	digest_of(&secret, 1, digest);
	for (size_t i = 0; i < tokens->list.count; i++)
		if (memcmp(tokens->list.tokens[i].digest, digest, sizeof digest) == 0)
			return &tokens->list.tokens[i];
	return NULL;
}

static bool has_scope(const struct token *token, const char *scope)
{
	char wanted[NAME_BYTES + 2];

	snprintf(wanted, sizeof wanted, ",%.60s,", scope);
	return strstr(token->scopes, wanted) != NULL
	       || strstr(token->scopes, ",*,") != NULL;
}

/* What a route asks for; NULL: nothing. A batch is looked at line by line. */
static const char *scope_of(const struct http_route *route)
{
	if (strncmp(route->path, "/v1/", 4) != 0)
		return NULL;
	if (strcmp(route->method, "GET") == 0)
		return "read";
	if (strcmp(route->path, "/v1/resend") == 0
	        || strcmp(route->path, "/v1/events/") == 0)
		return "repair";
	return route->path + 4;
}

static bool take_drop(const struct tokens *tokens, struct token *token)
{
	int64_t now_us = clock_monotonic_us();
	double most = 2 * tokens->per_second;

	token->drops += (double)(now_us - token->filled_us) * 1e-6 * tokens->per_second;
	if (token->filled_us == 0 || token->drops > most)
		token->drops = most;
	token->filled_us = now_us;
	if (token->drops < 1)
		return false;
	token->drops -= 1;
	return true;
}

/* The page on this machine, which has no token; who shows one is held to it. */
static bool is_the_counter(const struct http_request *request)
{
	return http_is_local(request) && http_header(request, "Authorization") == NULL;
}

bool tokens_may_post(
        struct tokens *tokens, struct http_request *request, const char *topic)
{
	const struct token *token = find_token(tokens, request);

	return !tokens_any(tokens) || is_the_counter(request)
	       || (token != NULL && has_scope(token, topic));
}

bool tokens_admit(
        void *context, struct http_request *request, const struct http_route *route)
{
	static const struct http_problem unknown = { 401, "unauthorized",
		"Who are you?", "This address needs a bearer token that is known here.",
		"Alamat ini memerlukan kunci akses (token) yang terdaftar." };
	static const struct http_problem forbidden = { 403, "forbidden", "Not allowed",
		"This token may not do that.",
		"Kunci akses ini tidak berhak untuk itu." };
	static const struct http_problem often = { 429, "too-often", "Too often",
		"This token asks more often than it may; wait a second.",
		"Terlalu sering; tunggu sebentar lalu coba lagi." };
	struct tokens *tokens = context;
	const char *scope = scope_of(route);
	struct token *token;

	if (!tokens_any(tokens) || scope == NULL)
		return true;
	token = find_token(tokens, request);
	if (is_the_counter(request) && strcmp(scope, "repair") != 0)
		return true;
	if (token == NULL) {
		http_answer_header(request, "WWW-Authenticate", "Bearer");
		http_refuse(request, &unknown, NULL);
	} else if (strcmp(scope, "batch") != 0 && !has_scope(token, scope)) {
		http_refuse(request, &forbidden, NULL);
	} else if (!take_drop(tokens, token)) {
		http_answer_header(request, "Retry-After", "1");
		http_refuse(request, &often, NULL);
	} else {
		return true;
	}
	return false;
}
