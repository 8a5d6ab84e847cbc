"""The benchmarks' arithmetic, their data and their report; no test asserts how fast it is."""

from __future__ import annotations

import os
import re
import sys
import time

import pytest

from benchmarks import __main__ as runner
from benchmarks import budgets, profile, programs, report
from benchmarks.budgets import Budget, Figure
from benchmarks.cases import cases
from benchmarks.measure import (
    Command,
    Failed,
    Sample,
    Spread,
    first_record,
    in_turn,
    last_object,
    lines,
    ratios,
    run,
    serving,
    spread,
)
from benchmarks.profile import Line, Sampler
from benchmarks.report import Done, Profile, Told
from benchmarks.rivals import RIVALS
from benchmarks.spec import ALONE, FULL, ORDINARY, SMALL, TAP, Case, Participant, Server

SIZES = pytest.mark.parametrize("sizes", [FULL, SMALL], ids=["full", "small"])


@pytest.fixture
def command(tmp_path):
    """Return what runs a text in a Python of its own."""

    def make(text):
        return Command((sys.executable, "-c", text), dict(os.environ), tmp_path / "one.log")

    return make


def sample(wall=1.0, cpu=1.0, rss=50.0, rows=None):
    return Sample(wall, cpu, rss, rows=rows)


def test_the_spread_is_median_and_range():
    assert spread([3.0, 1.0, 8.0]) == Spread(3.0, 1.0, 8.0)
    assert spread([4.0, 1.0]) == Spread(2.5, 1.0, 4.0)
    with pytest.raises(ValueError, match="no figures"):
        spread([])


def test_ratios_are_those_of_the_same_round():
    assert ratios([10.0, 40.0, 9.0], [1.0, 2.0, 3.0]) == [10.0, 20.0, 3.0]


def test_participants_take_turns_and_who_fails_is_out():
    ran = []

    def one(name, number):
        ran.append((name, number))
        if (name, number) == ("b", 1):
            raise Failed("b: lost its way")
        return sample(wall=number)

    samples, failures = in_turn({"a": 3, "b": 3, "c": 3, "d": 1}, one)

    assert "".join(name for name, _ in ran) == "abcdabcac"
    assert failures == {"b": "b: lost its way"}
    assert [len(samples[name]) for name in "abcd"] == [3, 0, 3, 1]


def test_a_process_is_measured_alone(command):
    # What this process holds must not show in the child, which inherits its peak otherwise.
    held = bytearray(b"x" * 200_000_000)
    child = command("import sys; print('thrown away'); sys.stderr.write('{\"rows\": 7}\\n')")
    done = run(child)

    assert done.rss < len(held) / 1_000_000 / 2
    assert done.cpu > 0
    assert done.told == {"rows": 7} == last_object(child.log)
    assert programs.rows(child) == 7


def test_a_process_that_ends_badly_or_never_is_an_error(command):
    with pytest.raises(Failed, match=r"one: exit code 3 \(what went wrong\)"):
        run(command("import sys; sys.stderr.write('what went wrong\\n'); sys.exit(3)"))
    with pytest.raises(Failed, match=r"one: no end within 0\.1 s"):
        run(command("import threading; threading.Event().wait()"), limit=0.1)
    with pytest.raises(Failed, match="exit code 4"):
        list(lines(command("print('a line'); raise SystemExit(4)")))
    with (
        pytest.raises(Failed, match="exit code 1"),
        serving(command("raise SystemExit('no port')")),
    ):
        pass


def test_the_first_record_is_waited_for(command):
    told = '{"type":"SCHEMA"}\\n{"type": "RECORD"}\\n{"type":"RECORD"}'

    assert first_record(command(f"print('{told}')")) > 0
    with pytest.raises(Failed, match="no RECORD"):
        first_record(command("print('{}')"))


def test_records_count_once_by_their_key(command):
    schema = '{"type":"SCHEMA","stream":"s","key_properties":["id","part"]}'
    records = [
        f'{{"type":"RECORD","stream":"s","record":{{"id":{n},"part":1}}}}' for n in (1, 2, 1)
    ]

    assert programs.counted(command(f"print('''{chr(10).join([schema, *records])}''')")) == 2
    with pytest.raises(Failed, match="a record of s before its SCHEMA"):
        programs.counted(command(f"print('''{records[0]}''')"))


def test_who_loses_rows_has_failed():
    one = Participant("one", TAP, rows=5)

    runner.check(one, 5)
    for rows in (4, 6, None):
        with pytest.raises(Failed, match=f"one: read {rows} rows of 5"):
            runner.check(one, rows)
    assert runner.disagreement({"a": [sample(rows=5)] * 2, "b": [sample(rows=5)]}) == {}
    assert set(runner.disagreement({"a": [sample(rows=5)], "b": [sample(rows=6)]})) == {"a", "b"}
    assert set(runner.disagreement({"a": [sample(rows=5), sample(rows=6)]})) == {"a"}


