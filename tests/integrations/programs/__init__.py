"""Programs that are run with the stock SDK and with the fork, and have to print the same."""
