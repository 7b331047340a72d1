/* SPDX-License-Identifier: MIT */
#include "alarms.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum {
	WAITING_S = 10, /* a database that is started again is no alarm */
	BEHIND_S = 60,
	NAMED_VILLAGES = 3, /* more than that are told as a number */
	SILENT_VILLAGES = 5,
};

#define SECOND_US INT64_C(1000000)
#define HOUR_US   (3600 * SECOND_US)
#define DAY_US    (24 * HOUR_US)
#define WIB_US    (7 * HOUR_US) /* the regency's clock */

/* Words for times */

struct words {
	char id[40];
	char en[40];
};

/* "sejak 10.42", "since 10:42"; with the day when it is another one. */
static struct words since_words(int64_t since_us, int64_t now_us)
{
	static const struct words months[] = { { "Jan", "Jan" }, { "Feb", "Feb" },
		{ "Mar", "Mar" }, { "Apr", "Apr" }, { "Mei", "May" }, { "Jun", "Jun" },
		{ "Jul", "Jul" }, { "Agu", "Aug" }, { "Sep", "Sep" }, { "Okt", "Oct" },
		{ "Nov", "Nov" }, { "Des", "Dec" } };
	time_t at = (time_t)((since_us + WIB_US) / SECOND_US);
	bool today = (since_us + WIB_US) / DAY_US == (now_us + WIB_US) / DAY_US;
	const struct words *month;
	struct words words;
	char day[8] = "";
	struct tm tm;

	gmtime_r(&at, &tm);
	month = &months[tm.tm_mon % 12];
	if (!today)
		snprintf(day, sizeof day, "%d ", tm.tm_mday % 32);
	snprintf(words.id, sizeof words.id, "sejak %s%.3s%s%02d.%02d", day,
	        today ? "" : month->id, today ? "" : " ", tm.tm_hour, tm.tm_min);
	snprintf(words.en, sizeof words.en, "since %s%.3s%s%02d:%02d", day,
	        today ? "" : month->en, today ? "" : " ", tm.tm_hour, tm.tm_min);
	return words;
}

static struct words span_words(int64_t seconds)
{
	struct words words;
	const char *id = "detik";
	const char *en = "seconds";
	int64_t number = seconds;

	if (seconds >= 2 * 86400) {
		number = seconds / 86400;
		id = "hari";
		en = "days";
	} else if (seconds >= 2 * 3600) {
		number = seconds / 3600;
		id = "jam";
		en = "hours";
	} else if (seconds >= 120) {
		number = seconds / 60;
		id = "menit";
		en = "minutes";
	}
	snprintf(words.id, sizeof words.id, "%lld %s", (long long)number, id);
	snprintf(words.en, sizeof words.en, "%lld %s", (long long)number, en);
	return words;
}

/* Adding */

/* id is what it is, and whose: "halted", "department:dinsos". One too many is dropped.
 */
static struct alarm *add(struct alarms *alarms, bool is_bad, const char *what,
        const char *subject, int64_t since_us)
{
	static struct alarm none;
	struct alarm *alarm =
	        alarms->count < ALARMS ? &alarms->all[alarms->count++] : &none;

	memset(alarm, 0, sizeof *alarm);
	snprintf(alarm->id, sizeof alarm->id, "%.24s:%.70s", what, subject);
	snprintf(alarm->subject, sizeof alarm->subject, "%s", subject);
	alarm->is_bad = is_bad;
	alarm->since_us = since_us;
	return alarm;
}

#define SAY_ID(alarm, ...)                                                             \
	snprintf((alarm)->text_id, sizeof(alarm)->text_id, __VA_ARGS__)
#define SAY_EN(alarm, ...)                                                             \
	snprintf((alarm)->text_en, sizeof(alarm)->text_en, __VA_ARGS__)
#define DO_ID(alarm, ...)                                                              \
	snprintf((alarm)->next_id, sizeof(alarm)->next_id, __VA_ARGS__)
