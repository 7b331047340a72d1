/* SPDX-License-Identifier: MIT */
/*
 * `kentongan` is what people at the hub type: it makes topics, prepares and checks
 * departments, looks up schemas and villages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pwd.h>
#include <unistd.h>

#include <jansson.h>

#include "base/log.h"
#include "ctl.h"
#include "event/format.h"
#include "run/svc.h"

static const struct conf_key ctl_options[] = {
	CONF_KEY(TEXT, brokers, "", "Kafka's addresses, host:port with commas between"),
	CONF_KEY(PATH, schemas, "schemas", "folder of catalog.json and the schemas"),
	CONF_ONE_OF(mode, "live", "live|latihan", "whose topics are meant"),
	CONF_KEY(TEXT, against, "",
	        "registry, folder or file that schemas are checked against"),
	CONF_KEY(TEXT, database, "",
	        "libpq connection string; its password only by passfile="),
	CONF_KEY(PATH, department, "", "folder of the department that is meant"),
	CONF_ANY(departments,
	        "libpq connection string of a department, such as departments.dinsos"),
	CONF_KEY(
	        TEXT, village, "", "code of the village that is meant; all when empty"),
	CONF_KEY(TEXT, reason, "", "why, in your words; it is kept"),
	CONF_KEY(FLAG, preview, "no", "only look: everything is rolled back"),
	CONF_KEY(FLAG, all, "no", "with what waits behind it, unread"),
	CONF_KEY(FLAG, personal, "no", "show personal data; who looked is kept"),
	CONF_KEY(TEXT, from, "", "time to begin at, such as 2026-11-21T08:00:00+07:00"),
	CONF_KEY(TEXT, to, "", "time to end before, or a span such as +2h"),
	CONF_KEY(TEXT, topic, "", "topic that is meant, may stand more than once; all"),
	CONF_KEY(TEXT, speed, "max", "how many times as fast as it was, or max"),
	CONF_KEY(TEXT, max_gap, "0", "longest silence, such as 5s; 0: as it was"),
	CONF_KEY(BYTES, rate, "8M", "most bytes a second that are read; 0: any"),
	CONF_KEY(TEXT, district, "", "code or name of the district that is meant"),
	CONF_KEY(TEXT, case, "", "case that is meant"),
	CONF_KEY(TEXT, service, "", "service that is meant"),
	CONF_KEY(TEXT, out, "ndjson",
	        "where events go: ndjson, page, department=DIR or database=CONNINFO"),
	CONF_KEY(FLAG, dry_run, "no", "only count"),
	CONF_KEY(TEXT, monitor, "", "address of the monitor, for --out page"),
	CONF_KEY(TEXT, live, "", "libpq connection string of the live database"),
	CONF_KEY(TEXT, scratch, "", "libpq connection string of the scratch database"),
	CONF_KEY(TEXT, audit, "",
	        "libpq connection string of satu_data, which keeps who saw what"),
	CONF_KEY(COUNT, limit, "0",
	        "most records that are taken; 0: 100, of a replay all of them"),
	CONF_KEY(TEXT, was, "", "name that the department had before"),
	CONF_KEY(PATH, villages, "data/villages.csv", "register of villages"),
	CONF_ANY(kafka, "any property of librdkafka, such as kafka.ssl.ca.location"),
	CONF_END,
};

struct command {
	const char *first;
	const char *second;
	const char *arguments;
	const char *help;
	const char *options; /* besides those that stand for all commands */
	bool (*run)(struct ctl *ctl, struct fault *fault);
};

