/* SPDX-License-Identifier: MIT */
#ifndef PORT_LOOP_H
#define PORT_LOOP_H

/*
 * The one door to libuv: an event loop with timers, watched descriptors and a wake that
 * any thread may call. All callbacks run on the thread that calls loop_turn(); apart
 * from loop_wake() everything belongs to that thread.
 */

#include <stdint.h>

#include "base/fault.h"

struct loop;
struct loop_watch;
struct loop_timer;

typedef void loop_callback(void *context);

MUST_CHECK bool loop_open(struct loop **out, struct fault *fault);

/* Ends all its timers and watches; the descriptors stay open. */
void loop_close(struct loop **loop);

/* Wait for something to happen, call the callbacks, return. */
void loop_turn(struct loop *loop);

/* Called on the loop's thread soon after one or more loop_wake(). */
void loop_on_wake(struct loop *loop, loop_callback *callback, void *context);
void loop_wake(struct loop *loop); /* any thread, also a signal handler */

/* Called whenever fd can be read (or has ended). */
MUST_CHECK bool loop_watch(struct loop *loop, int fd, loop_callback *callback,
        void *context, struct fault *fault);

MUST_CHECK bool loop_timer_open(struct loop *loop, struct loop_timer **out,
        loop_callback *callback, void *context, struct fault *fault);

/* Call once after after_ms, then each every_ms (0: once). Setting it again moves it. */
void loop_timer_set(struct loop_timer *timer, uint64_t after_ms, uint64_t every_ms);

#endif