#define DO_EN(alarm, ...)                                                              \
	snprintf((alarm)->next_en, sizeof(alarm)->next_en, __VA_ARGS__)

/* Kafka and what is read of it */

static void look_at_kafka(struct alarms *alarms, const struct alarm_facts *facts)
{
	struct words since = since_words(facts->broker_since_us, facts->now_us);
	struct alarm *alarm;

	if (facts->broker_is_up)
		return;
	alarm = add(alarms, true, "down", "kafka", facts->broker_since_us);
	SAY_ID(alarm,
	        "Kafka tidak menjawab %s. Desa tetap menerima catatan; semuanya "
	        "menunggu.",
	        since.id);
	SAY_EN(alarm,
	        "Kafka does not answer %s. Villages go on accepting; everything "
	        "waits.",
	        since.en);
	DO_ID(alarm, "Jalankan kembali Kafka, lalu tunggu: semuanya jalan sendiri.");
	DO_EN(alarm, "Start Kafka again, then wait: everything goes on by itself.");
}

static void look_at_reading(struct alarms *alarms, const struct alarm_facts *facts)
{
	struct alarm *alarm;

	if (!facts->is_reading || !facts->broker_is_up)
		return;
	alarm = add(alarms, false, "reading", "monitor", facts->now_us);
	SAY_ID(alarm, "Catatan sehari terakhir masih dibaca; angka belum lengkap.");
	SAY_EN(alarm, "The last day is still being read; the numbers are not whole.");
	DO_ID(alarm, "Tunggu; paling lama semenit.");
	DO_EN(alarm, "Wait; it takes a minute at most.");
}

static void look_at_strangers(struct alarms *alarms, const struct alarm_facts *facts)
{
	struct alarm *alarm;

	if (facts->undecodable_us == 0
	        || facts->now_us - facts->undecodable_us > HOUR_US)
		return;
	alarm = add(alarms, false, "undecodable", "kafka", facts->undecodable_us);
	SAY_ID(alarm, "Ada catatan yang tidak dapat dibaca; dinas menyisihkannya.");
	SAY_EN(alarm, "A record cannot be read; departments set it aside.");
	DO_ID(alarm, "Cari siapa yang menulis ke topik itu, atau bawa skema terbaru ke "
	             "pusat.");
	DO_EN(alarm,
	        "Find who else writes to that topic, or bring the newest schemas to "
	        "the hub.");
}

/* Departments */

static const char *title_of(const struct department_line *line)
{
	return line->title[0] ? line->title : line->name;
}

static struct alarm *add_department(struct alarms *alarms, bool is_bad,
        const char *what, const struct department_line *line)
{
	char subject[96];

	snprintf(subject, sizeof subject, "department:%s", line->name);
	return add(alarms, is_bad, what, subject, line->since_us);
}

static void say_halted(struct alarms *alarms, const struct department_line *line,
        const struct words *since)
{
	struct alarm *alarm = add_department(alarms, true, "halted", line);

	SAY_ID(alarm,
	        "%s berhenti mencatat %s: pemetaan, tabel atau topiknya tidak cocok.",
	        title_of(line), since->id);
	SAY_EN(alarm, "%s is halted %s: %s", title_of(line), since->en,
	        line->reason[0] ? line->reason : "its mapping or tables are wrong");
	DO_ID(alarm,
	        "Baca alasannya di tabel dinas dan betulkan; sink mencoba lagi sendiri "
	        "tiap menit.");
	DO_EN(alarm, "Mend what the reason names; the sink tries again by itself each "
	             "minute.");
}

