/* SPDX-License-Identifier: MIT */
/*
 * A conf is a row of values beside the table, in the table's order, and a list of
 * family members in the file's order. Values are checked against their type when they
 * are set, so that the getters cannot fail. Such a picture never changes: what callers
 * hold is an empty conf that leads to the newest one, and each leads to the one before.
 */
#include "base/conf.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct conf_value {
	char *text;
	char from[128]; /* "file:line", "environment" or "default" */
	uint64_t number;
};

struct conf_entry {
	size_t family; /* index of its key */
	char *name;
	struct conf_value value;
};

struct conf {
	const struct conf_key *keys;
	size_t count;
	struct conf_value *values;
	struct conf_entry *entries;
	size_t entry_count;
	struct conf
	        *_Atomic newest; /* what callers hold leads to it; a picture: NULL */
	struct conf *before;     /* the picture that this one followed */
};

static const char *conf_type_name(enum conf_type type)
{
	switch (type) {
	case CONF_TEXT:
		return "text";
	case CONF_PATH:
		return "path";
	case CONF_MS:
		return "milliseconds";
	case CONF_COUNT:
		return "number";
	case CONF_SOME:
		return "number, 1 or more";
	case CONF_BYTES:
		return "bytes";
	case CONF_FLAG:
		return "yes or no";
	case CONF_CHOICE:
		return "choice";
	case CONF_SECRET:
		return "secret";
	case CONF_FAMILY:
		return "any text";
	}
	return "text";
}

static size_t conf_index(const struct conf_key *keys, const char *name)
{
	size_t index = 0;

	while (keys[index].name != NULL && strcmp(keys[index].name, name) != 0)
		index++;
	return index;
}

static bool is_choice(const char *choices, const char *text)
{
	size_t size = strlen(text);

	for (const char *at = choices; at != NULL;) {
		const char *end = strchr(at, '|');
		size_t length = end ? (size_t)(end - at) : strlen(at);

		if (length == size && strncmp(at, text, size) == 0)
			return true;
		at = end ? end + 1 : NULL;
	}
	return false;
}

static bool parse_number(const char *text, bool units, uint64_t *out)
{
	char *end;
	unsigned shift = 0;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	if (errno != 0)
		return false;
	if (units && *end != '\0') {
		const char *unit = strchr("KMG", *end);

		if (unit == NULL)
			return false;
		shift = 10 * (unsigned)(unit - "KMG" + 1);
		end++;
	}
	if (*end != '\0' || *out > (UINT64_MAX >> shift))
		return false;
	*out <<= shift;
	return true;
}

static bool conf_fits(const struct conf_key *key, const char *text, uint64_t *number,
        struct fault *fault)
{
	switch (key->type) {
	case CONF_MS:
	case CONF_COUNT:
		return parse_number(text, false, number)
		       || fault_set(fault, FAULT_STOP,
		               "%s takes a whole number, such as %s", key->name,
		               key->standard ? key->standard : "10");
	case CONF_SOME:
		return (parse_number(text, false, number) && *number > 0)
		       || fault_set(fault, FAULT_STOP,
		               "%s takes a whole number from 1 on, such as %s",
		               key->name, key->standard ? key->standard : "10");
	case CONF_BYTES:
		return parse_number(text, true, number)
		       || fault_set(fault, FAULT_STOP,
		               "%s takes bytes, such as 4096, 64K or 16M", key->name);
	case CONF_FLAG:
		*number = strcmp(text, "yes") == 0;
		return *number || strcmp(text, "no") == 0
		       || fault_set(fault, FAULT_STOP, "%s takes yes or no", key->name);
	case CONF_CHOICE:
		return is_choice(key->choices, text)
		       || fault_set(fault, FAULT_STOP, "%s takes one of %s", key->name,
		               key->choices);
	case CONF_TEXT:
	case CONF_PATH:
	case CONF_SECRET:
	case CONF_FAMILY:
		return true;
	}
	return true;
}