static const struct command commands[] = {
	{ "topics", "create", "--brokers HOST:PORT",
	        "make the catalog's topics, with the settings that one node needs too",
	        "", ctl_topics_create },
	{ "schemas", "show", "[NAME]", "the catalog, or one record's fields", "",
	        ctl_schemas_show },
	{ "schemas", "check", "[FILE] [--against DIR|URL|FILE]",
	        "whether every version reads every other; one sentence for each reason "
	        "against",
	        "against", ctl_schemas_check },
	{ "schemas", "push", "URL",
	        "register the catalog's versions under its ids, and read them back", "",
	        ctl_schemas_push },
	{ "schemas", "pull", "URL DIR",
	        "write what a registry has into a new folder with its catalog.json", "",
	        ctl_schemas_pull },
	{ "schemas", "diff", "URL|DIR",
	        "versions that only one side has, or that differ", "",
	        ctl_schemas_diff },
	{ "department", "check", "DIR --database CONNINFO",
	        "run all mappings against an empty batch; say which personal data it "
	        "gets",
	        "database", ctl_department_check },
	{ "department", "init", "DIR --database CONNINFO [--was NAME]",
	        "as the owner: install positions, dead letters, tables and rights, all "
	        "or nothing",
	        "database was", ctl_department_init },
	{ "department", "try",
	        "DIR --database CONNINFO --brokers HOST:PORT --from TIME",
	        "run real records through the mapping, print the rows, keep nothing",
	        "database from limit personal", ctl_department_try },
	{ "department", "diff", "DIR --live CONNINFO --scratch CONNINFO",
	        "what a rehearsal has made otherwise: rows by table, counted, values "
	        "not shown",
	        "live scratch", ctl_department_diff },
	{ "dead-letters", "list", "--department DIR --database CONNINFO",
	        "what the tables refused and how much waits behind it",
	        "department database limit", ctl_letters_list },
	{ "dead-letters", "show",
	        "ID --department DIR --database CONNINFO [--personal]",
	        "one of them, personal data masked", "department database personal",
	        ctl_letters_show },
	{ "dead-letters", "retry",
	        "ID --department DIR --database CONNINFO --brokers HOST:PORT "
	        "[--preview]",
	        "apply it and what waits behind it; --preview prints rows and keeps "
	        "nothing",
	        "department database preview personal reason", ctl_letters_retry },
	{ "dead-letters", "waive",
	        "ID --reason WHY --department DIR --database CONNINFO --brokers "
	        "HOST:PORT",
	        "drop it for good, so that what waits behind it goes on; --all drops "
	        "that "
	        "too",
	        "department database preview personal reason all", ctl_letters_waive },
	{ "account", "",
	        "--brokers HOST:PORT --departments.NAME CONNINFO ... [--village CODE]",
	        "accepted, in Kafka, applied, waiting, dead, missing of every stream",
	        "departments village", ctl_account },
	{ "log", "adopt",
	        "TOPIC --reason WHY --department DIR --database CONNINFO --brokers "
	        "HOST:PORT",
	        "go on with a topic that was lost or made anew",
	        "department database reason", ctl_log_adopt },
	{ "replay", "",
	        "--brokers HOST:PORT --from TIME --to TIME|+2h [--topic T ...] "
	        "[--speed 10] [--max-gap 5s] [--village CODE] [--district NAME] "
	        "[--case ID] [--service NAME] [--out ndjson|page|department=DIR] "
	        "[--dry-run] [--reason WHY --audit CONNINFO]",
	        "what happened, again: in order, by the broker's time, masked unless a "
	        "reason is kept",
	        "from to topic speed max-gap rate limit village district case service "
	        "out dry-run monitor audit reason database department",
	        ctl_replay },
	{ "resend", "",
	        "TOPIC FROM_SEQ TO_SEQ [INCARNATION] | TOPIC --from TIME --to TIME "
	        "--village CODE --brokers HOST:PORT",
	        "order a village to send these once more, as far as it still has them",
	        "village from to", ctl_resend },
	{ "villages", "find", "NAME", "codes of the villages of that name", "",
	        ctl_villages_find },
	{ "version", "", "", "print the version", "", ctl_version },
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

/* first, second: the words of one command, or of several; NULL means any. */
static void print_help(const char *first, const char *second)
{
	printf("kentongan: the operator's command\n\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *command = &commands[i];

		if ((first == NULL || strcmp(first, command->first) == 0)
		        && (second == NULL || strcmp(second, command->second) == 0))
			printf("  kentongan %s%s%s %s\n      %s\n", command->first,
			        command->second[0] ? " " : "", command->second,
			        command->arguments, command->help);
	}
	printf("\n  --json   print facts as JSON\n  --conf FILE   options as lines of "
	       "`key = value`; else KENTONGAN_CONF names it,\n                or "
	       "/etc/kentongan/kentongan.conf is it\n\nOptions, as --name value:\n");
	conf_help(ctl_options, stdout);
	printf("\nExit status: 0 done, 64 usage, 65 data, 69 unreachable, 70 internal, "
	       "75 try again, 78 configuration\n");
}

bool ctl_usage(struct fault *fault, const char *what)
{
	return fault_code(
	        fault, FAULT_STOP, "usage", "%s; kentongan --help shows how", what);
}

/* "--max-gap" is max_gap. */
static bool is_option(const char *typed, const char *name)
{
	size_t at = 0;

	typed += strspn(typed, "-");
	while (typed[at] != '\0'
	        && (typed[at] == name[at] || (typed[at] == '-' && name[at] == '_')))
		at++;
	return typed[at] == name[at];
}

bool ctl_given(const struct ctl *ctl, const char *name)
{
	for (size_t i = 0; i < ctl->option_count; i += 2)
		if (is_option(ctl->options[i], name))
			return true;
	return false;
}

bool ctl_without(const struct ctl *ctl, const char *const *names, const char *why,
        struct fault *fault)
{
	char text[128];

	for (; *names != NULL; names++) {
		if (!ctl_given(ctl, *names))
			continue;
		snprintf(text, sizeof text, "--%s: %s", *names, why);
		for (char *at = text; *at != ':'; at++)
			*at = *at == '_' ? '-' : *at;
		return ctl_usage(fault, text);
	}
	return true;
}

size_t ctl_limit(const struct ctl *ctl, size_t standard)
{
	uint64_t limit = conf_number(ctl->conf, "limit");

	return limit > 0 ? (size_t)limit : standard;
}

bool ctl_one_argument(
        const struct ctl *ctl, const char *what, const char **out, struct fault *fault)
{
	char text[128];

	if (ctl->count != 1) {
		snprintf(text, sizeof text, "expected one argument, %s", what);
		return ctl_usage(fault, text);
	}
	*out = ctl->arguments[0];
	return true;
}

bool ctl_village(const struct ctl *ctl, bool must, struct fault *fault)
{
	const char *code = conf_text(ctl->conf, "village");

	return (code[0] == '\0' && !must)
	       || format_find("village-code")->fits(bytes_of(code))
	       || ctl_usage(fault, "--village takes a code such as 35.09.01.2001");
}

bool ctl_reason(const struct ctl *ctl, struct fault *fault)
{
	const char *why = conf_text(ctl->conf, "reason");

	return why[strspn(why, " \t\r\n")] != '\0'
	       || ctl_usage(fault, "--reason WHY is missing; it is kept");
}

const char *ctl_who(void)
{
	const char *behind = getenv("SUDO_USER");
	const struct passwd *user = getpwuid(getuid());

	if (behind != NULL && behind[0] != '\0')
		return behind;
	return user != NULL ? user->pw_name : "unknown";
}

bool ctl_version(struct ctl *ctl, struct fault *fault)
{
	(void)fault;
	printf(ctl->json ? "{\"version\": \"%s\"}\n" : "kentongan %s\n",
	        KENTONGAN_VERSION);
	return true;
}

static bool is_first_word(const char *word)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(word, commands[i].first) == 0)
			return true;
	return false;
}

