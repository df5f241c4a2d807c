/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for bash, made from the tables of commands and options, and the names that only
 * the daemon knows: "completion bash" prints the script, which asks for the names with
 * "completion bridges" and so on while the user types. */
#include <stdio.h>
#include <string.h>

#include "tools/turnoutctl/client.h"
#include "tools/turnoutctl/ctl.h"

/* How what stands in a synopsis is completed: bash that leaves words in the variable
 * 'words', or prepares 'files'. */
static const struct {
    const char *argument;          /* without the brackets around it */
    const char *code;
} kinds[] = {
    { "BRIDGE", "_turnoutctl_names bridges" },
    { "DEV|N", "_turnoutctl_names ports" },
    { "PORT", "_turnoutctl_names ports" },
    { "CONTROLLER", "_turnoutctl_names connections" },
    { "DEV[@N]", "_turnoutctl_devices" },
    { "DEV", "_turnoutctl_devices" },
    { "[MODULE:]LEVEL", "words+=' error warn info debug'" },
    { "FILE", "files=1" },
    { "PATH", "files=1" },
    { "DIR", "files=1" },
    /* Of 'hw', whose subcommand is the first argument. */
    { "ARGUMENT...", "case $bridge in diff | plan) files=1 ;; "
                     "policy) words+=' show set del' ;; doctor) _turnoutctl_devices ;; "
                     "entries | explain | capture) _turnoutctl_names bridges ;; esac" },
};

/* What comes before the commands. A word that was broken at ':' or '=' is put together, as
 * readline breaks there and we don't. */
static const char script_begin[] =
    "# bash completion for turnoutctl; made by 'turnoutctl completion bash'\n"
    "# shellcheck shell=bash\n"
    "\n"
    "# Names that the daemon has, into 'words'; none if it does not answer.\n"
    "_turnoutctl_names()\n"
    "{\n"
    "    words+=\" $(timeout 2 \"$program\" ${control:+\"--control=$control\"} completion \"$1\" \\\n"
    "        ${bridge:+\"$bridge\"} 2>/dev/null)\"\n"
    "}\n"
    "\n"
    "_turnoutctl_devices()\n"
    "{\n"
    "    words+=\" $(cd /sys/class/net 2>/dev/null && echo *)\"\n"
    "}\n"
    "\n"
    "_turnoutctl()\n"
    "{\n"
    "    local program=${COMP_WORDS[0]} line=() word i joined='' words='' files='' control=''\n"
    "    local command='' bridge='' position=0 takes_value='' cur cut=''\n"
    "    COMPREPLY=()\n"
    "    for ((i = 1; i <= COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if [[ $word == [:=]* || $joined ]] && ((${#line[@]})); then\n"
    "            line[${#line[@]}-1]+=$word\n"
    "        else\n"
    "            line+=(\"$word\")\n"
    "        fi\n"
    "        [[ $word == *[:=] ]] && joined=1 || joined=''\n"
    "    done\n"
    "    cur=${line[${#line[@]}-1]}\n"
    "    for ((i = 0; i < ${#line[@]} - 1; i++)); do\n"
    "        word=${line[i]}\n"
    "        if [[ $takes_value ]]; then\n"
    "            [[ $takes_value == --control ]] && control=$word\n"
    "            takes_value=''\n"
    "        elif [[ $word == --control=* ]]; then\n"
    "            control=${word#*=}\n"
    "        elif [[ $word == --* ]]; then\n"
    "            [[ \" $_turnoutctl_with_value \" == *\" $word \"* ]] && takes_value=$word\n"
    "        elif [[ ! $command ]]; then\n"
    "            command=$word\n"
    "        else\n"
    "            ((position++)) || bridge=$word\n"
    "        fi\n"
    "    done\n"
    "    [[ $cur == --*=* ]] && takes_value=${cur%%=*} cur=${cur#*=}\n"
    "    if [[ $takes_value ]]; then\n"
    "        _turnoutctl_value \"$takes_value\"\n"
    "    elif [[ $cur == -* ]]; then\n"
    "        _turnoutctl_options\n"
    "    elif [[ ! $command ]]; then\n"
    "        words=$_turnoutctl_commands\n"
    "    else\n"
    "        _turnoutctl_argument\n"
    "    fi\n"
    "    if [[ $files ]]; then\n"
    "        compopt -o filenames 2>/dev/null\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "        return\n"
    "    fi\n"
    "    # Not compgen -W, which would run what stands in a device's name.\n"
    "    [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]] && cut=${cur%\"${cur##*:}\"}\n"
    "    read -r -d '' -a line <<<\"$words\"\n"
    "    for word in \"${line[@]}\"; do\n"
    "        if [[ $word == \"$cur\"* ]]; then\n"
    "            printf -v word %q \"${word#\"$cut\"}\"\n"
    "            COMPREPLY+=(\"$word\")\n"
    "        fi\n"
    "    done\n"
    "}\n";

static void
print_words(const char *variable, const char *(*word)(size_t i), size_t n)
{
    const char *before = "";
    printf("\n%s='", variable);
    for (size_t i = 0; i < n; i++) {
        if (word(i)) {
            printf("%s%s", before, word(i));
            before = " ";
        }
    }
    puts("'");
}

static const char *
command_name(size_t i)
{
    return ctl_commands[i].name;
}

static bool
needs_value(const struct ctl_option *option)
{
    return option->arg && *option->arg != '[';
}

