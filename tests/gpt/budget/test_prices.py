"""The price table: which model is meant, what a reply costs, and one clear line for a bad file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.budget import PriceTable
from gpt.budget.prices import Price
from gpt.errors import GptSettingsError
from gpt.model import Usage

TABLE = PriceTable.load()


def price(name: str) -> Price:
    found = TABLE.find(name)
    assert found is not None, name
    return found


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("openai/gpt-4o", "gpt-4o"),
        ("openrouter/openai/gpt-4.1-nano-2025-04-14", "gpt-4.1-nano"),
        ("gpt-3.5-turbo-0125", "gpt-3.5-turbo"),
    ],
)
def test_a_name_with_a_date_or_a_vendor_is_found(asked: str, meant: str) -> None:
    assert price(asked) == price(meant)


def test_a_dated_name_of_its_own_goes_before_the_general_one() -> None:
    assert price("gpt-4o-2024-05-13").input == 2 * price("gpt-4o").input
    assert price("openai/gpt-4o-2024-05-13") == price("gpt-4o-2024-05-13")


@pytest.mark.parametrize(
    "asked",
    [
        *(
            "gpt-4o-audio-preview",
            "gpt-4o-",
            "gpt-4",
            "gpt",
            "",
            "gpt-4o-2024-08-06-x",
            "ft:gpt-4o-mini-2024-07-18:me::1",
        ),
        *("gpt-5-pro", "gpt-4o-20240806", "openai/", "GPT-4o"),
    ],
)
def test_a_name_that_only_looks_alike_is_not_found(asked: str) -> None:
    """A fine-tuned, an audio or a pro model costs a multiple."""
    assert TABLE.find(asked) is None
    assert TABLE.cost(asked, Usage(1, 1)) is None


def test_many_made_up_names_do_not_fill_the_memory() -> None:
    table = PriceTable("2026-11-21", {})

    for number in range(5_000):
        table.find(f"model-{number}")

    assert len(table._found) <= 1_000


@pytest.mark.parametrize(
    ("model", "usage", "dollars"),
    [
        ("gpt-4o-mini", Usage(1_000_000, 1_000_000), 0.75),
        ("gpt-4o", Usage(1_000_000, 0, cached=400_000), 0.6 * 2.50 + 0.4 * 1.25),
        ("gpt-3.5-turbo", Usage(1_000, 1_000, cached=500), 0.002),  # no price for cached ones: the usual one
        ("gpt-6.2-sol", Usage(1_023, 0), 1_023 * 2.00 / 1e6),
        ("gpt-6.2-sol", Usage(10_000, 0, cached=2_000), (8_000 * 2.50 + 2_000 * 0.10) / 1e6),  # written to the cache
        ("gpt-5.5", Usage(272_000, 1_000), (272_000 * 5 + 1_000 * 30) / 1e6),
        ("gpt-5.5", Usage(272_001, 1_000), (272_001 * 10 + 1_000 * 45) / 1e6),
        ("gpt-4o", Usage(), 0.0),
        ("gpt-4o", Usage(-5, -5, -5), 0.0),
        ("gpt-4o", Usage(10, 0, cached=999), 10 * 1.25 / 1e6),
    ],
)
def test_what_a_reply_costs(model: str, usage: Usage, dollars: float) -> None:
    cost = TABLE.cost(model, usage)

    assert cost == pytest.approx(dollars, rel=1e-9, abs=1.1e-9)


def test_a_part_of_a_nano_dollar_is_rounded_up() -> None:
    assert price("gpt-5-nano").cost(Usage(1, 0, cached=1)) == 5
    assert Price(1, 1, 1, 1, None, None).cost(Usage(1, 0)) == 1


@given(
    model=st.sampled_from(["gpt-4o", "gpt-6.2-sol", "gpt-5.5", "gpt-3.5-turbo", "gpt-5-nano"]),
    prompt=st.integers(0, 400_000),
    completion=st.integers(0, 128_000),
    part=st.floats(0, 1),
    cached=st.floats(0, 1),
)
def test_no_reply_costs_more_than_its_estimate(
    model: str, prompt: int, completion: int, part: float, cached: float
) -> None:
    taken = round(prompt * part)
    usage = Usage(taken, round(completion * part), round(taken * cached))

    assert price(model).cost(usage) <= price(model).at_most(prompt, completion)


def test_the_table_of_the_program_is_whole() -> None:
    """Every model: output dearer than input, cached input not, and the length of an answer is known."""
    assert TABLE.date == "2026-11-21"
    for name, one in TABLE._prices.items():
        assert 0 < one.cached_input <= one.input <= one.cache_write < one.output, name
        assert one.max_output is not None, name


GOOD = 'date = "2026-01-02"\n[models.m]\ninput = 1\noutput = 2.5\n'


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(GOOD.replace('"', ""))  # a date as TOML has it is as good

    table = PriceTable.load(str(file))

    assert table.date == "2026-01-02"
    assert table.find("m") == Price(10**9, 10**9, 10**9, 2_500_000_000, None, None)
    assert table.find("gpt-4o") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("date = [", "is no TOML"),
        (b"date = '\xff'", "is no TOML"),
        ("", "has no date"),
        (GOOD.replace("2026-01-02", "yesterday"), "has no date"),
        ('date = "2026-01-02"', "has no models"),
        ('date = "2026-01-02"\nmodels = 3', "has no models"),
        ('date = "2026-01-02"\n[models]', "has no models"),
        ('date = "2026-01-02"\n[models]\nm = 3', '[models."m"] is no table'),
        (GOOD.replace("input = 1\n", ""), '[models."m"] has no input'),
        (GOOD.replace("output", "ouput"), "has 'ouput', which means nothing"),
        (GOOD + "[prices]", "has 'prices', which means nothing"),
        (GOOD.replace("2.5", '"2.5"'), '[models."m"] output is'),
        (GOOD.replace("2.5", "true"), "output is True"),
        (GOOD.replace("2.5", "nan"), "output is nan"),
        (GOOD.replace("2.5", "inf"), "output is inf"),
        (GOOD.replace("2.5", "-1"), "output is -1"),
        (GOOD + "cached_input = -1", "cached_input is -1"),
        (GOOD + "cache_write = []", "cache_write is []"),
        (GOOD + "max_output = 0", "max_output is 0"),
        (GOOD + "max_output = 1.5", "max_output is 1.5"),
        (GOOD + "long_above = true", "long_above is True"),
        (GOOD.replace("[models.m]", '[models."m\\nx"]').replace("2.5", "-1"), "output is -1"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it_and_what_is_wrong(tmp_path: Path, text: str | bytes, said: str) -> None:
    file = tmp_path / "own.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(GptSettingsError) as caught:
        PriceTable.load(str(file))

    assert str(caught.value).startswith(f"the price table {file}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(GptSettingsError, match=r"none\.toml: cannot be read"):
        PriceTable.load(str(tmp_path / "none.toml"))