static void say_silent(struct alarms *alarms, const struct department_line *line,
        const struct words *since)
{
	struct alarm *alarm = add_department(alarms, true, "silent", line);

	SAY_ID(alarm, "Program pencatat (sink) %s tidak memberi kabar %s.",
	        title_of(line), since->id);
	SAY_EN(alarm, "The sink of %s has not reported %s.", title_of(line), since->en);
	DO_ID(alarm, "Jalankan kembali sink-%.60s dan baca lognya.", line->name);
	DO_EN(alarm, "Start sink-%.60s again and read its log.", line->name);
}

static void say_waiting(struct alarms *alarms, const struct department_line *line,
        const struct words *since, int64_t now_us)
{
	struct alarm *alarm = add_department(alarms, true, "waiting", line);
	int64_t seconds = department_lag_seconds(line, now_us);
	struct words span = span_words(seconds);

	SAY_ID(alarm, "%s %s%s: basis datanya tidak menjawab %s.", title_of(line),
	        seconds > 0 ? "tertinggal " : "menunggu", seconds > 0 ? span.id : "",
	        since->id);
	SAY_EN(alarm, "%s is %s%s: its database does not answer %s.", title_of(line),
	        seconds > 0 ? "behind by " : "waiting", seconds > 0 ? span.en : "",
	        since->en);
	DO_ID(alarm, "Hubungi pengelola basis data %s.", title_of(line));
	DO_EN(alarm, "Call who keeps the database of %s.", title_of(line));
}

static void say_behind(
        struct alarms *alarms, const struct department_line *line, int64_t seconds)
{
	struct alarm *alarm = add_department(alarms, false, "behind", line);
	struct words span = span_words(seconds);

	alarm->since_us = line->oldest_us;
	SAY_ID(alarm, "%s tertinggal %s.", title_of(line), span.id);
	SAY_EN(alarm, "%s is behind by %s.", title_of(line), span.en);
	DO_ID(alarm,
	        "Tunggu bila angkanya turun; bila tidak, lihat beban basis datanya.");
	DO_EN(alarm, "Wait while it falls; else look at the load of its database.");
}

static void say_dead(
        struct alarms *alarms, const struct department_line *line, int64_t now_us)
{
	struct alarm *alarm = add_department(alarms, false, "dead", line);

	alarm->since_us = now_us;
	SAY_ID(alarm, "%lld catatan perlu diperbaiki di %s.", (long long)line->dead,
	        title_of(line));
	SAY_EN(alarm, "%lld %s in %s.", (long long)line->dead,
	        line->dead == 1 ? "dead letter waits" : "dead letters wait",
	        title_of(line));
	DO_ID(alarm,
	        "Buka baris dinas ini; perintah kentongan dead-letters list ada di "
	        "sana.");
	DO_EN(alarm, "Open this department's row; the command kentongan dead-letters "
	             "list stands there.");
}

static void look_at_stopped(struct alarms *alarms, const struct alarm_facts *facts)
{
	const struct departments *departments = facts->departments;

	for (size_t i = 0; i < departments->count; i++) {
		const struct department_line *line = &departments->all[i];
		struct words since = since_words(line->since_us, facts->now_us);

		if (strcmp(line->state, "halted") == 0)
			say_halted(alarms, line, &since);
		else if (strcmp(line->state, "silent") == 0 && facts->broker_is_up)
			say_silent(alarms, line, &since);
		else if (strcmp(line->state, "waiting") == 0
		         && facts->now_us - line->since_us > WAITING_S * SECOND_US)
			say_waiting(alarms, line, &since, facts->now_us);
	}
}

static void look_at_late(struct alarms *alarms, const struct alarm_facts *facts)
{
	const struct departments *departments = facts->departments;

	for (size_t i = 0; i < departments->count; i++) {
		const struct department_line *line = &departments->all[i];
		int64_t seconds = department_lag_seconds(line, facts->now_us);

		if (strcmp(line->state, "running") == 0 && seconds > BEHIND_S)
			say_behind(alarms, line, seconds);
		if (line->dead > 0)
			say_dead(alarms, line, facts->now_us);
	}
}

/* Villages */

