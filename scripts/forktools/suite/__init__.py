"""scripts/test-upstream: upstream's own suite on stock and on the patched tree, compared test by test.

    trees    the sdist of the pinned release as a git work tree, stock and with the series on it
    lanes    what is run, and in which environment
    compare  what counts as a regression
    checks   upstream's linters, and its checks for breaking changes

Nothing here knows a list of tests that are allowed to fail: whatever stock fails in the same environment is known to
fail, and nothing else is.
"""
