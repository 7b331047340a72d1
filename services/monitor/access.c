/* SPDX-License-Identifier: MIT */
#include "access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/keyring.h"

struct access {
	const char *user_header;
	bool is_socket_file;
	struct keyring *tokens;
	struct keyring *roles;
};

static const struct http_problem unknown = { 401, "unauthorized", "Who are you?",
	"This address needs a bearer token that is known here, or a sign-in at the "
	"proxy.",
	"Alamat ini memerlukan kunci akses (token). Minta kepada pengelola hub." };
static const struct http_problem forbidden = { 403, "forbidden", "Not allowed",
	"Your role does not reach this.",
	"Peran Anda tidak berhak untuk ini. Minta kepada pengelola hub." };
static const struct http_problem foreign = { 403, "host", "Foreign name",
	"This monitor is not served under that name; see the setting hosts.",
	"Monitor ini tidak disajikan dengan nama itu; lihat pengaturan hosts." };
static const struct http_problem no_reason = { 400, "reason", "No reason",
	"X-Kentongan-Reason: say in 5 to 199 printable characters what it is for.",
	"Sebutkan alasannya dalam 5 sampai 199 huruf." };

/* Opening */

static bool is_role(void *context, const char *word)
{
	(void)context;
	return strcmp(word, "watch") == 0 || strcmp(word, "audit") == 0
	       || strcmp(word, "repair") == 0;
}

static const struct keyring_kind token_kind = {
	.has_tokens = true, .is_scope = is_role, .scopes = "watch, audit, repair and *"
};
static const struct keyring_kind role_kind = { .is_scope = is_role,
	.scopes = "watch, audit, repair and *" };

static bool settings_agree(
        const struct access *access, const char *roles, struct fault *fault)
{
	bool has_header = access->user_header[0] != '\0';

	if (has_header && !access->is_socket_file)
		return fault_set(fault, FAULT_STOP,
		        "user_header: anybody could send it; it is believed with "
		        "listen "
		        "= unix:PATH only");
	if (has_header != (roles[0] != '\0'))
		return fault_set(fault, FAULT_STOP,
		        "user_header and roles belong together: who may do what is in "
		        "the file that roles names");
	return true;
}

bool access_open(struct access **out, const struct conf *conf, struct fault *fault)
{
	struct access *access = calloc(1, sizeof *access);

	if (access == NULL)
		return fault_memory(fault);
	*out = access;
	access->user_header = conf_text(conf, "user_header");
	access->is_socket_file = strncmp(conf_text(conf, "listen"), "unix:", 5) == 0;
	return settings_agree(access, conf_text(conf, "roles"), fault)
	       && keyring_open(
	               &access->tokens, conf_text(conf, "tokens"), &token_kind, fault)
	       && keyring_open(
	               &access->roles, conf_text(conf, "roles"), &role_kind, fault);
}

void access_close(struct access **access)
{
	if (*access == NULL)
		return;
	keyring_close(&(*access)->tokens);
	keyring_close(&(*access)->roles);
	free(*access);
	*access = NULL;
}

bool access_reload(struct access *access, struct fault *fault)
{
	return (!keyring_any(access->tokens) || keyring_reload(access->tokens, fault))
	       && (!keyring_any(access->roles) || keyring_reload(access->roles, fault));
}

static bool is_guarded(const struct access *access)
{
	return keyring_any(access->tokens) || keyring_any(access->roles);
}

bool access_check_listener(
        const struct access *access, const char *listen, struct fault *fault)
{
	bool is_local;

	return http_check_listen(listen, &is_local, fault)
	       && (is_guarded(access) || is_local
	               || fault_set(fault, FAULT_STOP,
	                       "listen: without tokens the monitor listens on this "
	                       "machine only, on 127.0.0.1 or [::1]; set tokens to a "
	                       "file of them"));
}

/* Asking */

/* The proxy's word first: it came over a socket that only it may open. */
static struct key *find_key(struct access *access, const struct http_request *request)
{
	const char *user = access->user_header[0] != '\0'
	                           ? http_header(request, access->user_header)
	                           : NULL;

	if (user != NULL && http_header_repeats(request, access->user_header))
		return NULL; /* a proxy that adds its word leaves the caller's too */
	if (user != NULL)
		return keyring_named(access->roles, user);
	return keyring_find(access->tokens, request);
}

/* Addresses that hold nothing of the villages: the page's own files, the contract. */
static bool is_open(const struct http_route *route)
{
	static const char *const exact[] = { "/", "/healthz", "/readyz", NULL };
	static const char *const below[] = { "/assets/", "/villages/", "/cases/",
		"/schemas/", "/subjects", "/config", "/mode", "/apis/", NULL };

	for (size_t i = 0; exact[i] != NULL; i++)
		if (strcmp(route->path, exact[i]) == 0)
			return true;
	for (size_t i = 0; below[i] != NULL; i++)
		if (strncmp(route->path, below[i], strlen(below[i])) == 0)
			return true;
	return false;
}

bool access_admit(
        void *context, struct http_request *request, const struct http_route *route)
{
	struct access *access = context;

	if (is_open(route))
		return true;
	if (!is_guarded(access)) {
		if (http_host_is_known(request) || access->is_socket_file)
			return true;
		http_refuse(request, &foreign, NULL);
		return false;
	}
	if (find_key(access, request) != NULL)
		return true;
	if (keyring_any(access->tokens))
		http_answer_header(request, "WWW-Authenticate", "Bearer");
	http_refuse(request, &unknown, NULL);
	return false;
}

static bool is_reason(const char *text)
{
	return strlen(text) < sizeof((struct asker *)0)->reason
	       && bytes_is_reason(bytes_of(text));
}

bool access_asker(
        struct access *access, struct http_request *request, struct asker *out)
{
	const char *reason = http_header(request, "X-Kentongan-Reason");
	const struct key *key = find_key(access, request);

	*out = (struct asker){ .view = VIEW_MASKED, .is_named = key != NULL };
	snprintf(out->name, sizeof out->name, "%s", key ? key_name(key) : "local");
	if (reason == NULL)
		return true;
	if (key == NULL || !key_has(key, "audit")) {
		http_refuse(request, &forbidden, NULL);
		return false;
	}
	if (!is_reason(reason)) {
		http_refuse(request, &no_reason, NULL);
		return false;
	}
	snprintf(out->reason, sizeof out->reason, "%s", reason);
	out->view = VIEW_OPEN;
	return true;
}

/* Whoever was let in watches, whatever else he may. */
void access_put_me(
        struct access *access, const struct http_request *request, struct buffer *out)
{
	static const char *const more[] = { "audit", "repair" };
	const struct key *key = find_key(access, request);

	buffer_append_text(out, "{\"name\":");
	buffer_append_json(out, bytes_of(key ? key_name(key) : "local"));
	buffer_append_text(out, ",\"roles\":[\"watch\"");
	for (size_t i = 0; key != NULL && i < sizeof more / sizeof more[0]; i++)
		if (key_has(key, more[i]))
			buffer_format(out, ",\"%s\"", more[i]);
	buffer_append_text(out, "]}");
}