def test_taps_read_from_the_server_and_what_is_lost_shows(tmp_path):
    server = Server(rows=600, lists=2)
    case = Case(
        "a case",
        "title",
        (
            Participant(TAP, TAP, server, 4, rows=600),
            Participant("too few", TAP, server, 4, rows=601),
            Participant("in lists", TAP, server, 4, "lists", rows=1_800),
            Participant(ALONE, ALONE, server, 4, "lists", rows=1_800),
            Participant(ORDINARY, ORDINARY, server, 1, rows=600),
        ),
        counted=True,
    )
    done = runner.measured(case, 1, tmp_path)

    assert done.failures == {"too few": "too few: read 600 rows of 601"}
    assert {name: [each.rows for each in taken] for name, taken in done.samples.items()} == {
        TAP: [600],
        "in lists": [1_800],
        ALONE: [1_800],
        ORDINARY: [600],
    }
    assert all(each.server > 0 for taken in done.samples.values() for each in taken)


def test_a_second_run_goes_on_from_the_first(tmp_path):
    one = Participant("again", TAP, Server(rows=100), 4, "default", again=True)
    first = Participant("first", TAP, Server(rows=100), 4, "default", rows=400)
    done = runner.measured(Case("a case", "title", (first, one)), 1, tmp_path)

    assert not done.failures
    assert done.samples["again"][0].rows < 200


@SIZES
def test_every_budget_is_made_of_participants_that_exist(sizes):
    found = {(each.name, one.name) for each in cases(sizes) for one in each.participants}
    wanted = budgets.budgets(sizes)

    assert len({each.name for each in wanted}) == len(wanted)
    for each in wanted:
        for figure in filter(None, (each.over, each.of)):
            assert (figure.case, figure.participant) in found
            assert not figure.less or (figure.case, figure.less) in found
            assert figure.what in {"wall", "cpu", "rss"}


@SIZES
def test_cases_are_told_apart_and_their_programs_are_known(sizes):
    made = cases(sizes)
    known = {*programs.TAPS, *programs.PLAIN, *programs.BESIDE, *RIVALS}

    assert len({each.name for each in made}) == len(made)
    for case in made:
        names = [each.name for each in case.participants]
        assert len(set(names)) == len(names)
        assert case.base in {"", *names}
        for each in case.participants:
            assert each.program in known
            assert each.select in programs.SELECTIONS


def test_the_small_size_needs_no_further_installation():
    rivals = [
        RIVALS[each.program]
        for case in cases(SMALL)
        for each in case.participants
        if each.program in RIVALS
    ]

    assert rivals
    assert not any(each.environment for each in rivals)


def test_the_cases_that_are_wanted_are_chosen():
    assert len(runner.chosen(SMALL, [])) == len(cases(SMALL))
    assert [each.name for each in runner.chosen(SMALL, ["start", "small"])] == [
        "start-up",
        "small streams",
    ]
    with pytest.raises(SystemExit, match=r"no case 'nonsense'; allowed: .* start-up, .*profile"):
        runner.chosen(SMALL, ["start", "nonsense"])


RESULTS = {
    ("case", "slow"): [sample(wall=10.0, cpu=9.0), sample(wall=30.0, cpu=9.0)],
    ("case", "fast"): [sample(wall=1.0, cpu=3.0), sample(wall=2.0, cpu=5.0)],
    ("case", "page"): [sample(cpu=1.0), sample(cpu=1.0)],
    ("other", "fast"): [sample(rss=60.0)],
    ("case", "failed"): [],
}
SPEED = Budget("speed", Figure("case", "slow", "wall"), Figure("case", "fast", "wall"), least=10)


def test_a_budget_of_one_case_compares_round_with_round():
    assert budgets.measured(SPEED, RESULTS) == Spread(12.5, 10.0, 15.0)


def test_a_budget_of_two_cases_compares_medians():
    over = Budget("", Figure("other", "fast", "rss"), Figure("case", "fast", "rss"))

    assert budgets.measured(over, RESULTS) == Spread(1.2, 1.2, 1.2)


def test_start_up_is_taken_off_and_shared_out_among_rows():
    figure = Figure("case", "fast", "cpu", less="page", rows=2)

    assert budgets.figures(figure, RESULTS) == [1.0, 2.0]
    assert budgets.measured(Budget("", figure, unit=0.5), RESULTS) == Spread(3.0, 2.0, 4.0)