static bool conf_put(struct conf_value *value, const struct conf_key *key,
        const char *text, const char *from, struct fault *fault)
{
	uint64_t number = 0;
	char *copy;

	if (!conf_fits(key, text, &number, fault))
		return false;
	value->number = number;
	copy = strdup(text);
	if (copy == NULL)
		return fault_memory(fault);
	free(value->text);
	value->text = copy;
	snprintf(value->from, sizeof value->from, "%s", from);
	return true;
}

static bool conf_put_member(struct conf *conf, size_t family, const char *name,
        const char *text, const char *from, struct fault *fault)
{
	struct conf_entry *entries =
	        realloc(conf->entries, (conf->entry_count + 1) * sizeof *entries);
	struct conf_entry *entry;

	if (entries == NULL)
		return fault_memory(fault);
	conf->entries = entries;
	entry = &entries[conf->entry_count];
	*entry = (struct conf_entry){ .family = family, .name = strdup(name) };
	if (entry->name == NULL)
		return fault_memory(fault);
	conf->entry_count++;
	return conf_put(&entry->value, &conf->keys[family], text, from, fault);
}

/* The known key that shares the longest beginning with a misspelt one. */
static const char *conf_nearest(const struct conf_key *keys, const char *name)
{
	const char *best = NULL;
	size_t most = 1;

	for (; keys->name != NULL; keys++) {
		size_t same = 0;

		while (name[same] != '\0' && name[same] == keys->name[same])
			same++;
		if (same > most) {
			most = same;
			best = keys->name;
		}
	}
	return best;
}

static bool conf_unknown(const struct conf *conf, const char *name, struct fault *fault)
{
	const char *nearest = conf_nearest(conf->keys, name);

	if (nearest != NULL)
		return fault_set(fault, FAULT_STOP,
		        "unknown setting %.64s; did you mean %s?", name, nearest);
	return fault_set(fault, FAULT_STOP,
	        "unknown setting %.64s; --help lists the settings", name);
}

/* The family that a name belongs to; the table's end when there is none. */
static size_t conf_family(const struct conf *conf, const char *name)
{
	const char *dot = strchr(name, '.');
	size_t index = dot != NULL ? 0 : conf->count;

	for (; index < conf->count; index++) {
		const struct conf_key *key = &conf->keys[index];

		if (key->type == CONF_FAMILY
		        && strlen(key->name) == (size_t)(dot - name)
		        && strncmp(key->name, name, (size_t)(dot - name)) == 0)
			break;
	}
	return index;
}

/* What a name was set to before; NULL: nothing. */
static struct conf_value *conf_before(const struct conf *conf, const char *name)
{
	size_t index = conf_index(conf->keys, name);
	size_t family = conf_family(conf, name);

	if (index < conf->count && conf->values[index].text != NULL)
		return &conf->values[index];
	for (size_t i = 0; family < conf->count && i < conf->entry_count; i++)
		if (conf->entries[i].family == family
		        && strcmp(conf->entries[i].name, strchr(name, '.') + 1) == 0)
			return &conf->entries[i].value;
	return NULL;
}

static bool conf_set(struct conf *conf, const char *name, const char *text,
        const char *from, struct fault *fault)
{
	size_t index = conf_index(conf->keys, name);
	size_t family = conf_family(conf, name);
	struct conf_value *before = conf_before(conf, name);

	if (index < conf->count && conf->keys[index].type != CONF_FAMILY)
		return conf_put(
		        &conf->values[index], &conf->keys[index], text, from, fault);
	if (family == conf->count)
		return conf_unknown(conf, name, fault);
	if (before != NULL) /* an option, which stands above the file */
		return conf_put(before, &conf->keys[family], text, from, fault);
	return conf_put_member(conf, family, strchr(name, '.') + 1, text, from, fault);
}

static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (isspace((unsigned char)*text))
		text++;
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return text;
}

static bool conf_line(
        struct conf *conf, char *line, const char *from, struct fault *fault)
{
	char *text = trim(line);
	char *equals = strchr(text, '=');
	const struct conf_value *before;

	if (*text == '\0' || *text == '#')
		return true;
	if (equals == NULL)
		return fault_set(fault, FAULT_STOP, "expected a line `key = value`");
	*equals = '\0';
	text = trim(text);
	before = conf_before(conf, text);
	if (before != NULL)
		return fault_set(fault, FAULT_STOP, "%s stands here again; first at %s",
		        text, before->from);
	return conf_set(conf, text, trim(equals + 1), from, fault);
}

