"""The benchmark: the fork against stock openai of the same version, as ratios that were measured in one run.

    sides     where stock and fork are, and the processes in which they run
    payloads  the bodies and events that they are given
    cases     what is measured as CPU time per call
    worker    the program of such a process
    pairs     the rounds: two fresh processes each, block by block in turn
    imports   what `import openai` costs, in fresh interpreters
    memory    what a waiting task holds
    simulate  requests and detection latency on a virtual clock
    report    the table, docs/benchmarks.md, docs/benchmarks.json and the block in the README

CPU time (`time.process_time`), not the wall clock, and an in-process transport (`httpx2.MockTransport`), not a socket:
what is compared is the client's own work, so the kernel, the server's process and other users of the machine stay out
of it. Over a real connection both sides pay the same on top, and every ratio comes closer to 1.

No name is imported here: the processes that are measured import this package too.
"""