@pytest.mark.parametrize("name", ["failed", "not run"])
def test_what_was_not_measured_is_no_figure(name):
    figure = Figure("case", name, "wall")

    assert budgets.measured(Budget("", figure), RESULTS) is None
    assert budgets.measured(Budget("", figure, SPEED.over), RESULTS) is None
    assert budgets.measured(Budget("", SPEED.over, figure), RESULTS) is None


def test_a_budget_is_met_at_its_bound_by_the_median():
    figure = Spread(10.0, 1.0, 99.0)

    assert SPEED.met(figure)
    assert not SPEED.met(Spread(9.9, 1.0, 99.0))
    assert Budget("", SPEED.over, most=10).met(figure)
    assert not Budget("", SPEED.over, most=9.9).met(figure)


def told(**changes):
    case = Case(
        "case",
        "A case",
        (Participant("slow", TAP, Server()), Participant("fast", TAP), Participant("lost", TAP)),
        base="slow",
    )
    taken = {
        "slow": [sample(wall=10.0, rows=1_000), sample(wall=30.0, rows=1_000)],
        "fast": [sample(wall=1.0), sample(wall=2.0)],
    }
    given = {
        "command": "python -m benchmarks",
        "facts": {"machine": "a machine"},
        "done": [Done(case, taken, {"lost": "read 1 rows of 2"})],
        "budgets": [
            SPEED,
            Budget("too slow", SPEED.over, most=1),
            Budget("another", Figure("other", "one", "wall"), most=1),
        ],
        "binding": True,
    }
    return Told(**(given | changes))


def test_the_report_tells_figures_budgets_and_failures():
    text = report.render(told(notes="# Not met\n\nWhy it is so.\n"))

    assert "- machine: a machine" in text
    assert "| speed | at least 10 | 12.5 (10.0-15.0) | yes |" in text
    assert "| too slow | at most 1 | 20.0 (10.0-30.0) | **no** |" in text
    assert "| another | at most 1 | not measured | - |" in text
    assert "`python -m benchmarks --only 'case'`" in text
    assert "| slow | 20.0 (10.0-30.0) | 1.00 | 20,000 | 1.00 | 1,000 | 50.0 | 0.00 |" in text
    assert "| fast | 1.50 (1.00-2.00) | 12.5 |  | 1.00 |  | 50.0 |  |" in text
    assert "FAILED: lost: read 1 rows of 2" in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert text.endswith("# Not met\n\nWhy it is so.\n")


def test_a_smaller_size_meets_and_misses_no_budget():
    text = report.render(told(binding=False))

    assert "| too slow | at most 1 | 20.0 (10.0-30.0) | - |" in text
    assert "a smaller one" in text


def test_the_report_tells_where_the_time_goes():
    seen = [
        Line("loop", "HTTP", "a.py:1", 1.0),
        Line("worker_0", "decode", "b.py:2", 2.0),
        Line("worker_1", "decode", "b.py:2", 1.0),
        Line("loop", "other", "c.py:3", 0.001),
    ]
    profiles = [Profile("A case", seen), Profile("Another", (), "it broke")]
    text = report.render(told(profiles=profiles))

    assert text.index("| decode | worker | 75.0 |") < text.index("| HTTP | loop | 25.0 |")
    assert "| decode | b.py:2 | 75.0 |" in text
    assert "c.py:3" not in text
    assert "### Another\n\nFAILED: it broke" in text


def test_the_sampler_books_cpu_time_to_lines():
    sampler = Sampler()
    sampler.start()
    begun = time.process_time()
    while time.process_time() < begun + 0.1:
        sum(range(1_000))
    seen = sampler.stop()

    here = [each for each in seen if "test_benchmarks.py" in each.where]
    assert sum(each.seconds for each in here) > 0
    assert {each.part for each in here} == {"other"}
    assert seen[-1].part == "not seen"


def test_a_stack_belongs_to_its_innermost_line_that_tells_a_part():
    def loads(_):
        return profile.placed(sys._getframe())

    part, where = loads("{}")

    assert part == "decode"
    assert "loads(" in where


def test_streams_and_nested_columns_are_selected():
    def entry(name):
        columns = [["properties", "id"], ["properties", "line_items"], []]
        told = [{"breadcrumb": each, "metadata": {}} for each in columns]
        return {"stream": name, "metadata": told}

    found = programs.selected(
        {"streams": [entry("list01"), entry("other")]}, ("list*",), ("line_items",)
    )

    chosen = [[item["metadata"] for item in each["metadata"]] for each in found["streams"]]
    assert chosen[0] == [{}, {"selected": True}, {"selected": True}]
    assert chosen[1] == [{}, {}, {"selected": False}]