static bool conf_file(struct conf *conf, const char *path, struct fault *fault)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t size;
	bool ok = true;

	if (file == NULL)
		return fault_set(fault, FAULT_STOP, "settings file %s: %s", path,
		        strerror(errno));
	for (int number = 1; ok && (size = getline(&line, &room, file)) >= 0;
	        number++) {
		char from[128];

		snprintf(from, sizeof from, "%s:%d", path, number);
		ok = strlen(line) == (size_t)size
		             ? conf_line(conf, line, from, fault)
		             : fault_set(fault, FAULT_STOP, "a NUL byte");
		ok = ok || fault_wrap(fault, "%s", from);
	}
	free(line);
	fclose(file);
	return ok;
}

static bool conf_environment(
        struct conf *conf, const char *program, struct fault *fault)
{
	for (size_t i = 0; i < conf->count; i++) {
		const struct conf_key *key = &conf->keys[i];
		char name[128];
		const char *text;

		if (key->type == CONF_SECRET || key->type == CONF_FAMILY)
			continue;
		snprintf(name, sizeof name, "KENTONGAN_%s_%s", program, key->name);
		for (char *at = name; *at != '\0'; at++)
			*at = (char)toupper((unsigned char)*at);
		text = getenv(name);
		if (text != NULL
		        && !conf_put(&conf->values[i], key, text, "environment", fault))
			return fault_wrap(fault, "environment %s", name);
	}
	return true;
}

static bool conf_complete(struct conf *conf, const char *path, struct fault *fault)
{
	for (size_t i = 0; i < conf->count; i++) {
		const struct conf_key *key = &conf->keys[i];

		const char *text = conf->values[i].text;
		bool is_empty = text == NULL || text[0] == '\0';

		if (key->type == CONF_FAMILY
		        || (text != NULL && !(is_empty && key->standard == NULL)))
			continue;
		if (key->standard == NULL)
			return fault_set(fault, FAULT_STOP,
			        "%s: the setting %s is missing (%s)",
			        path ? path : "no --conf file", key->name, key->help);
		if (!conf_put(&conf->values[i], key, key->standard, "default", fault))
			return false;
	}
	return true;
}

static bool conf_options(struct conf *conf, const char *const *options, size_t count,
        struct fault *fault)
{
	for (size_t i = 0; i + 1 < count; i += 2) {
		char name[64];

		snprintf(name, sizeof name, "%.63s", options[i] + strlen("--"));
		for (char *at = name; *at != '\0'; at++)
			*at = *at == '-' ? '_' : *at;
		if (!conf_set(conf, name, options[i + 1], "command line", fault)) {
			if (fault->code[0] == '\0')
				snprintf(fault->code, sizeof fault->code, "usage");
			return fault_wrap(fault, "%.64s", options[i]);
		}
	}
	return true;
}

static bool conf_new(
        struct conf **out, const struct conf_key *keys, struct fault *fault)
{
	struct conf *conf = calloc(1, sizeof *conf);

	if (conf == NULL)
		return fault_memory(fault);
	conf->keys = keys;
	while (keys[conf->count].name != NULL)
		conf->count++;
	conf->values = calloc(conf->count + 1, sizeof *conf->values);
	if (conf->values == NULL) {
		conf_close(&conf);
		return fault_memory(fault);
	}
	*out = conf;
	return true;
}

/* The picture becomes what callers hold, or is forgotten. */
static bool hand_over(struct conf *picture, struct conf **out, struct fault *fault)
{
	struct conf *conf = calloc(1, sizeof *conf);

	if (conf == NULL) {
		conf_close(&picture);
		return fault_memory(fault);
	}
	atomic_store(&conf->newest, picture);
	*out = conf;
	return true;
}

bool conf_read(struct conf **out, const char *program, const struct conf_key *keys,
        const char *path, struct fault *fault)
{
	struct conf *conf;

	if (!conf_new(&conf, keys, fault))
		return false;
	if ((path != NULL && !conf_file(conf, path, fault))
	        || (program != NULL && !conf_environment(conf, program, fault))
	        || !conf_complete(conf, path, fault)) {
		conf_close(&conf);
		return false;
	}
	return hand_over(conf, out, fault);
}

