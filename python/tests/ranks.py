"""Runs tests' ranks."""

import threading

import monel


def run_ranks(n, body):
    """Calls body(comm) on a thread for each of n ranks, and raises what any raised."""
    errors = []

    def one(comm):
        try:
            with comm:
                body(comm)
        except BaseException as e:  # a failed assertion, too
            errors.append(e)

    threads = [threading.Thread(target=one, args=(c,)) for c in monel.local(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
        assert not t.is_alive(), "a rank hangs"
    if errors:
        raise errors[0]
