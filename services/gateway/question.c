/* SPDX-License-Identifier: MIT */
#include "question.h"

#include <string.h>

static bool answer_status(
        struct keeper_question *question, struct spool *spool, struct forward *forward)
{
	struct keeper_status *status = &question->status;

	status->stream_count = spool_stream_count(spool);
	for (size_t i = 0; i < status->stream_count; i++) {
		status->streams[i] = *spool_stream(spool, i);
		status->delivered[i] = forward_delivered(forward, i);
		if (!spool_oldest(spool, i, &status->oldest_us[i], &question->fault)
		        || !spool_missing(spool, i, status->missing[i].ranges,
		                KEEPER_RANGES, &status->missing[i].count,
		                &status->missing[i].total, &question->fault))
			return false;
	}
	forward_link(forward, &status->link);
	spool_loss(spool, &status->loss);
	return spool_status(spool, &status->spool, &question->fault);
}

static size_t find_stream(
        const struct spool *spool, const char *topic, const char *incarnation)
{
	size_t count = spool_stream_count(spool);

	for (size_t i = 0; i < count; i++) {
		const struct spool_stream *stream = spool_stream(spool, i);

		if (strcmp(stream->topic, topic) == 0
		        && (incarnation[0] == '\0'
		                || strcmp(stream->incarnation, incarnation) == 0))
			return i;
	}
	return count;
}

/* Note what is to be sent once more; the forward sees it in the spool. */
static bool order_again(struct keeper_question *question, struct spool *spool)
{
	struct keeper_resend *resend = &question->resend;
	size_t stream = find_stream(spool, resend->topic, resend->incarnation);

	question->count = stream < spool_stream_count(spool);
	if (question->count > 0 && resend->to_us != 0
	        && !spool_span(spool, stream, resend->from_us, resend->to_us,
	                &resend->from_seq, &resend->to_seq, &question->fault))
		return false;
	if (!spool_begin(spool, &question->fault))
		return false;
	if (question->count > 0)
		spool_again(spool, stream, resend->from_seq, resend->to_seq);
	if (resend->next_offset > 0
	        && !spool_note_orders(spool, resend->next_offset, &question->fault)) {
		spool_rollback(spool);
		return false;
	}
	return spool_commit(spool, &question->fault);
}

static bool make_void(
        struct keeper_question *question, struct spool *spool, struct forward *forward)
{
	const struct keeper_void *wanted = &question->voiding;
	struct fault *fault = &question->fault;
	bool found;

	if (!forward_recall(forward, wanted->stream, wanted->seq, fault)
	        || !spool_begin(spool, fault))
		return false;
	if (!forward_mark(forward, fault)
	        || !spool_void(spool, wanted->stream, wanted->seq, wanted->headers,
	                wanted->value, wanted->reason, fault)) {
		spool_rollback(spool);
		return false;
	}
	return spool_commit(spool, fault)
	       && spool_find(
	               spool, question->event_id, &found, question->receipts, fault);
}

static bool is_same(const struct spool_anchor *a, const struct spool_anchor *b)
{
	return a->offset == b->offset && a->appended_at_ms == b->appended_at_ms;
}

static bool follow_verdict(
        struct keeper_question *question, struct spool *spool, struct forward *forward)
{
	const struct keeper_verdict *verdict = &question->verdict;
	const struct spool_stream *at = spool_stream(spool, verdict->stream);

	if (!is_same(&at->anchor, &verdict->anchor))
		return true;
	if (verdict->lost) {
		forward_lost(forward, verdict->stream);
		return true;
	}
	if (!spool_begin(spool, &question->fault))
		return false;
	spool_anchor(spool, verdict->stream, &verdict->next);
	return spool_commit(spool, &question->fault);
}

void question_answer(
        struct keeper_question *question, struct spool *spool, struct forward *forward)
{
	bool found;

	switch (question->asking) {
	case KEEPER_FIND:
		question->ok = spool_find(spool, question->event_id, &found,
		        question->receipts, &question->fault);
		question->count = question->ok && found;
		break;
	case KEEPER_LIST:
		question->ok =
		        spool_list(spool, question->pending_only, question->receipts,
		                question->room, &question->count, &question->fault);
		break;
	case KEEPER_STATUS:
		question->ok = answer_status(question, spool, forward);
		break;
	case KEEPER_RESEND:
		question->ok = order_again(question, spool);
		break;
	case KEEPER_VOID:
		question->ok = make_void(question, spool, forward);
		break;
	case KEEPER_JUDGE:
		question->ok = follow_verdict(question, spool, forward);
		break;
	}
}
