#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Include lines point down; outside libraries stay behind their doors; no header shows jansson or libcrypto.
set -u
cd "$(dirname "$0")/../.." || exit 70
status=0
say() { echo "$1"; status=1; }

allowed() { # the layers that a layer may include
	case $1 in
	base) echo "base" ;;
	event) echo "base event" ;;
	port) echo "base event port" ;;
	flow) echo "base event port flow" ;;
	run) echo "base event port flow run" ;;
	esac
}

for layer in base event port flow run; do
	for file in lib/$layer/*.[ch]; do
		for included in $(grep -oE '^#include "(base|event|port|flow|run)/' "$file" | sed -E 's/.*"([a-z]+)\//\1/'); do
			[[ " $(allowed $layer) " == *" $included "* ]] || say "$file: includes $included"
		done
	done
done

# A port includes its own header and its helpers', no other port's; http stands on loop.
for file in lib/port/*.[ch]; do
	name=$(basename "$file" | sed -E 's/(_.*)?\.[ch]$//')
	for included in $(grep -oE '^#include "port/[a-z_]+' "$file" | sed 's/.*port\///'); do
		[[ $included == "$name" || $included == "${name}_"* || "$name>$included" == "http>loop" ]] || say "$file: includes port/$included"
	done
done

door() { # door HEADER PATTERN-OF-FILES
	local found
	found=$(grep -lE "#include <$1" -r lib services --include='*.[ch]' | grep -vE "$2")
	[ -z "$found" ] || say "$1 is included by: $found"
}
door 'sqlite3.h' '^lib/port/spool(_parts\.h|\.c)$'
door 'librdkafka/' '^lib/port/topic_.*\.c$'
door 'libpq-fe.h' '^lib/port/table\.c$'
door 'avro.h' '^lib/port/avro\.c$'
door 'curl/' '^lib/port/fetch\.c$'
door 'uv.h' '^lib/port/loop\.c$'
door 'microhttpd.h' '^lib/port/http_parts\.h$'
door '(jansson.h|openssl/)' '\.c$'
for file in $(grep -lE '#include <(jansson.h|openssl/)' lib/base/*.c); do say "$file: base knows the C library only"; done

# Services share through lib only.
for folder in services/*/; do
	grep -nE '#include "(\.\.|services)/' "$folder"*.[ch] && say "$folder includes another service"
done
exit $status