static const struct command *find_command(int argc, char **argv, int *used)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *command = &commands[i];
		int words = command->second[0] ? 2 : 1;

		if (argc <= words || strcmp(argv[1], command->first) != 0)
			continue;
		if (words == 1 || strcmp(argv[2], command->second) == 0) {
			*used = words + 1;
			return command;
		}
	}
	return NULL;
}

/* What stands on the command line besides options and arguments. */
struct words {
	const char *conf; /* file of options */
	bool help;
};

/* The hub's file of options, for all who work there; NULL where there is none. */
static const char *own_options(void)
{
	static const char standard[] = "/etc/kentongan/kentongan.conf";
	const char *named = getenv("KENTONGAN_CONF");

	if (named != NULL && named[0] != '\0')
		return named;
	return access(standard, F_OK) == 0 ? standard : NULL;
}

/* Whether the option, without its --, is in the list; of a family, its first word. */
static bool is_among(const char *list, const char *option)
{
	size_t size = strcspn(option, ".");

	for (; *list != '\0'; list += strcspn(list, " "), list += strspn(list, " ")) {
		size_t at = 0;

		while (at < size
		        && (list[at] == '_' ? '-' : list[at])
		                   == (option[at] == '_' ? '-' : option[at]))
			at++;
		if (at == size && strcspn(list, " ") == size)
			return true;
	}
	return false;
}

static bool is_known(const char *option)
{
	for (const struct conf_key *key = ctl_options; key->name != NULL; key++)
		if (is_among(key->name, option))
			return true;
	return false;
}

