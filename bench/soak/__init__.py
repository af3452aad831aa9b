"""Very many jobs that do nothing through the ledger and the tickets, with workers killed on the way: `make soak`."""
