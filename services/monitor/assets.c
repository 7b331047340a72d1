/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/embedded.h"
#include "monitor.h"

extern const struct embedded embedded_page[];

static const char *media_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	if (dot != NULL && strcmp(dot, ".css") == 0)
		return "text/css; charset=utf-8";
	if (dot != NULL && strcmp(dot, ".js") == 0)
		return "text/javascript; charset=utf-8";
	return "text/html; charset=utf-8";
}

static void serve_asset(void *context, struct http_request *request)
{
	static const struct http_problem unknown = { 404, "not-found", "Not found",
		"There is nothing at this address.",
		"Tidak ada apa-apa di alamat ini." };
	const char *name = http_tail(request)[0] ? http_tail(request) : "index.html";
	const struct embedded *file = embedded_find(embedded_page, name);

	(void)context;
	if (file == NULL) {
		http_refuse(request, &unknown, NULL);
		return;
	}
	http_answer_header(request, "Content-Security-Policy",
	        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src "
	        "'self'; "
	        "img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action "
	        "'none'");
	http_answer_header(request, "Cache-Control", "no-cache");
	http_answer(request, 200, media_of(file->name),
	        (struct bytes){ file->bytes, file->size });
}

void assets_serve(struct http *http)
{
	static const struct http_route routes[] = {
		{ "GET", "/", NULL, 0, serve_asset, NULL },
		{ "GET", "/assets/", NULL, 0, serve_asset, NULL },
		{ 0 },
	};

	http_serve(http, routes);
}