bool conf_read_options(struct conf **out, const struct conf_key *keys, const char *path,
        const char *const *options, size_t count, struct fault *fault)
{
	struct conf *conf;

	if (!conf_new(&conf, keys, fault))
		return false;
	if ((path != NULL && !conf_file(conf, path, fault))
	        || !conf_options(conf, options, count, fault)
	        || !conf_complete(conf, path, fault)) {
		conf_close(&conf);
		return false;
	}
	return hand_over(conf, out, fault);
}

static void forget_members(struct conf *conf)
{
	for (size_t i = 0; i < conf->entry_count; i++) {
		free(conf->entries[i].name);
		free(conf->entries[i].value.text);
	}
	free(conf->entries);
	conf->entries = NULL;
	conf->entry_count = 0;
}

static void forget(struct conf *conf)
{
	forget_members(conf);
	for (size_t i = 0; conf->values != NULL && i < conf->count; i++)
		free(conf->values[i].text);
	free(conf->values);
	free(conf);
}

void conf_close(struct conf **conf)
{
	struct conf *old = *conf;

	if (old == NULL)
		return;
	for (struct conf *at = atomic_load(&old->newest); at != NULL;) {
		struct conf *before = at->before;

		forget(at);
		at = before;
	}
	forget(old);
	*conf = NULL;
}

/* Another picture */

const struct conf *conf_now(const struct conf *conf)
{
	const struct conf *newest = atomic_load(&conf->newest);

	return newest != NULL ? newest : conf;
}

