"""What the tool costs, each figure beside a peer and its limit: `python -m benchmarks`, or `make bench`.

A peer is the least that any program would have to do for the same answer, a bare loop in the same interpreter. Only the
ratio is judged, from runs that alternate, because the seconds of a shared machine mean little.
"""
