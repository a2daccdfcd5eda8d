"""Load on a running stack, by a profile, with the clients' own ledger of what became of it."""