/* "--NAME" of an option whose value is the next word. */
static const char *
option_with_value(size_t i)
{
    static char text[40];
    snprintf(text, sizeof text, "--%s", ctl_options[i].name);
    return needs_value(&ctl_options[i]) ? text : NULL;
}

/* The code for an argument of 'len' characters as a synopsis has it. */
static void
print_argument(const char *argument, size_t len, const char *indent)
{
    if (len >= 2 && argument[0] == '[' && argument[len - 1] == ']') {
        argument++;
        len -= 2;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strlen(kinds[i].argument) == len && !memcmp(kinds[i].argument, argument, len)) {
            printf("%s%s\n", indent, kinds[i].code);
            return;
        }
    }
    if (*argument >= 'a' && *argument <= 'z') {        /* words to choose from */
        printf("%swords+=' ", indent);
        for (size_t i = 0; i < len; i++) {
            putchar(argument[i] == '|' ? ' ' : argument[i]);
        }
        puts("'");
        return;
    }
    printf("%s:\n", indent);
}

/* The bridge may be left out: then the first argument is in the second one's place. */
static void
print_arguments(const struct ctl_command *command)
{
    const char *p = command->synopsis;
    printf("    %s)\n        case $position in\n", command->name);
    for (int position = 0; *p; position++) {
        size_t len = strcspn(p, " ");
        const char *next = p[len] ? p + len + 1 : p + len;
        printf("        %d)\n", position);
        print_argument(p, len, "            ");
        if (command->takes_bridge && !position && *next) {
            print_argument(next, strcspn(next, " "), "            ");
        }
        puts("            ;;");
        p = next;
    }
    puts("        esac\n        ;;");
}

static void
print_functions(void)
{
    puts("\n_turnoutctl_argument()\n{\n    case $command in");
    for (size_t i = 0; i < ctl_n_commands; i++) {
        if (*ctl_commands[i].synopsis) {
            print_arguments(&ctl_commands[i]);
        }
    }
    puts("    esac\n}\n\n_turnoutctl_options()\n{\n    case $command in");
    for (size_t i = 0; i < ctl_n_commands; i++) {
        printf("    %s) words='", ctl_commands[i].name);
        for (size_t k = 0; k < ctl_n_options; k++) {
            if (ctl_option_applies(&ctl_options[k], &ctl_commands[i])) {
                printf("%s--%s", k ? " " : "", ctl_options[k].name);
            }
        }
        puts("' ;;");
    }
    printf("    *) words='");
    for (size_t k = 0; k < ctl_n_options; k++) {
        printf("%s--%s", k ? " " : "", ctl_options[k].name);
    }
    puts("' ;;\n    esac\n}\n\n_turnoutctl_value()\n{\n    case $1 in");
    for (size_t k = 0; k < ctl_n_options; k++) {
        if (needs_value(&ctl_options[k])) {
            printf("    --%s)\n", ctl_options[k].name);
            print_argument(ctl_options[k].arg, strlen(ctl_options[k].arg), "        ");
            puts("        ;;");
        }
    }
    puts("    esac\n}");
}

static void
print_script(void)
{
    fputs(script_begin, stdout);
    print_words("_turnoutctl_commands", command_name, ctl_n_commands);
    print_words("_turnoutctl_with_value", option_with_value, ctl_n_options);
    print_functions();
    puts("\ncomplete -F _turnoutctl turnoutctl");
}

/* --- names --------------------------------------------------------------------------- */

static void
print_names(const json_t *bridge, const char *list, const char *member)
{
    const json_t *row;
    size_t i;
    json_array_foreach(json_object_get(bridge, list), i, row) {
        const char *name = ctl_text(row, member);
        if (*name && !strchr(name, ' ')) {
            puts(name);
        }
    }
}

/* Of all bridges, or of the one that the user has typed, if it is one. */
static int
complete_names(struct ctl *ctl, const char *method, const char *list, const char *members[2])
{
    json_t *result;
    int status = ctl_connect(ctl);
    status = status ? status : ctl_call(ctl, method, NULL, &result);
    if (status) {
        return status;
    }
    const json_t *bridge;
    size_t i;
    bool found = false;
    json_array_foreach(json_object_get(result, "bridges"), i, bridge) {
        found |= ctl->args[1] && !strcmp(ctl_text(bridge, "name"), ctl->args[1]);
    }
    json_array_foreach(json_object_get(result, "bridges"), i, bridge) {
        if (!list) {
            puts(ctl_text(bridge, "name"));
        } else if (!found || !strcmp(ctl_text(bridge, "name"), ctl->args[1])) {
            print_names(bridge, list, members[0]);
            if (members[1]) {
                print_names(bridge, list, members[1]);
            }
        }
    }
    json_decref(result);
    return CTL_OK;
}

int
ctl_completion(struct ctl *ctl)
{
    const char *what = ctl->args[0];
    if (!strcmp(what, "bash")) {
        print_script();
        return CTL_OK;
    } else if (!strcmp(what, "bridges")) {
        return complete_names(ctl, "show", NULL, NULL);
    } else if (!strcmp(what, "ports")) {
        return complete_names(ctl, "show", "ports", (const char *[2]) { "name" });
    } else if (!strcmp(what, "connections")) {
        return complete_names(ctl, "controllers", "connections",
                              (const char *[2]) { "target", "peer" });
    }
    fprintf(stderr, "turnoutctl: no completion for '%s': it is bash, or bridges, ports or "
            "connections for their names\n", what);
    return CTL_USAGE;
}
