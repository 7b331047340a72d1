/* SPDX-License-Identifier: MIT */
/* The JSON behind the page; what takes a database goes to the desk. */
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "desk.h"
#include "monitor.h"

struct api {
	struct board *board;
	struct desk *desk;
	struct access *access;
	struct http_route routes[9];
};

static const struct http_problem no_village = { 404, "not-found", "Not found",
	"There is no village with this code.", "Tidak ada desa dengan kode ini." };

void answer_json(struct http_request *request, struct buffer *out)
{
	buffer_append_byte(out, '\n');
	http_answer_header(request, "Cache-Control", "no-store");
	http_answer(request, 200, "application/json", buffer_bytes(out));
	buffer_clear(out);
}

static void serve_summary(void *context, struct http_request *request)
{
	struct api *api = context;
	struct buffer out = { 0 };

	board_stats(api->board, NULL, &out);
	answer_json(request, &out);
}

static void serve_villages(void *context, struct http_request *request)
{
	struct api *api = context;
	struct buffer out = { 0 };

	board_villages(api->board, &out);
	answer_json(request, &out);
}

static void serve_village(void *context, struct http_request *request)
{
	struct api *api = context;

	if (board_has_village(api->board, http_tail(request)))
		desk_ask_village(api->desk, request, http_tail(request));
	else
		http_refuse(request, &no_village, NULL);
}

static void serve_departments(void *context, struct http_request *request)
{
	struct api *api = context;
	struct buffer out = { 0 };

	board_departments(api->board, &out);
	answer_json(request, &out);
}

static void serve_me(void *context, struct http_request *request)
{
	struct api *api = context;
	struct buffer out = { 0 };

	access_put_me(api->access, request, &out);
	answer_json(request, &out);
}

/* Behind the path stand a village's code, a slash, and the case. */
static void serve_case(void *context, struct http_request *request)
{
	static const struct http_problem no_case = { 404, "not-found", "Not found",
		"A case is named by its village's code and its own name.",
		"Perkara disebut dengan kode desa dan nomor perkaranya." };
	struct api *api = context;
	struct asker asker;
	const char *tail = http_tail(request);
	size_t size = strcspn(tail, "/");
	char code[16] = "";

	if (size < sizeof code)
		memcpy(code, tail, size);
	if (!board_has_village(api->board, code)) {
		http_refuse(request, &no_village, NULL);
	} else if (tail[size] == '\0' || tail[size + 1] == '\0'
	           || strlen(tail + size + 1) >= CASE_BYTES
	           || !bytes_is_text(bytes_of(tail + size + 1))) {
		http_refuse(request, &no_case, NULL);
	} else if (access_asker(api->access, request, &asker)) {
		desk_ask_case(api->desk, request, code, tail + size + 1, &asker);
	}
}

bool api_open(struct api **out, struct board *board, struct desk *desk,
        struct access *access, struct http *http, struct fault *fault)
{
	struct api *api = calloc(1, sizeof *api);

	if (api == NULL)
		return fault_memory(fault);
	*out = api;
	api->board = board;
	api->desk = desk;
	api->access = access;
	api->routes[0] = (struct http_route){ "GET", "/v1/summary", NULL, 0,
		serve_summary, api };
	api->routes[1] = (struct http_route){ "GET", "/v1/villages", NULL, 0,
		serve_villages, api };
	api->routes[2] = (struct http_route){ "GET", "/v1/villages/", NULL, 0,
		serve_village, api };
	api->routes[3] = (struct http_route){ "GET", "/v1/departments", NULL, 0,
		serve_departments, api };
	api->routes[4] =
	        (struct http_route){ "GET", "/v1/cases/", NULL, 0, serve_case, api };
	api->routes[5] = (struct http_route){ "GET", "/v1/me", NULL, 0, serve_me, api };
	http_serve(http, api->routes);
	return true;
}

void api_close(struct api **api)
{
	free(*api);
	*api = NULL;
}
