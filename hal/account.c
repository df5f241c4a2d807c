/* SPDX-License-Identifier: Apache-2.0 */
/* What barriers wait for: see hal/internal.h. */
#include <errno.h>
#include <stdlib.h>

#include "hal/internal.h"

static struct hal_account *
find_account(const struct hal *hal, uint32_t number)
{
    struct hal_account *account = hal->oldest;
    while (account->number != number) {
        account = account->next;
    }
    return account;
}

static bool
is_older(const struct hal *hal, uint32_t number, uint32_t than)
{
    const struct hal_account *account = hal->oldest;
    while (account->number != number && account->number != than) {
        account = account->next;
    }
    return account->number == number && number != than;
}

void
account_owe(struct hal *hal, struct entry *e)
{
    uint32_t to = hal->owe_to ? hal->owe_to : hal->youngest->number;
    if (e->debt && hal->owe_to && is_older(hal, to, e->debt)) {
        find_account(hal, e->debt)->n_owed--;    /* not the last: an older one is open */
        e->debt = 0;
    }
    if (!e->debt) {
        e->debt = to;
        (hal->owe_to ? find_account(hal, to) : hal->youngest)->n_owed++;
    }
}

void
account_hold(struct hal *hal, uint32_t number)
{
    if (number) {
        find_account(hal, number)->n_owed++;
    }
}

/* Ends the barriers whose entries, and those of all before, have paid. */
static void
end_barriers(struct hal *hal)
{
    while (hal->oldest != hal->youngest && !hal->oldest->n_owed) {
        struct hal_account *account = hal->oldest;
        hal->oldest = account->next;
        account->done(account->aux, account->error);
        free(account);
    }
}

uint32_t
account_take(struct entry *e)
{
    uint32_t debt = e->debt;
    e->debt = 0;
    return debt;
}

void
account_pay(struct hal *hal, uint32_t number, int error)
{
    if (!number) {
        return;
    }
    struct hal_account *account = find_account(hal, number);
    account->n_owed--;
    account->error = error ? error : account->error;
    end_barriers(hal);
}

static struct hal_account *
account_new(uint32_t number)
{
    struct hal_account *account = calloc(1, sizeof *account);
    if (account) {
        account->number = number;
    }
    return account;
}

void
hal_barrier(struct hal *hal, void (*done)(void *aux, int error), void *aux)
{
    whole_settle(hal);
    if (hal->oldest == hal->youngest && !hal->youngest->n_owed) {
        done(aux, 0);
        return;
    }
    struct hal_account *next = account_new(hal->youngest->number + 1);
    if (!next) {
        done(aux, -ENOMEM);
        return;
    }
    next->number += !next->number;       /* 0 says "owes nothing" */
    hal->youngest->done = done;
    hal->youngest->aux = aux;
    hal->youngest->next = next;
    hal->youngest = next;
    end_barriers(hal);
}

bool
accounts_init(struct hal *hal)
{
    hal->oldest = hal->youngest = account_new(1);
    return hal->oldest;
}

void
accounts_fini(struct hal *hal)
{
    for (struct hal_account *account = hal->oldest, *next; account; account = next) {
        next = account->next;
        if (account->done) {
            account->done(account->aux, -EIO);
        }
        free(account);
    }
}
