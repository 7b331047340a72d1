/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_ACCESS_H
#define MONITOR_ACCESS_H

/*
 * Who may look. By a bearer token (setting `tokens`), or by the name that a proxy puts
 * into a header on a socket file (`user_header`, `roles`); without either everybody on
 * this machine watches, and the monitor listens to nobody else. docs/decisions/0052.
 *
 * Roles: `watch` sees the picture, masked; `audit` may see personal data, with a reason
 * that is kept; `repair` is for what changes something. Each of them watches. To a
 * stranger nothing is shown but the empty page, which says how to get in, the schemas,
 * and whether the program lives.
 *
 * The loop's thread owns it.
 */

#include "base/conf.h"
#include "desk.h"
#include "port/http.h"

struct access;

/* Faults are FAULT_STOP: settings that would let strangers in. */
MUST_CHECK bool access_open(
        struct access **out, const struct conf *conf, struct fault *fault);
void access_close(struct access **access);

/* Read tokens and roles again; a file with a fault leaves all as it was. */
MUST_CHECK bool access_reload(struct access *access, struct fault *fault);

/* Whether it is safe to listen there. */
MUST_CHECK bool access_check_listener(
        const struct access *access, const char *listen, struct fault *fault);

/* An http_gate: the request may go on, or was refused with 401 or 403. */
bool access_admit(
        void *access, struct http_request *request, const struct http_route *route);

/*
 * Who asks, and what for: with a header X-Kentongan-Reason they want to see personal
 * data. False: the request was refused, as they may not or gave no reason worth it.
 */
MUST_CHECK bool access_asker(
        struct access *access, struct http_request *request, struct asker *out);

/* Who asks and with which roles, as JSON, appended. */
void access_put_me(
        struct access *access, const struct http_request *request, struct buffer *out);

/* The settings that access_open() reads. */
#define ACCESS_KEYS                                                                    \
	CONF_KEY(PATH, tokens, "",                                                     \
	        "file of `name sha256 watch,audit,repair`; without it and "            \
	        "user_header "                                                         \
	        "only this machine is listened to"),                                   \
	        CONF_KEY(TEXT, user_header, "",                                        \
	                "header in which a proxy says who asks; only with listen = "   \
	                "unix:PATH"),                                                  \
	        CONF_KEY(PATH, roles, "", "file of `user watch,audit,repair` for it")

#endif
