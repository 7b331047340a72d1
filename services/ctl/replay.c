/* SPDX-License-Identifier: MIT */
/*
 * `kentongan replay`: what happened, again, as lines of JSON, as a count, as the
 * address of the monitor's page, or into a scratch database (rehearse.c).
 */
#include "replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "flow/replay_words.h"

#define LONG_WAIT_US INT64_C(5000000)

enum {
	WAIT_MS = 100,
	WRITE_BYTES = 128 * 1024,
	MEMORY_BYTES = 16 * 1024 * 1024,
};

/* What has passed of each topic. */
struct passed {
	int64_t records[REPLAY_TOPICS];
	int64_t bytes[REPLAY_TOPICS];
};

static bool usage(struct fault *fault)
{
	char text[FAULT_TEXT_BYTES];

	if (fault->kind != FAULT_REJECT)
		return false;
	snprintf(text, sizeof text, "%.400s", fault->text);
	return ctl_usage(fault, text);
}

/* What was asked for */

static bool read_topics(struct playing *playing, struct fault *fault)
{
	const struct ctl *ctl = playing->ctl;
	const char *listed = conf_text(ctl->conf, "topic");

	if (ctl->topic_count == 0 && listed[0] == '\0')
		for (size_t i = 0; i < playing->catalog->topic_count; i++)
			playing->wish.topics[i] = true;
	if (listed[0] != '\0'
	        && !replay_parse_topic(listed, playing->catalog, &playing->wish, fault))
		return false;
	for (size_t i = 0; i < ctl->topic_count; i++)
		if (!replay_parse_topic(
		            ctl->topics[i], playing->catalog, &playing->wish, fault))
			return false;
	return true;
}

static bool read_wish(struct playing *playing, struct fault *fault)
{
	const struct conf *conf = playing->ctl->conf;
	struct replay_wish *wish = &playing->wish;

	wish->district = playing->district;
	wish->case_id = conf_text(conf, "case");
	wish->service = conf_text(conf, "service");
	wish->bytes_per_second = conf_number(conf, "rate");
	wish->memory_bytes = MEMORY_BYTES;
	return (read_topics(playing, fault)
	               && replay_parse_times(conf_text(conf, "from"),
	                       conf_text(conf, "to"), wish, fault)
	               && replay_parse_speed(
	                       conf_text(conf, "speed"), &wish->speed, fault)
	               && (replay_parse_span(
	                           conf_text(conf, "max_gap"), &wish->max_gap_us, fault)
	                       || fault_wrap(fault, "max-gap"))
	               && replay_parse_village(conf_text(conf, "village"), wish, fault)
	               && replay_parse_district(conf_text(conf, "district"),
	                       conf_text(conf, "villages"), playing->district, fault))
	       || usage(fault);
}

/* What was typed and would not be heeded is refused: people believe that it was. */
static bool check_options(const struct ctl *ctl, bool rehearses, struct fault *fault)
{
	static const char *const of_rehearsals[] = { "database", "department", NULL };
	static const char *const of_lines[] = { "limit", NULL };
	static const char *const not_of_pages[] = { "limit", "max_gap", "rate",
		"dry_run", "reason", NULL };
	static const char *const of_pages[] = { "monitor", NULL };
	bool is_page = conf_is(ctl->conf, "out", "page");

	return (rehearses
	               || ctl_without(ctl, of_rehearsals,
	                       "only with --out department=DIR", fault))
	       && (!rehearses
	               || ctl_without(ctl, of_lines, "a rehearsal takes the whole span",
	                       fault))
	       && (is_page || ctl_without(ctl, of_pages, "only with --out page", fault))
	       && (!is_page
	               || ctl_without(ctl, not_of_pages,
	                       "the page of a replay knows no such option", fault));
}

/* What is not masked needs a reason, and a place that keeps it. */
static bool read_view(struct playing *playing, struct fault *fault)
{
	const struct conf *conf = playing->ctl->conf;

	playing->view = conf_text(conf, "reason")[0] != '\0' ? VIEW_OPEN : VIEW_MASKED;
	if (playing->view == VIEW_OPEN
	        && !bytes_is_reason(bytes_of(conf_text(conf, "reason"))))
		return ctl_usage(fault, "--reason takes a line with five letters at "
		                        "least, that others will understand");
	return playing->view == VIEW_MASKED || conf_text(conf, "audit")[0] != '\0'
	       || ctl_usage(fault, "--reason shows personal data, so --audit CONNINFO "
	                           "of satu_data must be there to keep it");
}

/* As lines */

static bool flush(struct playing *playing, struct fault *fault)
{
	const uint8_t *at = playing->out.data;
	size_t left = playing->out.size;

	while (left > 0) {
		ssize_t size = write(STDOUT_FILENO, at, left);

		if (size < 0 && errno != EINTR)
			return fault_set(fault, FAULT_RETRY, "standard output: %s",
			        strerror(errno));
		at += size > 0 ? size : 0;
		left -= size > 0 ? (size_t)size : 0;
	}
	buffer_reset(&playing->out);
	return true;
}

