#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The layout is clang-format's: cmake --build --preset debug --target format
cd "$(dirname "$0")/../.." || exit 70
git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror 2>&1 | head -n 20
exit "${PIPESTATUS[1]}"
