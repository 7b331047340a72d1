/* SPDX-License-Identifier: MIT */
#include "clerk.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct queue {
	struct errand *first;
	struct errand **last;
};

struct clerk {
	const struct clerk_duties *duties;
	void *context;
	size_t load; /* the loop's */
	int fd;      /* an eventfd: something is done */
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* of the queues, and ending */
	pthread_cond_t wake;
	struct queue given;
	struct queue done;
	bool ending;
};

static void put(struct queue *queue, struct errand *errand)
{
	errand->next = NULL;
	*queue->last = errand;
	queue->last = &errand->next;
}

static struct errand *take(struct queue *queue)
{
	struct errand *errand = queue->first;

	if (errand == NULL)
		return NULL;
	queue->first = errand->next;
	if (queue->first == NULL)
		queue->last = &queue->first;
	return errand;
}

static void *run_errands(void *context)
{
	struct clerk *clerk = context;

	pthread_mutex_lock(&clerk->lock);
	while (!clerk->ending) {
		struct errand *errand = take(&clerk->given);

		if (errand == NULL) {
			pthread_cond_wait(&clerk->wake, &clerk->lock);
			continue;
		}
		pthread_mutex_unlock(&clerk->lock);
		clerk->duties->run(clerk->context, errand);
		pthread_mutex_lock(&clerk->lock);
		put(&clerk->done, errand);
		(void)!write(clerk->fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	}
	pthread_mutex_unlock(&clerk->lock);
	return NULL;
}

static void tell_done(void *context)
{
	struct clerk *clerk = context;
	struct errand *errand;
	uint64_t times;

	(void)!read(clerk->fd, &times, sizeof times);
	for (;;) {
		pthread_mutex_lock(&clerk->lock);
		errand = take(&clerk->done);
		pthread_mutex_unlock(&clerk->lock);
		if (errand == NULL)
			return;
		clerk->load--;
		clerk->duties->done(clerk->context, errand);
	}
}

bool clerk_open(struct clerk **out, struct loop *loop,
        const struct clerk_duties *duties, void *context, struct fault *fault)
{
	struct clerk *clerk = calloc(1, sizeof *clerk);

	if (clerk == NULL)
		return fault_memory(fault);
	*out = clerk;
	clerk->duties = duties;
	clerk->context = context;
	clerk->given.last = &clerk->given.first;
	clerk->done.last = &clerk->done.first;
	pthread_mutex_init(&clerk->lock, NULL);
	pthread_cond_init(&clerk->wake, NULL);
	clerk->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (clerk->fd < 0)
		return fault_memory(fault);
	if (!loop_watch(loop, clerk->fd, tell_done, clerk, fault))
		return false;
	clerk->has_thread =
	        pthread_create(&clerk->thread, NULL, run_errands, clerk) == 0;
	return clerk->has_thread || fault_memory(fault);
}

static void drop_all(struct clerk *clerk, struct queue *queue)
{
	struct errand *errand;

	while ((errand = take(queue)) != NULL)
		clerk->duties->drop(clerk->context, errand);
}

void clerk_close(struct clerk **clerk)
{
	struct clerk *old = *clerk;

	if (old == NULL)
		return;
	pthread_mutex_lock(&old->lock);
	old->ending = true;
	pthread_cond_signal(&old->wake);
	pthread_mutex_unlock(&old->lock);
	if (old->has_thread)
		pthread_join(old->thread, NULL);
	drop_all(old, &old->done);
	drop_all(old, &old->given);
	if (old->fd >= 0)
		close(old->fd);
	pthread_cond_destroy(&old->wake);
	pthread_mutex_destroy(&old->lock);
	free(old);
	*clerk = NULL;
}

void clerk_give(struct clerk *clerk, struct errand *errand)
{
	clerk->load++;
	pthread_mutex_lock(&clerk->lock);
	put(&clerk->given, errand);
	pthread_cond_signal(&clerk->wake);
	pthread_mutex_unlock(&clerk->lock);
}

size_t clerk_load(const struct clerk *clerk)
{
	return clerk->load;
}
