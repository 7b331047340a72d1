/* SPDX-License-Identifier: MIT */
/* Handles are closed with the loop, in one walk: nothing of ours ends one earlier. */
#include "port/loop.h"

#include <stdlib.h>

#include <uv.h>

struct loop {
	uv_loop_t uv;
	uv_async_t async;
	loop_callback *on_wake;
	void *wake_context;
};

struct loop_watch {
	uv_poll_t uv;
	loop_callback *callback;
	void *context;
};

struct loop_timer {
	uv_timer_t uv;
	loop_callback *callback;
	void *context;
};

static bool uv_fault(struct fault *fault, const char *what, int result)
{
	return fault_set(fault, FAULT_STOP, "%s: %s", what, uv_strerror(result));
}

static void wake_arrived(uv_async_t *async)
{
	struct loop *loop = async->data;

	if (loop->on_wake != NULL)
		loop->on_wake(loop->wake_context);
}

bool loop_open(struct loop **out, struct fault *fault)
{
	struct loop *loop = calloc(1, sizeof *loop);
	int result;

	if (loop == NULL)
		return fault_memory(fault);
	result = uv_loop_init(&loop->uv);
	if (result != 0) {
		free(loop);
		return uv_fault(fault, "event loop", result);
	}
	loop->async.data = loop;
	result = uv_async_init(&loop->uv, &loop->async, wake_arrived);
	if (result != 0) {
		loop_close(&loop);
		return uv_fault(fault, "event loop", result);
	}
	loop->async.data = loop;
	*out = loop;
	return true;
}

static void free_handle(uv_handle_t *handle)
{
	if (handle->type != UV_ASYNC)
		free(handle);
}

static void close_handle(uv_handle_t *handle, void *context)
{
	(void)context;
	uv_close(handle, free_handle);
}

void loop_close(struct loop **loop)
{
	struct loop *old = *loop;

	if (old == NULL)
		return;
	uv_walk(&old->uv, close_handle, NULL);
	uv_run(&old->uv, UV_RUN_DEFAULT);
	uv_loop_close(&old->uv);
	free(old);
	*loop = NULL;
}

void loop_turn(struct loop *loop)
{
	uv_run(&loop->uv, UV_RUN_ONCE);
}

void loop_on_wake(struct loop *loop, loop_callback *callback, void *context)
{
	loop->on_wake = callback;
	loop->wake_context = context;
}

void loop_wake(struct loop *loop)
{
	uv_async_send(&loop->async);
}

static void watch_arrived(uv_poll_t *poll, int status, int events)
{
	struct loop_watch *watch = (struct loop_watch *)poll;

	(void)status;
	(void)events;
	watch->callback(watch->context);
}

bool loop_watch(struct loop *loop, int fd, loop_callback *callback, void *context,
        struct fault *fault)
{
	struct loop_watch *watch = calloc(1, sizeof *watch);
	int result;

	if (watch == NULL)
		return fault_memory(fault);
	watch->callback = callback;
	watch->context = context;
	result = uv_poll_init(&loop->uv, &watch->uv, fd);
	if (result != 0) {
		free(watch);
		return uv_fault(fault, "watch a descriptor", result);
	}
	uv_poll_start(&watch->uv, UV_READABLE, watch_arrived);
	return true;
}

static void timer_arrived(uv_timer_t *uv)
{
	struct loop_timer *timer = (struct loop_timer *)uv;

	timer->callback(timer->context);
}

bool loop_timer_open(struct loop *loop, struct loop_timer **out,
        loop_callback *callback, void *context, struct fault *fault)
{
	struct loop_timer *timer = calloc(1, sizeof *timer);

	if (timer == NULL)
		return fault_memory(fault);
	timer->callback = callback;
	timer->context = context;
	uv_timer_init(&loop->uv, &timer->uv);
	*out = timer;
	return true;
}

void loop_timer_set(struct loop_timer *timer, uint64_t after_ms, uint64_t every_ms)
{
	uv_update_time(timer->uv.loop);
	uv_timer_start(&timer->uv, timer_arrived, after_ms, every_ms);
}
