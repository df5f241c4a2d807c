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

tracked()
{
    if git rev-parse --git-dir >/dev/null 2>&1; then
        git -c core.quotePath=false ls-files
    else
        find . -type f -not -path './build*' | sed 's,^\./,,'
    fi
}

# Without git's safety check on who owns the directory: a copy may be another user's.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

without_licence()
{
    tracked | grep -E '\.(c|h|def|py|sh|ac|am|inc)$|(^|/)(packages|demo\.sh|check\.sh|run)$' \
        | while read -r file; do
            [ -f "$file" ] || continue
            head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$file"
        done
}

shell_scripts()
{
    tracked | while read -r file; do
        [ -f "$file" ] || continue
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
    tracked | grep -E '\.(o|a|so|pyc|orig|rej|swp|log|trs|gcda|gcno)$|~$|(^|/)(core|config\.(h|log|status)|Makefile\.in|Makefile|configure)$'
    tracked | while read -r file; do
        [ -f "$file" ] || continue
        [ "$(stat -c %s "$file")" -le 1048576 ] || echo "$file is over 1 MiB"
    done
}

untidy_text()
{
    tracked | grep -vE '(^|/)(corpus|corpora)/|\.(bin|pcap|patch)$|^LICENSE$' | while read -r file; do
        [ -f "$file" ] || continue
        grep -Iq . "$file" || continue
        grep -InE '[[:blank:]]+$' "$file" | head -n 3 | sed "s,^,$file:," | sed 's/$/ <- trailing blank/'
        [ -z "$(tail -c 1 "$file")" ] || echo "$file: no newline at the end"
        case $file in
        *.c | *.h | *.py) grep -nP '\t' "$file" | head -n 1 | sed "s,^,$file: tab: ," ;;
        esac
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
