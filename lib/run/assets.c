/* SPDX-License-Identifier: MIT */
#include "run/assets.h"

#include <string.h>

#include "base/embedded.h"

static const char policy[] =
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

static const char *media_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	if (dot != NULL && strcmp(dot, ".css") == 0)
		return "text/css; charset=utf-8";
	if (dot != NULL && strcmp(dot, ".js") == 0)
		return "text/javascript; charset=utf-8";
	if (dot != NULL && strcmp(dot, ".svg") == 0)
		return "image/svg+xml";
	if (dot != NULL && strcmp(dot, ".csv") == 0)
		return "text/csv; charset=utf-8";
	if (dot == NULL)
		return "text/plain; charset=utf-8";
	return "text/html; charset=utf-8";
}

static void serve(struct http_request *request, const struct embedded *file)
{
	static const struct http_problem unknown = { 404, "not-found", "Not found",
		"There is nothing at this address.",
		"Tidak ada apa-apa di alamat ini." };

	if (file == NULL) {
		http_refuse(request, &unknown, NULL);
		return;
	}
	http_answer_header(request, "Content-Security-Policy", policy);
	http_answer_header(request, "Cache-Control", "no-cache");
	http_answer(request, 200, media_of(file->name),
	        (struct bytes){ file->bytes, file->size });
}

void assets_serve(void *embedded, struct http_request *request)
{
	const char *name = http_tail(request)[0] ? http_tail(request) : "index.html";

	serve(request, embedded_find(embedded, name));
}

void assets_serve_index(void *embedded, struct http_request *request)
{
	serve(request, embedded_find(embedded, "index.html"));
}
