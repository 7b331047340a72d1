/* SPDX-License-Identifier: MIT */
/*
 * Beside libfaketime, for a program that is started with LD_PRELOAD of both, this one
 * first. The kernel says that somebody keeps the clock right while the file that
 * KEPT_CLOCK names is there; where that is not set nobody may ask. And waits are as
 * they are on a machine whose clock is set: those until a time of day feel it, also in
 * their midst, those by the monotonic clock do not. libfaketime 0.9.10 knows nothing of
 * C11's waits, which librdkafka uses, and ends those by the monotonic clock at once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <sys/timex.h>

enum { SLICE_NS = 20000000, SECOND_NS = 1000000000 };

typedef int cond_wait(
        pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until);
typedef int c11_wait(cnd_t *cond, mtx_t *mutex, const struct timespec *until);

int adjtimex(struct timex *timex)
{
	const char *path = getenv("KEPT_CLOCK");
	int kept = path != NULL && access(path, F_OK) == 0;

	if (path == NULL) {
		errno = EPERM;
		return -1;
	}
	memset(timex, 0, sizeof *timex);
	timex->status = kept ? STA_PLL : STA_UNSYNC;
	return kept ? TIME_OK : TIME_ERROR;
}

static void *own(const char *name)
{
	void *library = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

	return library != NULL ? dlsym(library, name) : NULL;
}

/* By the machine's own clock, which nobody sets. */
static struct timespec after_a_slice(void)
{
	struct timespec until;

	syscall(SYS_clock_gettime, CLOCK_REALTIME, &until);
	until.tv_nsec += SLICE_NS;
	until.tv_sec += until.tv_nsec / SECOND_NS;
	until.tv_nsec %= SECOND_NS;
	return until;
}

static int has_come(const struct timespec *until)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec > until->tv_sec
	       || (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec);
}

int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex,
        const struct timespec *restrict until)
{
	static c11_wait *wait;
	int result = thrd_timedout;

	if (wait == NULL)
		*(void **)&wait = own("cnd_timedwait");
	while (result == thrd_timedout && !has_come(until)) {
		struct timespec slice = after_a_slice();

		result = wait(cond, mutex, &slice);
	}
	return result;
}

/* Ours and libuv's are by the monotonic clock. */
int pthread_cond_timedwait(pthread_cond_t *restrict cond,
        pthread_mutex_t *restrict mutex, const struct timespec *restrict until)
{
	static cond_wait *wait;

	if (wait == NULL)
		*(void **)&wait = own("pthread_cond_timedwait");
	return wait(cond, mutex, until);
}
