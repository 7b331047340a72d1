/* SPDX-License-Identifier: MIT */
#ifndef RUN_ASSETS_H
#define RUN_ASSETS_H

/*
 * The files of a page that are built into a program, as a route's handler: context is
 * the program's array of struct embedded, the name is what follows the route's path,
 * "index.html" when nothing does. The page may load from its own address only
 * (Content-Security-Policy) and asks for itself anew each time. Unknown names are 404.
 */

#include "port/http.h"

void assets_serve(void *embedded, struct http_request *request);

/* index.html at every address of the route: the page reads its own address. */
void assets_serve_index(void *embedded, struct http_request *request);

#endif
