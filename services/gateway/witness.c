/* SPDX-License-Identifier: MIT */
#include "witness.h"

#include <pthread.h>
#include <stdlib.h>

#include "keeper.h"

struct witness {
	struct spool *spool;
	witness_done *done;
	void *context;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t handed;
	struct keeper_post *posts;
	struct keeper_post **posts_end;
	bool due;
	bool busy;
	bool ending;
};

/* Whatever was handed over meanwhile is one piece of work. False: the end. */
static bool take(struct witness *witness, struct keeper_post **out)
{
	bool due;

	pthread_mutex_lock(&witness->lock);
	witness->busy = false;
	while (!witness->due && !witness->ending)
		pthread_cond_wait(&witness->handed, &witness->lock);
	due = witness->due;
	witness->busy = due;
	*out = witness->posts;
	witness->due = false;
	witness->posts = NULL;
	witness->posts_end = &witness->posts;
	pthread_mutex_unlock(&witness->lock);
	return due;
}

static void *bear_witness(void *context)
{
	struct witness *witness = context;
	struct keeper_post *posts;

	while (take(witness, &posts)) {
		struct fault fault = { 0 };
		bool ok = spool_witness(witness->spool, &fault);

		witness->done(witness->context, posts, ok ? NULL : &fault);
	}
	return NULL;
}

bool witness_open(struct witness **out, struct spool *spool, witness_done *done,
        void *context, struct fault *fault)
{
	struct witness *witness = calloc(1, sizeof *witness);

	if (witness == NULL)
		return fault_memory(fault);
	witness->spool = spool;
	witness->done = done;
	witness->context = context;
	witness->posts_end = &witness->posts;
	pthread_mutex_init(&witness->lock, NULL);
	pthread_cond_init(&witness->handed, NULL);
	witness->has_thread =
	        pthread_create(&witness->thread, NULL, bear_witness, witness) == 0;
	if (!witness->has_thread) {
		witness_close(&witness);
		return fault_memory(fault);
	}
	*out = witness;
	return true;
}

void witness_close(struct witness **witness)
{
	struct witness *old = *witness;

	if (old == NULL)
		return;
	if (old->has_thread) {
		pthread_mutex_lock(&old->lock);
		old->ending = true;
		pthread_cond_signal(&old->handed);
		pthread_mutex_unlock(&old->lock);
		pthread_join(old->thread, NULL);
	}
	pthread_cond_destroy(&old->handed);
	pthread_mutex_destroy(&old->lock);
	free(old);
	*witness = NULL;
}

void witness_hand(struct witness *witness, struct keeper_post *posts)
{
	pthread_mutex_lock(&witness->lock);
	*witness->posts_end = posts;
	for (; posts != NULL; posts = posts->next)
		witness->posts_end = &posts->next;
	witness->due = true;
	pthread_cond_signal(&witness->handed);
	pthread_mutex_unlock(&witness->lock);
}

bool witness_is_idle(struct witness *witness)
{
	bool idle;

	pthread_mutex_lock(&witness->lock);
	idle = !witness->due && !witness->busy;
	pthread_mutex_unlock(&witness->lock);
	return idle;
}
