#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every source begins with its licence; no path of a machine, no registry's host, nothing left open.
set -u
cd "$(dirname "$0")/../.." || exit 70
status=0
files=$(git ls-files '*.c' '*.h' '*.py' '*.sh' '*.sql' '*.js' '*.css' 'tests/run' 'tests/full' 'deploy/local')
for file in $files; do
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: MIT' || { echo "$file: no SPDX line"; status=1; }
done
open='TO''DO|FIX''ME|XX''X'
if git grep -nwIE "($open)" -- lib services deploy tests docs schemas ':!tests/lint/names.sh'; then status=1; fi
if git grep -nIE 'https?://[a-z0-9.-]*(repo1\.maven|registry\.npmjs|pypi\.org|deb\.debian)' -- . ; then status=1; fi
if git grep -nIE '/(home|Users)/[a-z]+/|/ro''ot/' -- . ':!deploy/lib/hub/postgres.py'; then status=1; fi
# No record's own field stands in C: the head's are the only names that C knows.
own='applicant|letter_number|disburs|nik"|amount"|applicant_'
if grep -nE "\"($own)" lib/*/*.c services/*/*.c | grep -vE 'lib/event/format.c'; then echo "a record's field name stands in C"; status=1; fi
exit $status
