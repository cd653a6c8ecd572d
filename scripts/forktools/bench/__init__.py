"""The benchmark: the fork against stock openai of the same version, as ratios that were measured in one run.

    cases   what is compared, and the program of a process that measures it
    sides   where stock and fork are, their processes, and what one round gives
    memory  what a waiting task holds
    report  median, interval and verdict, and the table

CPU time (`time.process_time`), not the wall clock, and an in-process transport (`httpx2.MockTransport`), not a socket:
what is compared is the client's own work, so the kernel, the server's process and other users of the machine stay out
of it. Over a real connection both sides pay the same on top, and every ratio comes closer to 1.

No name is imported here: the processes that are measured import this package too.
"""