/* Who types an option means something by it: none is passed over in silence. */
static bool check_options(
        const struct ctl *ctl, const struct command *command, struct fault *fault)
{
	static const char everywhere[] = "brokers schemas mode villages kafka";
	char text[160];

	for (size_t i = 0; i < ctl->option_count; i += 2) {
		const char *name = ctl->options[i] + 2;
		bool again = false;

		if (!is_known(name))
			continue; /* conf_read_options() says what was meant */

		for (size_t j = 0; j < i; j += 2)
			again = again || strcmp(ctl->options[j], ctl->options[i]) == 0;
		if (!again
		        && (is_among(everywhere, name)
		                || is_among(command->options, name)))
			continue;
		snprintf(text, sizeof text, "--%.60s: %s%s%s %s", name, command->first,
		        command->second[0] ? " " : "", command->second,
		        again ? "takes it once" : "does not take it");
		return ctl_usage(fault, text);
	}
	if (ctl->topic_count > 0 && !is_among(command->options, "topic"))
		return ctl_usage(fault, "--topic: this command does not take it");
	return true;
}

static bool take_option(struct ctl *ctl, struct words *words, const char *name,
        const char *value, struct fault *fault)
{
	if (value == NULL || value[0] == '\0') /* or a script's variable, not set */
		return ctl_usage(fault, "an option without its value");
	if (strcmp(name, "--conf") == 0) {
		words->conf = value;
		return true;
	}
	if (strcmp(name, "--topic") == 0) {
		if (ctl->topic_count == CTL_ARGUMENTS)
			return ctl_usage(fault, "too many topics");
		ctl->topics[ctl->topic_count++] = value;
		return true;
	}
	if (ctl->option_count == 2 * CTL_OPTIONS)
		return ctl_usage(fault, "too many options");
	ctl->options[ctl->option_count++] = name;
	ctl->options[ctl->option_count++] = value;
	return true;
}

/* Options that need no value. */
static bool is_flag(const char *name)
{
	return strcmp(name, "preview") == 0 || strcmp(name, "all") == 0
	       || strcmp(name, "personal") == 0 || strcmp(name, "dry-run") == 0;
}

static bool collect(struct ctl *ctl, int argc, char **argv, int from,
        struct words *words, struct fault *fault)
{
	for (int i = from; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			ctl->json = true;
		} else if (strcmp(argv[i], "--help") == 0) {
			words->help = true;
		} else if (strncmp(argv[i], "--", 2) == 0 && is_flag(argv[i] + 2)) {
			if (!take_option(ctl, words, argv[i], "yes", fault))
				return false;
		} else if (strncmp(argv[i], "--", 2) == 0) {
			const char *value = i + 1 < argc ? argv[i + 1] : NULL;

			if (!take_option(ctl, words, argv[i++], value, fault))
				return false;
		} else if (ctl->count < CTL_ARGUMENTS) {
			ctl->arguments[ctl->count++] = argv[i];
		} else {
			return ctl_usage(fault, "too many arguments");
		}
	}
	return true;
}

static bool run(struct ctl *ctl, int argc, char **argv, struct fault *fault)
{
	const struct command *command;
	struct words words = { 0 };
	int used = 0;

	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		print_help(NULL, NULL);
		return argc >= 2 || ctl_usage(fault, "a command is missing");
	}
	if (strcmp(argv[1], "--version") == 0)
		return ctl_version(ctl, fault);
	if (argc == 3 && strcmp(argv[2], "--help") == 0 && is_first_word(argv[1])) {
		print_help(argv[1], NULL);
		return true;
	}
	command = find_command(argc, argv, &used);
	if (command == NULL)
		return ctl_usage(fault, "there is no such command");
	if (!collect(ctl, argc, argv, used, &words, fault))
		return false;
	if (words.help) {
		print_help(command->first, command->second);
		return true;
	}
	if (!check_options(ctl, command, fault))
		return false;
	return conf_read_options(&ctl->conf, ctl_options,
	               words.conf ? words.conf : own_options(), ctl->options,
	               ctl->option_count, fault)
	       && command->run(ctl, fault);
}

int main(int argc, char **argv)
{
	struct ctl ctl = { 0 };
	struct fault fault = { 0 };
	bool ok;

	json_object_seed(0);
	ok = run(&ctl, argc, argv, &fault);
	conf_close(&ctl.conf);
	if ((fflush(stdout) != 0 || ferror(stdout)) && ok)
		ok = fault_set(&fault, FAULT_RETRY,
		        "standard output: it could not all be written");
	if (!ok)
		fprintf(stderr, "kentongan: %s\n", fault.text);
	return ok ? EXIT_OK : svc_exit_status(&fault);
}