static bool put_line(
        struct playing *playing, const struct replay_event *event, struct fault *fault)
{
	replay_json(playing->replay, event, playing->view, &playing->out);
	buffer_append_byte(&playing->out, '\n');
	return buffer_ok(&playing->out, fault)
	       && (playing->out.size < WRITE_BYTES || flush(playing, fault));
}

static bool is_done(const struct playing *playing)
{
	return replay_is_over(playing->replay)
	       || (playing->limit > 0 && playing->taken == playing->limit);
}

/* Who sees nothing for minutes shall know that it is the pace. */
static void tell_wait(struct playing *playing)
{
	char first[CLOCK_TEXT_BYTES];
	int64_t at_us;
	int64_t left_us;

	if (playing->has_told_wait || playing->taken > 0
	        || !replay_waits(playing->replay, &at_us, &left_us)
	        || left_us < LONG_WAIT_US)
		return;
	playing->has_told_wait = true;
	clock_format(at_us, first);
	fprintf(stderr,
	        "kentongan: the first event is of %s; at this speed it comes in "
	        "%" PRId64 " s (--max-gap 5s cuts silences short)\n",
	        first, left_us / 1000000);
}

/* An event that is due must not lie in a buffer while the next is waited for. */
static enum step next_event(
        struct playing *playing, struct replay_event *event, struct fault *fault)
{
	enum step step = replay_next(playing->replay, 0, event, fault);

	if (step != STEP_IDLE || replay_is_over(playing->replay))
		return step;
	if (!flush(playing, fault))
		return STEP_FAULT;
	return replay_next(playing->replay, WAIT_MS, event, fault);
}

static bool put_lines(struct playing *playing, struct fault *fault)
{
	struct replay_event event;

	for (;;) {
		enum step step;
		bool ok;

		if (is_done(playing))
			return flush(playing, fault);
		step = next_event(playing, &event, fault);
		if (step == STEP_FAULT)
			return false;
		if (step == STEP_IDLE) {
			tell_wait(playing);
			continue;
		}
		ok = put_line(playing, &event, fault);
		replay_release(&event);
		playing->taken++;
		if (!ok)
			return false;
	}
}

/* As a count */

static void print_passed(const struct playing *playing, const struct passed *passed)
{
	const struct catalog *catalog = playing->catalog;
	bool any = false;

	printf("%s", playing->ctl->json ? "[" : "");
	for (size_t i = 0; i < catalog->topic_count; i++) {
		if (!playing->wish.topics[i])
			continue;
		if (playing->ctl->json)
			printf("%s{\"topic\": \"%s\", \"records\": %" PRId64
			       ", \"bytes\": %" PRId64 "}",
			        any ? ", " : "", catalog->topics[i].topic,
			        passed->records[i], passed->bytes[i]);
		else
			printf("%-24s %12" PRId64 " records %14" PRId64 " bytes\n",
			        catalog->topics[i].topic, passed->records[i],
			        passed->bytes[i]);
		any = true;
	}
	printf("%s", playing->ctl->json ? "]\n" : "");
}

static bool only_count(struct playing *playing, struct fault *fault)
{
	struct passed passed = { 0 };
	struct replay_event event;

	while (!is_done(playing)) {
		enum step step = replay_next(playing->replay, WAIT_MS, &event, fault);

		if (step == STEP_FAULT)
			return false;
		if (step == STEP_IDLE)
			continue;
		passed.records[event.cursor.topic]++;
		passed.bytes[event.cursor.topic] +=
		        (int64_t)(event.record.value.size + event.record.key.size);
		replay_release(&event);
		playing->taken++;
	}
	print_passed(playing, &passed);
	return true;
}

/* As an address */

static void put_part(struct buffer *url, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	buffer_format(url, "&%s=", name);
	for (; *value != '\0'; value++) {
		bool plain = (*value >= '0' && *value <= '9')
		             || (*value >= 'a' && *value <= 'z')
		             || (*value >= 'A' && *value <= 'Z')
		             || strchr("-._~", *value) != NULL;

		buffer_format(
		        url, plain ? "%c" : "%%%02X", (unsigned)(unsigned char)*value);
	}
}

/* With commas between; all of them need no word. */
static void put_topics(const struct playing *playing, struct buffer *url)
{
	const struct catalog *catalog = playing->catalog;
	struct buffer list = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < catalog->topic_count; i++)
		if (playing->wish.topics[i])
			buffer_format(&list, "%s%s", count++ > 0 ? "," : "",
			        catalog->topics[i].topic);
	buffer_append_byte(&list, 0);
	if (count < catalog->topic_count && !list.failed)
		put_part(url, "topic", (const char *)list.data);
	buffer_clear(&list);
}