static bool is_named(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

static bool has_same_members(const struct conf *a, const struct conf *b)
{
	bool same = a->entry_count == b->entry_count;

	for (size_t i = 0; same && i < a->entry_count; i++)
		same = strcmp(a->entries[i].name, b->entries[i].name) == 0
		       && strcmp(a->entries[i].value.text, b->entries[i].value.text)
		                  == 0;
	return same;
}

/* Families are taken all together, or none of them. */
static bool takes_families(const struct conf *conf, const char *const *names)
{
	for (size_t i = 0; i < conf->count; i++)
		if (conf->keys[i].type == CONF_FAMILY
		        && !is_named(conf->keys[i].name, names))
			return false;
	return true;
}

static bool keep_members(
        const struct conf *now, struct conf *fresh, struct fault *fault)
{
	forget_members(fresh);
	for (size_t i = 0; i < now->entry_count; i++) {
		const struct conf_entry *entry = &now->entries[i];

		if (!conf_put_member(fresh, entry->family, entry->name,
		            entry->value.text, entry->value.from, fault))
			return false;
	}
	return true;
}

/* Whatever may not change is in the fresh picture what it is now. */
static bool keep_unnamed(const struct conf *now, struct conf *fresh,
        const char *const *names, struct fault *fault)
{
	for (size_t i = 0; i < now->count; i++) {
		const struct conf_key *key = &now->keys[i];

		if (key->type != CONF_FAMILY && !is_named(key->name, names)
		        && !conf_put(&fresh->values[i], key, now->values[i].text,
		                now->values[i].from, fault))
			return false;
	}
	return takes_families(now, names) || keep_members(now, fresh, fault);
}

static void tell_differences(const struct conf *now, const struct conf *fresh,
        const char *const *names, conf_listener *told)
{
	for (size_t i = 0; i < now->count; i++) {
		const struct conf_key *key = &now->keys[i];
		bool secret = key->type == CONF_SECRET;

		if (key->type != CONF_FAMILY
		        && strcmp(now->values[i].text, fresh->values[i].text) != 0)
			told(key->name, secret ? "" : fresh->values[i].text,
			        is_named(key->name, names));
		else if (key->type == CONF_FAMILY && !has_same_members(now, fresh))
			told(key->name, "", takes_families(now, names));
	}
}

bool conf_renew(struct conf *conf, struct conf **fresh, const char *const *names,
        conf_listener *told, struct fault *fault)
{
	const struct conf *now = conf_now(conf);
	struct conf *next = atomic_load(&(*fresh)->newest);

	free(*fresh);
	*fresh = NULL;
	tell_differences(now, next, names, told);
	if (!keep_unnamed(now, next, names, fault)) {
		forget(next);
		return false;
	}
	next->before = atomic_load(&conf->newest);
	atomic_store(&conf->newest, next);
	return true;
}

static const struct conf_value *conf_value(const struct conf *conf, const char *name)
{
	const struct conf *now = conf_now(conf);
	size_t index = conf_index(now->keys, name);

	assert(index < now->count);
	return &now->values[index];
}

const char *conf_text(const struct conf *conf, const char *name)
{
	return conf_value(conf, name)->text;
}

uint64_t conf_number(const struct conf *conf, const char *name)
{
	return conf_value(conf, name)->number;
}

bool conf_flag(const struct conf *conf, const char *name)
{
	return conf_value(conf, name)->number != 0;
}

bool conf_is(const struct conf *conf, const char *name, const char *word)
{
	return strcmp(conf_text(conf, name), word) == 0;
}

bool conf_member(const struct conf *conf, const char *family, size_t index,
        const char **out_name, const char **out_value)
{
	const struct conf *now = conf_now(conf);
	size_t key = conf_index(now->keys, family);

	for (size_t i = 0; i < now->entry_count; i++) {
		if (now->entries[i].family != key || index-- > 0)
			continue;
		*out_name = now->entries[i].name;
		*out_value = now->entries[i].value.text;
		return true;
	}
	return false;
}

const char *conf_member_of(
        const struct conf *conf, const char *family, const char *name)
{
	const char *found;
	const char *value;

	for (size_t i = 0; conf_member(conf, family, i, &found, &value); i++)
		if (strcmp(found, name) == 0)
			return value;
	return NULL;
}

/* kafka.sasl.password, kafka.ssl.key.pem and their like. */
static bool is_secret_member(const char *name)
{
	return strstr(name, "password") != NULL || strstr(name, "secret") != NULL
	       || strstr(name, ".pem") != NULL;
}

void conf_print(const struct conf *conf, FILE *out)
{
	const struct conf *now = conf_now(conf);

	for (size_t i = 0; i < now->count; i++) {
		const struct conf_value *value = &now->values[i];

		if (now->keys[i].type == CONF_FAMILY)
			continue;
		fprintf(out, "%s = %s  # %s\n", now->keys[i].name,
		        now->keys[i].type == CONF_SECRET ? "(set)" : value->text,
		        value->from);
	}
	for (size_t i = 0; i < now->entry_count; i++) {
		const struct conf_entry *entry = &now->entries[i];

		fprintf(out, "%s.%s = %s  # %s\n", now->keys[entry->family].name,
		        entry->name,
		        is_secret_member(entry->name) ? "(set)" : entry->value.text,
		        entry->value.from);
	}
}

void conf_help(const struct conf_key *keys, FILE *out)
{
	for (; keys->name != NULL; keys++) {
		fprintf(out, "  %s%s  (%s", keys->name,
		        keys->type == CONF_FAMILY ? ".*" : "",
		        keys->choices ? keys->choices : conf_type_name(keys->type));
		if (keys->type != CONF_FAMILY)
			fprintf(out, ", %s%s",
			        keys->standard ? "default " : "must be set",
			        keys->standard ? keys->standard : "");
		fprintf(out, ")\n      %s\n", keys->help);
	}
}

/* Choices as "live or latihan": a bar would end the table's cell. */
static void print_choices(const char *choices, FILE *out)
{
	for (; *choices != '\0'; choices++) {
		if (*choices == '|')
			fputs(" or ", out);
		else
			fputc(*choices, out);
	}
}

void conf_table(const struct conf_key *keys, FILE *out)
{
	for (; keys->name != NULL; keys++) {
		const char *standard = keys->standard ? keys->standard : "must be set";
		bool family = keys->type == CONF_FAMILY;

		fprintf(out, "| `%s%s` | ", keys->name, family ? ".*" : "");
		print_choices(
		        keys->choices ? keys->choices : conf_type_name(keys->type),
		        out);
		fprintf(out, " | %s | %s |\n", family ? "" : standard, keys->help);
	}
}
