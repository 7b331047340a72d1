/* SPDX-License-Identifier: MIT */
/*
 * Answers that stay open. A stream with nothing to send is suspended; what is sent to
 * it waits in its own buffer until the watcher takes it.
 */
#include "port/http_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
	STREAM_BYTES = 512 * 1024,
	STREAM_END_US = 10000000, /* for a watcher to take its last words */
};

struct http_stream {
	struct http *http;
	struct MHD_Connection *mhd;
	struct buffer waiting;
	size_t sent; /* of waiting */
	bool suspended;
	bool ended;
	int64_t ended_us; /* monotonic */
	loop_callback *on_close;
	void *context;
	struct http_stream *next;
	struct http_stream *previous;
};

static ssize_t stream_read(void *context, uint64_t position, char *out, size_t room)
{
	struct http_stream *stream = context;
	size_t left = stream->waiting.size - stream->sent;

	(void)position;
	if (left == 0 && stream->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (left == 0) {
		stream->suspended = true;
		MHD_suspend_connection(stream->mhd);
		return 0;
	}
	if (left > room)
		left = room;
	stream->http->moved = true;
	memcpy(out, stream->waiting.data + stream->sent, left);
	stream->sent += left;
	if (stream->sent == stream->waiting.size) {
		buffer_clear(&stream->waiting); /* many streams: each is idle mostly */
		stream->sent = 0;
	}
	return (ssize_t)left;
}

static void stream_free(void *context)
{
	struct http_stream *stream = context;

	LIST_DROP(stream->http->streams, stream);
	stream->on_close(stream->context);
	buffer_clear(&stream->waiting);
	free(stream);
}

static void stream_resume(struct http_stream *stream)
{
	if (!stream->suspended)
		return;
	stream->suspended = false;
	MHD_resume_connection(stream->mhd);
	http_run_soon(stream->http);
}

bool http_stream_open(struct http_request *request, const char *media,
        loop_callback *on_close, void *context, struct http_stream **out)
{
	struct http_stream *stream = NULL;

	if (request->mhd != NULL)
		stream = calloc(1, sizeof *stream);
	if (stream == NULL)
		return false;
	*stream = (struct http_stream){ .http = request->http,
		.mhd = request->mhd,
		.on_close = on_close,
		.context = context };
	/* Chunks are made in the connection's own memory, so no block is needed. */
	request->response = MHD_create_response_from_callback(
	        MHD_SIZE_UNKNOWN, 1, stream_read, stream, stream_free);
	if (request->response == NULL) {
		free(stream);
		return false;
	}
	LIST_PUSH(request->http->streams, stream);
	request->status = 200;
	http_answer_header(request, "Cache-Control", "no-store");
	http_set_headers(request, media);
	http_let_go(request);
	*out = stream;
	return true;
}

bool http_stream_send(struct http_stream *stream, struct bytes bytes)
{
	if (stream->ended
	        || stream->waiting.size - stream->sent + bytes.size > STREAM_BYTES)
		return false;
	if (stream->sent > STREAM_BYTES) {
		stream->waiting.size -= stream->sent;
		memmove(stream->waiting.data, stream->waiting.data + stream->sent,
		        stream->waiting.size);
		stream->sent = 0;
	}
	buffer_append(&stream->waiting, bytes.data, bytes.size);
	stream_resume(stream);
	return !stream->waiting.failed;
}

void http_stream_close(struct http_stream *stream)
{
	if (!stream->ended)
		stream->ended_us = clock_monotonic_us();
	stream->ended = true;
	stream_resume(stream);
}

void http_end_streams(struct http *http)
{
	for (struct http_stream *at = http->streams; at != NULL; at = at->next) {
		at->waiting.size = at->sent;
		http_stream_close(at);
	}
}

size_t http_stream_waiting(const struct http_stream *stream)
{
	return stream->waiting.size - stream->sent;
}

void http_stream_end(struct http_stream *stream, struct bytes last)
{
	if (!stream->ended)
		buffer_append(&stream->waiting, last.data, last.size);
	http_stream_close(stream);
}

void http_close_streams(struct http *http)
{
	for (struct http_stream *at = http->streams; at != NULL; at = at->next)
		http_stream_close(at);
}

void http_cut_late_streams(struct http *http, int64_t now_us)
{
	for (struct http_stream *at = http->streams; at != NULL; at = at->next)
		if (at->ended && at->ended_us <= now_us - STREAM_END_US)
			http_cut_off(at->mhd);
}
