/* SPDX-License-Identifier: MIT */
#include "tokens.h"

#include <stdlib.h>
#include <string.h>

#include "run/keyring.h"

struct tokens {
	double per_second;
	struct keyring_kind kind;
	struct keyring *keyring;
};

static bool is_scope(void *catalog, const char *word)
{
	return strcmp(word, "read") == 0 || strcmp(word, "repair") == 0
	       || catalog_short(catalog, word) != NULL;
}

bool tokens_open(struct tokens **out, const char *path, uint64_t requests_per_second,
        const struct catalog *catalog, struct fault *fault)
{
	struct tokens *tokens = calloc(1, sizeof *tokens);

	if (tokens == NULL)
		return fault_memory(fault);
	tokens->per_second = (double)requests_per_second;
	tokens->kind = (struct keyring_kind){ .has_tokens = true,
		.is_scope = is_scope,
		.context = (void *)catalog,
		.scopes = "read, repair, * and the topics' short names" };
	if (!keyring_open(&tokens->keyring, path, &tokens->kind, fault)) {
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
	keyring_close(&(*tokens)->keyring);
	free(*tokens);
	*tokens = NULL;
}

bool tokens_reload(struct tokens *tokens, struct fault *fault)
{
	return keyring_reload(tokens->keyring, fault);
}

bool tokens_any(const struct tokens *tokens)
{
	return keyring_any(tokens->keyring);
}

/* Asking */

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

/* No page of a name that was made to point here: a browser always says the host. */
static bool is_no_strangers_page(const struct http_request *request)
{
	return http_header(request, "Host") == NULL || http_host_is_known(request);
}

/* The page on this machine, which has no token; who shows one is held to it. */
static bool is_the_counter(const struct http_request *request)
{
	return http_is_local(request) && is_no_strangers_page(request)
	       && http_header(request, "Authorization") == NULL;
}

bool tokens_may_post(
        struct tokens *tokens, struct http_request *request, const char *topic)
{
	const struct key *key = keyring_find(tokens->keyring, request);

	return !tokens_any(tokens) || is_the_counter(request)
	       || (key != NULL && key_has(key, topic));
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
	static const struct http_problem foreign = { 403, "host", "Foreign name",
		"The gateway is not served under that name; see the setting hosts.",
		"Gerbang ini tidak disajikan dengan nama itu; lihat pengaturan "
		"hosts." };
	struct tokens *tokens = context;
	const char *scope = scope_of(route);
	struct key *key;

	if (!tokens_any(tokens) && !is_no_strangers_page(request)) {
		http_refuse(request, &foreign, NULL);
		return false;
	}
	if (!tokens_any(tokens) || scope == NULL)
		return true;
	key = keyring_find(tokens->keyring, request);
	if (is_the_counter(request) && strcmp(scope, "repair") != 0)
		return true;
	if (key == NULL) {
		http_answer_header(request, "WWW-Authenticate", "Bearer");
		http_refuse(request, &unknown, NULL);
	} else if (strcmp(scope, "batch") != 0 && !key_has(key, scope)) {
		http_refuse(request, &forbidden, NULL);
	} else if (!key_take(key, tokens->per_second)) {
		http_answer_header(request, "Retry-After", "1");
		http_refuse(request, &often, NULL);
	} else {
		return true;
	}
	return false;
}
