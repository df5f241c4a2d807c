#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The tree's hygiene: licence lines, shell scripts, manual pages, what git tracks. Prints TAP.
set -u
cd "${TURNOUT_SRCDIR:-$(dirname "$0")/../..}" || exit 1

n=0
# report NAME OUTPUT: ok if there is no output, else not ok with the output as diagnostics
report()
{
    n=$((n + 1))
    if [ -z "$2" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        printf '%s\n' "$2" | sed 's/^/# /'
    fi
}

# The files that git tracks, or would if this were a checkout; one a line.
list_files()
{
    if git rev-parse --git-dir >/dev/null 2>&1; then
        git -c core.quotePath=false ls-files
    else
        find . -type f -not -path './build*' | sed 's,^\./,,'
    fi | while read -r file; do
        [ ! -f "$file" ] || printf '%s\n' "$file"
    done
}

# Without git's safety check on who owns the directory: a copy may be another user's.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

files=$(list_files)
tracked()
{
    printf '%s\n' "$files"
}

# A kernel module: under the kernel's licence, in its style.
KERNEL_CODE='^tests/vm/simnic/'

without_licence()
{
    tracked | grep -E '\.(c|h|def|py|sh|ac|am|inc)$|(^|/)(packages|demo\.sh|check\.sh|run)$' \
        | grep -v "$KERNEL_CODE" | xargs -r -d '\n' grep -L 'SPDX-License-Identifier: Apache-2.0'
    tracked | grep "$KERNEL_CODE" | xargs -r -d '\n' grep -L 'SPDX-License-Identifier: GPL-2.0'
}

shell_scripts()
{
    tracked | while read -r file; do
        case $(head -c 64 "$file" | head -n 1 | tr -d '\0') in
        '#!'*/sh* | '#!'*/bash* | '#!'*'env bash'*) echo "$file" ;;
        esac
    done
}

shellcheck_all()
{
    local scripts
    mapfile -t scripts < <(shell_scripts)
    [ ${#scripts[@]} -gt 0 ] || { echo "no shell scripts found"; return; }
    shellcheck -x "${scripts[@]}" 2>&1
}

lint_manuals()
{
    local pages
    mapfile -t pages < <(tracked | grep -E '\.[1-8]$')
    [ ${#pages[@]} -gt 0 ] || return 0
    mandoc -T lint -W warning "${pages[@]}" 2>&1 | grep -v 'mdoc is not in sections'
}

unwanted_files()
{
    tracked | grep -E '\.(o|a|so|pyc|orig|rej|swp|log|trs|gcda|gcno)$|~$'
    tracked | grep -E '(^|/)core$|^(config\.(h|h\.in|log|status)|aclocal\.m4|Makefile(\.in)?|configure)$'
    tracked | xargs -r -d '\n' stat -c '%s %n' | awk '$1 > 1048576 { print $2 " is over 1 MiB" }'
}

# Text that people write: not the inputs of tests.
written_files()
{
    tracked | grep -vE '(^|/)(corpus|corpora)/|\.(bin|pcap|patch)$|^LICENSE$'
}

untidy_text()
{
    written_files | xargs -r -d '\n' grep -InE '[[:blank:]]+$' | sed 's/$/ <- trailing blank/'
    written_files | grep -v "$KERNEL_CODE" | grep -E '\.(c|h|py)$' | xargs -r -d '\n' grep -nP '\t' | sed 's/$/ <- tab/'
    written_files | while read -r file; do
        [ -z "$(tail -c 1 "$file")" ] || echo "$file: no newline at the end"
    done
}

unfinished_words()
{
    tracked | grep -E '\.(c|h|py|sh|inc|ac|am)$' | grep -v '^tests/style/' \
        | xargs -r -d '\n' grep -nwE 'TODO|FIXME|XXX|HACK' 2>/dev/null
}

not_executable()
{
    tracked | grep -E '(^|/)(autogen\.sh|check\.sh|demo\.sh|packages|run)$' | while read -r file; do
        [ -x "$file" ] || echo "$file"
    done
}

echo "1..7"
report "every source begins with its licence" "$(without_licence)"
report "shellcheck has nothing to say" "$(shellcheck_all)"
report "manual pages are clean" "$(lint_manuals)"
report "git tracks sources only" "$(unwanted_files)"
report "text files are tidy" "$(untidy_text)"
report "nothing is marked as unfinished" "$(unfinished_words)"
report "scripts are executable" "$(not_executable)"
