/* SPDX-License-Identifier: Apache-2.0 */
/* --help, from the tables of commands and options. */
#include <stdio.h>
#include <string.h>

#include "tools/turnoutctl/ctl.h"

/* True if 'name' is one of the words of 'list'. */
static bool
has_word(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = list; (p = strstr(p, name)); p += len) {
        if ((p == list || p[-1] == ' ') && (!p[len] || p[len] == ' ')) {
            return true;
        }
    }
    return false;
}

bool
ctl_option_applies(const struct ctl_option *option, const struct ctl_command *command)
{
    if (!strcmp(option->name, "watch")) {
        return command->flags & CTL_WATCH;
    }
    return !option->commands || has_word(option->commands, command->name);
}

static void
print_option(const struct ctl_option *option)
{
    char text[60];
    const char *arg = option->arg ? option->arg : "";
    snprintf(text, sizeof text, "--%s%s%s", option->name, *arg && *arg != '[' ? " " : "", arg);
    printf("  %-27s %s\n", text, option->help);
}

void
ctl_help(void)
{
    puts("usage: turnoutctl [OPTION]... COMMAND [ARGUMENT]...\n"
         "Shows and changes a running turnoutd. BRIDGE may be left out when there is one.\n\n"
         "Commands:");
    for (size_t i = 0; i < ctl_n_commands; i++) {
        char text[60];
        snprintf(text, sizeof text, "%s %s", ctl_commands[i].name, ctl_commands[i].synopsis);
        printf("  %-27s %s\n", text, ctl_commands[i].help);
    }
    puts("\nOptions:");
    for (size_t i = 0; i < ctl_n_options; i++) {
        print_option(&ctl_options[i]);
    }
    puts("\n'turnoutctl COMMAND --help' has the options of a command; the manual page\n"
         "turnoutctl(8) has the details.");
}

void
ctl_command_help(const struct ctl_command *command)
{
    printf("usage: turnoutctl %s [OPTION]...%s%s\n", command->name, *command->synopsis ? " " : "",
           command->synopsis);
    printf("Shows or does: %s.\n", command->help);
    if (command->takes_bridge) {
        puts("BRIDGE may be left out when there is one.");
    }
    puts("\nOptions:");
    for (size_t i = 0; i < ctl_n_options; i++) {
        if (ctl_option_applies(&ctl_options[i], command)) {
            print_option(&ctl_options[i]);
        }
    }
    puts("\nThe manual page turnoutctl(8) has the details.");
}
