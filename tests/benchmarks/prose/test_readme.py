"""Sentences of README.md, and of benchmarks/README.md where it says the same."""

from __future__ import annotations

from sentences import means, says

from benchmarks import curves, generator_pays, tables
from benchmarks.markdown import paired


def test_the_first_page_says_from_when_on_the_default_leads() -> None:
    says("ahead of every sampler that could be run beside it from 24 trials on", "README.md")
    for problem in tables.IN_README:
        (found,) = curves.load(problem)
        one_by_one = [name for name in found.methods if "-ask" not in name]
        rivals = [name for name in one_by_one if not name.startswith("agnet")]
        for queries in (24, 32, 48, 96):
            best = max(means(problem, name, queries) for name in rivals)
            assert means(problem, "agnet", queries) > best


def test_where_the_generator_pays() -> None:
    for compared in generator_pays.COMPARED:
        pair = generator_pays.load(compared.name)
        if pair is None:
            continue
        gain = pair.gain(96, compared.relative)
        limit = 2 * gain.std(ddof=1) / len(gain) ** 0.5
        if compared.name == "nb301":
            assert gain.mean() > limit
            says(f"cost {paired(gain).lstrip('+')} points on two DARTS cells after 96", "README.md")
            assert len(gain) == 10
        elif compared.name == "blocks40":
            assert gain.mean() < -limit
            ahead = f"{paired(-gain).lstrip('+')} % of the optimum"
            says(f"mutants, the default there, are ahead by {ahead}", "README.md")
            says(f"and costs {ahead} with 10 to 40 layers and")
        elif compared.name == "chain40":
            assert gain.mean() < -limit
            says(f"{paired(-gain).lstrip('+')} % with 40 after 96 queries")
        else:  # mutants cost nothing measurable
            assert gain.mean() <= limit, compared.title
