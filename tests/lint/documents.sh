#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Documents that are made from schemas and settings are not stale; help names every command.
cd "$(dirname "$0")/../.." || exit 70
docs/make-documents --check || exit 1
for command in 'topics create' 'schemas show' 'schemas check' 'schemas push' 'schemas pull' 'schemas diff' 'department check' \
	'department init' 'department try' 'dead-letters list' 'dead-letters show' 'dead-letters retry' 'dead-letters waive' \
	'account' 'log adopt' 'villages find' 'version'; do
	build/debug/bin/kentongan --help | grep -q "kentongan $command" || { echo "kentongan --help lacks $command"; exit 1; }
done