static const char *kind_of(const struct village *village)
{
	return strcmp(village->kind, "kelurahan") == 0 ? "Kelurahan" : "Desa";
}

static struct alarm *add_village(struct alarms *alarms, bool is_bad, const char *what,
        const struct village *village, int64_t since_us)
{
	char subject[96];

	snprintf(subject, sizeof subject, "village:%s", village->code);
	return add(alarms, is_bad, what, subject, since_us);
}

static void look_at_blocked(struct alarms *alarms, const struct alarm_facts *facts)
{
	const struct village *village;
	int64_t found = 0;

	for (size_t i = 0; (village = villages_at(facts->villages, i)) != NULL; i++) {
		struct alarm *alarm;

		if (village->state != VILLAGE_BLOCKED || ++found > NAMED_VILLAGES)
			continue;
		alarm = add_village(
		        alarms, true, "blocked", village, village->state_since_us);
		SAY_ID(alarm, "Kafka menolak kiriman %s %s (%s).", kind_of(village),
		        village->name, village->code);
		SAY_EN(alarm, "Kafka refuses what %s %s (%s) sends.", kind_of(village),
		        village->name, village->code);
		DO_ID(alarm, "Buka desa itu, baca alasannya, betulkan di Kafka. Jangan "
		             "batalkan catatan.");
		DO_EN(alarm,
		        "Open the village, read the reason, mend it in Kafka. Never "
		        "void events for it.");
	}
	if (found > NAMED_VILLAGES) {
		struct alarm *alarm =
		        add(alarms, true, "blocked-many", "kafka", facts->now_us);

		SAY_ID(alarm, "Kafka menolak kiriman %lld desa.", (long long)found);
		SAY_EN(alarm, "Kafka refuses what %lld villages send.",
		        (long long)found);
		DO_ID(alarm, "Periksa topik dan hak akses: kentongan topics create.");
		DO_EN(alarm, "Look at topics and rights: kentongan topics create.");
	}
}

static void say_village_waits(
        struct alarms *alarms, const struct village *village, int64_t now_us)
{
	int64_t age_us = now_us - village->oldest_pending_us;
	struct words span = span_words(age_us / SECOND_US);
	struct alarm *alarm = add_village(
	        alarms, false, "waiting", village, village->oldest_pending_us);

	SAY_ID(alarm, "%lld catatan %s %s menunggu jaringan, tertua %s.",
	        (long long)village->pending, kind_of(village), village->name, span.id);
	SAY_EN(alarm, "%lld events of %s %s wait for the link, the oldest for %s.",
	        (long long)village->pending, kind_of(village), village->name, span.en);
	DO_ID(alarm, "Tidak ada yang hilang. Tanyakan listrik dan jaringan ke desa.");
	DO_EN(alarm, "Nothing is lost. Ask the village for power and link.");
}

static void look_at_waiting(struct alarms *alarms, const struct alarm_facts *facts)
{
	const struct village *village;
	int64_t pending = 0;
	int64_t oldest_us = facts->now_us;
	int64_t found = 0;

	for (size_t i = 0; (village = villages_at(facts->villages, i)) != NULL; i++) {
		if (village->state != VILLAGE_WAITING
		        || facts->now_us - village->oldest_pending_us < HOUR_US)
			continue;
		if (++found <= NAMED_VILLAGES)
			say_village_waits(alarms, village, facts->now_us);
		pending += village->pending;
		if (village->oldest_pending_us < oldest_us)
			oldest_us = village->oldest_pending_us;
	}
	if (found > NAMED_VILLAGES) {
		struct words span = span_words((facts->now_us - oldest_us) / SECOND_US);
		struct alarm *alarm =
		        add(alarms, false, "waiting-many", "monitor", oldest_us);

		SAY_ID(alarm, "%lld catatan di %lld desa menunggu jaringan, tertua %s.",
		        (long long)pending, (long long)found, span.id);
		SAY_EN(alarm,
		        "%lld events in %lld villages wait for the link, the oldest "
		        "for %s.",
		        (long long)pending, (long long)found, span.en);
		DO_ID(alarm,
		        "Lihat papan desa: bila satu kecamatan, jaringannya putus.");
		DO_EN(alarm,
		        "Look at the board: if it is one district, its link is down.");
	}
}

