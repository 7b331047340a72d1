/* SPDX-License-Identifier: MIT */
#include "gateway.h"

#include <stdlib.h>

struct repair {
	struct http_request *request;
	struct keeper_question question;
};

static void refuse_stream(struct http_request *request)
{
	static const struct http_problem problem = { 404, "no-stream", "No such stream",
		"There is no such topic or incarnation here.",
		"Aliran atau masa pakai itu tidak ada di sini." };

	http_refuse(request, &problem, NULL);
}

static void resend_answered(void *context, struct keeper_question *question)
{
	struct repair *repair = context;

	if (!question->ok)
		answer_fault(repair->request, &question->fault);
	else if (question->count == 0)
		refuse_stream(repair->request);
	else
		http_answer(repair->request, 202, "application/json",
		        bytes_of("{\"state\":\"ORDERED\"}\n"));
	free(repair);
}

void repair_resend(void *context, struct http_request *request)
{
	static const struct http_problem misfit = { 422, "field", "Does not fit",
		"Expected {\"topic\", \"from_seq\", \"to_seq\"}, numbers from 1; "
		"incarnation "
		"may be added.",
		"Isi dengan topic, from_seq dan to_seq (angka mulai dari 1)." };
	struct gateway *gateway = context;
	struct repair *repair = calloc(1, sizeof *repair);
	struct fault fault;

	if (repair == NULL) {
		fault_memory(&fault);
		answer_fault(request, &fault);
		return;
	}
	if (!orders_parse_resend(
	            http_body(request), &repair->question.resend, &fault)) {
		http_refuse(request, &misfit, NULL);
		free(repair);
		return;
	}
	repair->request = request;
	repair->question.asking = KEEPER_RESEND;
	repair->question.done = resend_answered;
	repair->question.context = repair;
	keeper_ask(gateway->keeper, &repair->question);
}
