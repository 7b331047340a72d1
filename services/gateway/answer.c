/* SPDX-License-Identifier: MIT */
#include "gateway.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static const char *state_name(enum spool_state state)
{
	static const char *const names[] = { "ACCEPTED", "DELIVERED", "VOID" };

	return names[state];
}

void answer_receipt(const struct gateway *gateway, const struct spool_receipt *receipt,
        struct buffer *out)
{
	char recorded[CLOCK_TEXT_BYTES];
	char seq[24];
	const char *const pieces[] = { "{\"event_id\":\"", receipt->event_id,
		"\",\"village_code\":\"", conf_text(svc_conf(gateway->svc), "village"),
		"\",\"incarnation\":\"", receipt->incarnation, "\",\"topic\":\"",
		receipt->topic, "\",\"seq\":", seq, ",\"recorded_at\":\"", recorded,
		"\",\"state\":\"", state_name(receipt->state), "\"" };

	clock_format(receipt->recorded_at_us, recorded);
	snprintf(seq, sizeof seq, "%lld", (long long)receipt->seq);
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
		buffer_append_text(out, pieces[i]);
	if (receipt->state == SPOOL_VOID) {
		buffer_append_text(out, ",\"reason\":");
		buffer_append_json(out, bytes_of(receipt->reason));
	}
	buffer_append_byte(out, '}');
}

static const struct http_problem key_reused = { 422, "key-reused",
	"Key used with another body",
	"This Idempotency-Key or event_id was used before with another body.",
	"Kunci atau event_id ini sudah dipakai untuk isi kiriman yang lain." };
static const struct http_problem delivered = { 422, "delivered", "Already delivered",
	"The event is delivered and cannot be made void; correct it by a new one.",
	"Catatan ini sudah terkirim dan tidak dapat dibatalkan; buat catatan "
	"pembetulan." };
static const struct http_problem disk_full = { 507, "disk-full", "No room",
	"The disk of the gateway is full; nothing was stored.",
	"Tempat penyimpanan komputer desa penuh; kiriman tidak tersimpan. "
	"Hubungi Diskominfo." };
static const struct http_problem busy = { 503, "busy", "Try again",
	"The gateway cannot store an event just now; try again with the same key.",
	"Sistem sedang sibuk; coba lagi sebentar lagi." };
static const struct http_problem broken = { 500, "internal", "Internal fault",
	"The gateway cannot go on; it starts again. Try again with the same key.",
	"Sistem mengalami gangguan dan akan mulai ulang. Coba lagi sebentar lagi." };

static const struct http_problem under_way = { 503, "under-way", "On its way",
	"The hub may have the event already; ask again when the link is up.",
	"Catatan ini sedang dikirim dan mungkin sudah sampai; coba lagi setelah "
	"sambungan pulih." };

void answer_no_room(struct http_request *request, bool batch)
{
	static const struct http_problem no_batches = { 507, "disk-scarce",
		"Little room",
		"The disk of the gateway is nearly full; single posts are still taken.",
		"Tempat penyimpanan komputer desa hampir penuh; kiriman sekaligus dari "
		"sistem belum dapat diterima. Hubungi Diskominfo." };

	http_refuse(request, batch ? &no_batches : &disk_full, NULL);
}

void answer_fault(struct http_request *request, const struct fault *fault)
{
	switch (fault->kind) {
	case FAULT_REJECT:
		http_refuse(request,
		        strcmp(fault->code, "delivered") == 0 ? &delivered
		                                              : &key_reused,
		        NULL);
		return;
	case FAULT_RETRY:
		if (strcmp(fault->code, "disk-full") == 0) {
			http_refuse(request, &disk_full, NULL);
			return;
		}
		http_answer_header(request, "Retry-After", "1");
		http_refuse(request,
		        strcmp(fault->code, "under-way") == 0 ? &under_way : &busy,
		        NULL);
		return;
	case FAULT_NONE:
	case FAULT_UNSURE:
		http_answer_header(request, "Retry-After", "1");
		http_refuse(request, &busy, NULL);
		return;
	case FAULT_STOP:
		http_refuse(request, &broken, NULL);
		return;
	}
}

void answer_errors(const struct check_report *report, size_t line, struct buffer *out)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct check_fault *fault = &report->faults[i];

		if (out->size > 0)
			buffer_append_byte(out, ',');
		buffer_append_text(out, "{\"pointer\":");
		buffer_append_json(out, bytes_of(fault->pointer));
		buffer_append_text(out, ",\"expected\":");
		buffer_append_json(out, bytes_of(fault->expected));
		buffer_append_text(out, ",\"detail\":");
		buffer_append_json(out, bytes_of(fault->detail));
		buffer_append_text(out, ",\"detail_id\":");
		buffer_append_json(out, bytes_of(fault->detail_id));
		if (line > 0)
			buffer_format(out, ",\"line\":%zu", line);
		buffer_append_byte(out, '}');
	}
}

void answer_misfit(struct http_request *request, enum check_verdict verdict,
        const struct buffer *errors)
{
	static const struct http_problem not_json = { 400, "json", "Not JSON",
		"The body is not JSON as it must be.",
		"Isi kiriman bukan JSON yang benar." };
	static const struct http_problem misfit = { 422, "field", "Does not fit",
		"The body does not fit the schema; errors names each field.",
		"Ada isian yang perlu dibetulkan." };
	struct buffer list = { 0 };

	buffer_append_byte(&list, '[');
	buffer_append(&list, errors->data, errors->size);
	buffer_append(&list, "]", 2);
	http_refuse(request, verdict == CHECK_NOT_JSON ? &not_json : &misfit,
	        list.failed ? NULL : (const char *)list.data);
	buffer_clear(&list);
}

void answer_report(struct http_request *request, const struct check_report *report)
{
	struct buffer errors = { 0 };

	answer_errors(report, 0, &errors);
	answer_misfit(request, report->verdict, &errors);
	buffer_clear(&errors);
}
