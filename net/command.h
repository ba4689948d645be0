/*
 * What the commands of the network share.
 */
#pragma once

#include "net/ip_address.h"
#include "shell/command.h"

/**
 * command_resolve() - the address of @host, a name or an address as text
 * Return: 0, or an error of net_resolve() that a line has told of.
 */
int __must_check command_resolve(struct shell *shell, const char *host, struct ip_address *address);
