"""The benchmark: the fork against stock openai of the same version, as ratios that were measured in one run.

    cases   what is compared as CPU time per call
    memory  what a waiting task holds
    sides   the processes in which stock and fork run, and what one round gives
    report  median, interval and verdict, and the table

CPU time (`time.process_time`), not the wall clock, and an in-process transport (`httpx2.MockTransport`), not a socket:
what is compared is the client's own work, so the kernel, the server's process and other users of the machine stay out
of it. Over a real connection both sides pay the same on top, and every ratio comes closer to 1.
"""
