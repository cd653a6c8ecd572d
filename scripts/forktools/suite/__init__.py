"""scripts/test-upstream: upstream's own suite on stock and on the patched tree, compared test by test.

    trees    two folders: the sdist of the pinned release, and the same with the series applied by `git am`
    lanes    what is run, and in which environment
    compare  what counts as a regression

Nothing here knows a list of tests that are allowed to fail: whatever stock fails in the same environment is known to
fail, and nothing else is.
"""
