import re
from dataclasses import replace

import pytest

from benchmarks import (
    at_once_table,
    figures,
    generator_pays,
    paper_tables,
    pruning_table,
    readme,
    records,
    reproduce,
    tables,
    throughput,
)
from benchmarks.markdown import END, start, write


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty results folder; returns what adds records to it."""
    monkeypatch.setattr(records, "RESULTS", tmp_path)

    def add(*runs):
        for run in runs:
            records.append(tmp_path / f"{run.problem}.jsonl", run)

    return add


def cells(lines, first):
    """The cells of the row that starts with ``first``."""
    (row,) = [line for line in lines if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.parametrize(
    "page", [tables.README, readme.README, at_once_table.PAGE, pruning_table.PAGE]
)
def test_written_parts_of_the_pages_are_what_the_committed_results_say(page, tmp_path):
    copy = tmp_path / "README.md"
    copy.write_text(page.read_text())
    if page == readme.README:
        write("\n".join(readme.first_page()), copy, "readme")
    elif page == pruning_table.PAGE:
        write("\n".join(pruning_table.short()), copy, "pruning_table")
    elif page == at_once_table.PAGE:
        write("\n".join(at_once_table.lost()), copy, "at_once_table")
        measured = records.rows(records.RESULTS / "throughput.jsonl")
        write("\n".join(throughput.short(measured)), copy, "throughput")
    else:
        tables.write_all(copy)
        write(reproduce.index(), copy, "reproduce")
        write("\n".join(generator_pays.table()), copy, "generator_pays")
    assert copy.read_text() == page.read_text()


def test_the_speed_table_is_the_measured_one():
    text = tables.README.read_text()
    rows = re.findall(r"^\| (?:sampler|\w+Sampler) \|.*$", text, re.MULTILINE)
    assert len(rows) >= 3
    measured = (tables.README.parent / "results" / "speed.md").read_text()
    assert [row for row in rows if row not in measured] == []


def test_a_search_table_by_hand(results, long_record):
    def run(seed, values):
        return long_record(seed, queries=48, values=[values], test=values, optimum=50.0)

    results(run(0, [40.0] * 9 + [50.0] * 39), run(1, [40.0] * 48), run(2, [45.0] + [50.0] * 47))
    (found,) = tables.curves.load("nb201-c100")
    lines = tables.search_table(found)
    assert lines[0].startswith("| method | seeds | @48 | test @48 | best test @48 (oracle) |")
    row = cells(lines, "random")
    assert row == ["random", "3", *["46.67 ± 4.71"] * 3, "10 (2/3)", "10.0"]


def test_skips_are_counted_in_the_best_cells_where_lines_keep_them(results, long_record):
    skip = "[" + "('skip_connect', 0), ('skip_connect', 1), " * 4 + "]"
    none = skip.replace("skip_connect", "max_pool_3x3")
    texts = [f"Genotype(normal={skip}, reduce={cell})" for cell in (skip, none)] + [None]
    results(*(long_record(i, problem="nb301", best=text) for i, text in enumerate(texts)))
    row = cells(list(tables.skip_shares()), "random")
    assert (row[1], row[3]) == ("2", "75.00 ± 25.00")


def test_a_value_that_some_seeds_lack_is_marked(results, long_record):
    limits = {"latency": [1.0] * 200}
    results(
        long_record(0, problem="nb201-c100-lat5", constraints=limits),
        long_record(1, problem="nb201-c100-lat5", constraints={"latency": [0.0] * 200}),
    )
    (found,) = tables.curves.load("nb201-c100-lat5")
    row = cells(tables.search_table(found), "random")
    assert row[1] == "2"
    assert all(text.endswith("± 0.00 (1)") for text in row[2:5])
    assert row[6] == "0.50"  # feasible


@pytest.mark.filterwarnings("error")
def test_a_method_whose_runs_are_too_short_has_no_feasible_share(results, long_record):
    limits = {"latency": [0.0] * 200}
    short = {"latency": [0.0] * 60}
    problem = "nb201-c100-lat5"
    results(
        long_record(0, problem=problem, constraints=limits),
        long_record(0, 60, problem=problem, constraints=short, method="tpe"),
    )
    (found,) = tables.curves.load(problem)
    lines = tables.search_table(found)
    place = cells(lines, "method").index("feasible")
    assert cells(lines, "random")[place] == "1.00"
    assert cells(lines, "tpe")[place] == ""


def test_a_part_is_worth_the_mean_difference_on_the_same_seeds(results, long_record):
    def run(method, seed, best):
        return long_record(seed, queries=48, method=method, values=[[best] * 48])

    results(*(run("agnet", seed, best) for seed, best in enumerate([70.0, 71.0, 72.0])))
    assert list(tables.parts()) == []  # nothing to compare
    results(run("agnet-no-lso", 0, 69.0), run("agnet-no-lso", 2, 74.0))
    row = cells(tables.parts(), "agnet-no-lso")
    assert row == ["agnet-no-lso", "nb201-c100", "2", "+0.50 ± 1.50"]


def test_surrogates_are_compared_on_those_of_the_first_five_seeds_that_all_have(
    results, long_record
):
    def run(method, seed, best, slow=0.25):
        seconds = [slow] * 96 + [9.0] * 104
        return long_record(seed, method=method, values=[[best] * 200], seconds=seconds)

    results(*(run("agnet", seed, 70.0 + seed) for seed in range(7)))
    assert list(tables.surrogates()) == []  # nothing to compare
    results(run("agnet-gnn", 0, 69.0), run("agnet-gnn", 1, 71.0), run("agnet-xgb", 6, 99.0))
    lines = [line for line in tables.surrogates() if line.startswith("| nb201-c100")]
    assert [[cell.strip() for cell in line.strip("|").split("|")][1:] for line in lines] == [
        ["Gaussian process", "2", *["70.50 ± 0.50"] * 2, "0.25"],
        ["graph neural networks", "2", *["70.00 ± 1.00"] * 2, "0.25"],
    ]


def test_what_is_missing_is_a_share_of_what_local_search_misses(results, long_record):
    def run(method, seed, values):
        return replace(
            long_record(seed, queries=96, values=[values], test=values, optimum=100.0),
            problem="chain40",
            method=method,
        )

    results(
        run("local-search", 0, [20.0] * 40 + [60.0] * 56),
        run("local-search", 1, [40.0] * 40 + [80.0] * 56),
        run("agnet", 0, [10.0] * 40 + [85.0] * 56),
    )
    (found,) = tables.curves.load("chain40")
    lines = tables.missing_table(found)
    assert cells(lines, "method")[2:-1] == [
        *("missing @32, %", "missing @48, %", "missing @96, %"),
        *("share @32", "share @48", "share @96"),
    ]
    row = cells(lines, "agnet")
    assert row[1:-1] == ["1", "90.00 ± 0.00", *["15.00 ± 0.00"] * 2, "1.12", "0.38", "0.38"]


def test_our_run_stands_beside_the_papers(results, long_record):
    run = long_record(method="agnet-paper")
    results(run)
    lines = list(paper_tables.beside_paper(9))
    ours = [line for line in lines if "agnet-paper | 1 |" in line]
    assert len(ours) == 2  # at 96 and at 192; 400 was not run
    best = max(run.values[0][:96])
    assert ours[0].startswith("| AG-Net | 96 | 73.2 ± 0.34 | 73.12 ± 0.40 | agnet-paper | 1 |")
    assert f"| {best:.2f} ± 0.00 |" in ours[0]
    assert cells(lines, "SGNAS")[4].startswith("published only: its supernet is trained")


def test_table_5_marks_the_optimum_and_shows_both_settings(results, long_record):
    feasible = {"latency": [-1.0, 1.0] * 100}
    hit = [40.0] * 10 + [46.0] * 190
    common = {"constraints": feasible, "problem": "hw-edgegpu-2"}
    results(
        long_record(0, values=[hit], **common),
        long_record(1, values=[[40.0] * 200], **common),
        long_record(
            0,
            problem="hw-edgegpu-2-joint",
            directions=["maximize", "minimize"],
            values=[[41.0] * 200, [1.0] * 200],
            constraints=feasible,
        ),
    )
    lines = list(paper_tables.table5())
    rows = [line for line in lines if line.startswith("| edgegpu 2 ms |")]
    assert rows[0].endswith("| 40.6* | 40.6* | 39.7 | 46.00 | 46.00* | 41.00 |")
    assert rows[1].endswith(
        "| 39.7 (0.9) | 39.1 (1.5) | 37.2 (3.4) | 46.00 | 43.00 (3.00) | 41.00 (5.00) |"
    )
    assert rows[2].endswith("| 0.29 | 0.31 | 0.05 | 46.00 | 0.50 | 0.50 |")
    short = list(paper_tables.table5_counts())
    assert cells(short, "random")[1:] == ["1", "2", "1", "0", "3.00", "0.50"]
    assert cells(short, "random Joint=1")[1:] == ["1", "1", "0", "0", "5.00", "0.50"]
    # best of ten runs, column Joint=0 of the paper's table
    assert cells(short, "AG-Net, published")[1:5] == ["20", "10", "10", "0"]


def test_without_results_there_are_no_tables(results):
    assert tables.everything() == ""


def test_write_needs_its_markers(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n{start('tables')}old\n{END}after\n")
    write("| new |", path, "tables")
    write("| new |", path, "tables")
    assert path.read_text() == f"before\n{start('tables')}\n| new |\n{END}after\n"
    with pytest.raises(ValueError, match=r"lacks '<!-- python -m benchmarks\.other"):
        write("| new |", path, "other")


@pytest.mark.parametrize("name", ["Table 2", "table2"])
def test_tables_are_found_by_the_papers_names(name, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["tables", name])
    tables.main()
    assert capsys.readouterr().out.startswith("#### Table 2, nb201-c10 (")


def test_figures_are_drawn_where_results_are_there(
    results, long_record, tmp_path, monkeypatch, capsys
):
    limits = {"constraints": {"latency": [-1.0, 1.0] * 100}, "problem": "hw-edgegpu-2"}
    results(
        *(long_record(seed, method=m) for seed in (0, 1) for m in ("agnet", "random")),
        *(long_record(seed, **limits) for seed in (0, 1)),
    )
    for searches_again in ("figure1", "figure13"):  # tests/benchmarks/test_search_figures.py
        monkeypatch.delitem(figures.FIGURES, searches_again)
    monkeypatch.setattr("sys.argv", ["figures", "--folder", str(tmp_path / "figures")])
    figures.main()
    drawn = {path.stem for path in (tmp_path / "figures").iterdir()}
    left_out = {"figure9", "figure10", "generator", *(f"figure{n}" for n in reproduce.CELLS)}
    assert drawn == set(figures.FIGURES) - left_out
    assert "figure9 is left out: needs runs of one or more of agnet-paper-oracle" in (
        capsys.readouterr().out
    )


def test_an_unknown_figure(monkeypatch):
    monkeypatch.setattr("sys.argv", ["figures", "figure99"])
    with pytest.raises(SystemExit, match="unknown figure figure99; known: figure"):
        figures.main()


def test_scores_are_shown_beside_the_default_of_the_same_seeds(results, long_record):
    for seed, default, scored in ((0, 40.0, 44.0), (1, 41.0, 43.0)):
        for method, best in (("agnet", default), ("agnet+synflow", scored)):
            values = [[30.0] * 15 + [best] * 81]
            results(long_record(seed, queries=96, method=method, values=values, optimum=44.0))
    results(long_record(2, queries=96, method="agnet", values=[[90.0] * 96]))
    for seed in (0, 1):
        shorter = [[30.0] * (24 + 72 * seed)]
        results(long_record(seed, queries=len(shorter[0]), method="agnet+noise", values=shorter))
    lines = list(tables.scores())
    assert lines[2] == "| method | seeds | @8 | @16 | @20 | @24 | @48 | @96 | optimum by 48 |"
    assert cells(lines, "agnet")[1:4] == ["3", "50.00", "57.00"]
    row = cells(lines, "agnet+synflow")
    assert row[1:4] == ["2", "30.00 (+0.00 ± 0.00)", "43.50 (+3.00 ± 1.00)"]
    assert [cells(lines, name)[-1] for name in ("agnet", "agnet+synflow")] == ["0 of 3", "1 of 2"]
    assert cells(lines, "agnet+noise")[6:] == ["30.00 (seeds: 1)"] * 2 + ["0 of 1"]
