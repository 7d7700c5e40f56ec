"""Four processes, one rate."""

from collections.abc import Callable

from tests.gpt.gate.fleet import HEAD, measure_fleet
from tests.valkey import Valkey


def test_no_window_of_a_fleet_holds_more_than_its_number(valkey: Valkey, publish: Callable[[str, str], None]) -> None:
    """Neither of slots nor of true sends; what it costs is a matter for benchmarks."""
    run = measure_fleet(valkey.url, processes=4, workers=10, acquires=100, requests=150, window=0.3)

    publish("a fleet at its gate", f"{HEAD}\n{run.row('4 × 100 at 150 per 0.3 s')}")
    assert run.worst_scheduled <= 150
    assert run.worst_sent <= 150
    assert run.scripts_per_grant <= 1.5