/* An office whose computer is off at night is nobody's alarm; many that fall silent
 * within a day of having spoken are. */
static void look_at_silent(struct alarms *alarms, const struct alarm_facts *facts)
{
	const struct village *village;
	struct alarm *alarm;
	int64_t found = 0;
	int64_t since_us = facts->now_us;

	for (size_t i = 0; (village = villages_at(facts->villages, i)) != NULL; i++) {
		if (village->state != VILLAGE_SILENT
		        || facts->now_us - village->reported_us > DAY_US)
			continue;
		found++;
		if (village->reported_us < since_us)
			since_us = village->reported_us;
	}
	if (found < SILENT_VILLAGES)
		return;
	alarm = add(alarms, false, "silent-many", "monitor", since_us);
	SAY_ID(alarm, "%lld desa tanpa kabar sejak kurang dari sehari.",
	        (long long)found);
	SAY_EN(alarm, "%lld villages have fallen silent within a day.",
	        (long long)found);
	DO_ID(alarm,
	        "Di luar jam kerja itu biasa. Pada jam kerja: tanyakan listrik dan "
	        "jaringan.");
	DO_EN(alarm,
	        "Usual when offices are closed. In office hours: ask for power and "
	        "link.");
}

/* All */

const struct alarm *alarms_find(const struct alarms *alarms, const char *id)
{
	for (size_t i = 0; i < alarms->count; i++)
		if (strcmp(alarms->all[i].id, id) == 0)
			return &alarms->all[i];
	return NULL;
}

void alarms_settle(struct alarms *alarms, const struct alarms *before,
        const struct alarm_facts *facts)
{
	alarms->count = 0;
	look_at_kafka(alarms, facts);
	look_at_stopped(alarms, facts);
	look_at_blocked(alarms, facts);
	look_at_late(alarms, facts);
	look_at_strangers(alarms, facts);
	if (!facts->is_reading) {
		look_at_waiting(alarms, facts);
		look_at_silent(alarms, facts);
	}
	look_at_reading(alarms, facts);
	for (size_t i = 0; i < alarms->count; i++) {
		const struct alarm *old = alarms_find(before, alarms->all[i].id);

		if (old != NULL)
			alarms->all[i].since_us = old->since_us;
	}
}

static void put_text(const char *name, const char *text, struct buffer *out)
{
	buffer_format(out, "%s:", name);
	buffer_append_json(out, bytes_of(text));
}

void alarm_put(const struct alarm *alarm, const char *state, struct buffer *out)
{
	put_text("{\"id\"", alarm->id, out);
	put_text(",\"severity\"", alarm->is_bad ? "bad" : "warn", out);
	buffer_append_text(out, ",\"since\":");
	clock_append_json(alarm->since_us, out);
	put_text(",\"subject\"", alarm->subject, out);
	put_text(",\"text_id\"", alarm->text_id, out);
	put_text(",\"text_en\"", alarm->text_en, out);
	put_text(",\"next_id\"", alarm->next_id, out);
	put_text(",\"next_en\"", alarm->next_en, out);
	if (state != NULL)
		put_text(",\"state\"", state, out);
	buffer_append_byte(out, '}');
}

void alarms_put(const struct alarms *alarms, struct buffer *out)
{
	buffer_append_byte(out, '[');
	for (size_t i = 0; i < alarms->count; i++) {
		if (i > 0)
			buffer_append_byte(out, ',');
		alarm_put(&alarms->all[i], NULL, out);
	}
	buffer_append_byte(out, ']');
}
