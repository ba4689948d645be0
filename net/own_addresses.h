/*
 * What each address is to this machine, for every packet that comes and goes.
 *
 * A hash table of the addresses of all interfaces and of their nets' broadcasts, read without a
 * lock. It grows with them.
 */
#pragma once

#include "lib/compiler.h"
#include "lib/list.h"
#include "net/interface.h"

/**
 * own_addresses_reserve() - have room for @count interfaces with an address
 * Serialised by the caller, as own_addresses_begin(). Return: 0 or -ENOMEM. Context: task.
 */
int __must_check own_addresses_reserve(unsigned int count);

/**
 * own_addresses_begin() - from here to own_addresses_end() readers wait; interrupts off
 * own_addresses_end() - the addresses are those of @interfaces: struct interface, by `node`
 */
void own_addresses_begin(void);
void own_addresses_end(const struct list *interfaces);