static bool print_page(struct playing *playing, struct fault *fault)
{
	const struct conf *conf = playing->ctl->conf;
	const char *monitor = conf_text(conf, "monitor");
	size_t size = strlen(monitor);
	struct buffer url = { 0 };
	char from[CLOCK_TEXT_BYTES];
	char to[CLOCK_TEXT_BYTES];

	if (size == 0)
		return ctl_usage(fault, "--out page needs --monitor URL");
	if (strncmp(monitor, "http://", 7) != 0 && strncmp(monitor, "https://", 8) != 0)
		return ctl_usage(fault, "--monitor takes http://... or https://...");
	clock_format(playing->wish.from_us, from);
	clock_format(playing->wish.to_us, to);
	buffer_format(&url, "%.*s/?from=%s&to=%s",
	        (int)(monitor[size - 1] == '/' ? size - 1 : size), monitor, from, to);
	put_part(&url, "speed", conf_text(conf, "speed"));
	put_part(&url, "village", playing->wish.village);
	put_part(&url, "district", playing->wish.district);
	put_part(&url, "case", playing->wish.case_id);
	put_part(&url, "service", playing->wish.service);
	put_topics(playing, &url);
	printf("%.*s\n", (int)url.size, (const char *)url.data);
	buffer_clear(&url);
	return true;
}

/* What has left the log is told, and told first. */
static void tell_cuts(const struct playing *playing)
{
	const struct topic_range *range;

	for (size_t i = 0; replay_cut(playing->replay, i, &range); i++)
		fprintf(stderr,
		        "kentongan: %s partition %d begins at offset %" PRId64
		        ": what was before has left Kafka, and may belong to this "
		        "time\n",
		        range->topic, (int)range->partition, range->low);
}

/*
 * Who sees what again is kept, where satu_data is known. What is masked is shown also
 * while that database is away, and the words say so.
 */
static bool keep_who(const struct playing *playing, struct fault *fault)
{
	struct buffer what = { 0 };
	bool ok;

	if (conf_text(playing->ctl->conf, "audit")[0] == '\0')
		return true;
	if (playing->rehearses)
		buffer_append_text(&what, "rehearsal, unmasked into a scratch "
		                          "database: ");
	replay_say(&playing->wish, playing->catalog, &what);
	buffer_append_byte(&what, 0);
	ok = buffer_ok(&what, fault)
	     && ctl_audit(playing->ctl, (const char *)what.data, fault);
	buffer_clear(&what);
	if (ok || playing->view == VIEW_OPEN || playing->rehearses
	        || fault->kind == FAULT_STOP)
		return ok;
	fprintf(stderr, "kentongan: %s; who replays this is not kept\n", fault->text);
	fault_clear(fault);
	return true;
}

bool replay_begin(struct playing *playing, struct fault *fault)
{
	if (!keep_who(playing, fault)
	        || !replay_open(&playing->replay, playing->ctl->conf, playing->catalog,
	                &playing->wish, fault))
		return false;
	tell_cuts(playing);
	return true;
}

static bool choose(struct playing *playing, struct fault *fault)
{
	const struct conf *conf = playing->ctl->conf;
	const char *out = conf_text(conf, "out");
	bool rehearse = strncmp(out, "department=", 11) == 0
	                || strncmp(out, "database=", 9) == 0;

	if (!rehearse && strcmp(out, "ndjson") != 0 && strcmp(out, "page") != 0)
		return ctl_usage(fault, "--out takes ndjson, page, department=DIR or "
		                        "database=CONNINFO");
	playing->rehearses = rehearse && !conf_flag(conf, "dry_run");
	if (!check_options(playing->ctl, rehearse, fault))
		return false;
	if (strcmp(out, "page") == 0)
		return print_page(playing, fault);
	if (conf_text(conf, "brokers")[0] == '\0')
		return ctl_usage(fault, "--brokers HOST:PORT is missing");
	if (conf_flag(conf, "dry_run")) {
		playing->wish.speed = 0;
		return replay_begin(playing, fault) && only_count(playing, fault);
	}
	return rehearse ? replay_rehearse(playing, fault)
	                : replay_begin(playing, fault) && put_lines(playing, fault);
}

bool ctl_replay(struct ctl *ctl, struct fault *fault)
{
	struct playing playing = { .ctl = ctl, .limit = ctl_limit(ctl, 0) };
	bool ok = ctl->count == 0
	          || ctl_usage(fault, "replay takes options and no arguments");

	ok = ok
	     && catalog_open(&playing.catalog, conf_text(ctl->conf, "schemas"),
	             conf_text(ctl->conf, "mode"), fault)
	     && read_wish(&playing, fault) && read_view(&playing, fault)
	     && choose(&playing, fault);
	replay_close(&playing.replay);
	catalog_close(&playing.catalog);
	buffer_clear(&playing.out);
	return ok;
}
