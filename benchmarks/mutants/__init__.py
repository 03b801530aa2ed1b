"""Small changes that make the package wrong, and the tests that notice."""

from benchmarks.mutants.base import Mutant
from benchmarks.mutants.core import CORE
from benchmarks.mutants.generator import GENERATOR
from benchmarks.mutants.models import MODELS
from benchmarks.mutants.search import SEARCH
from benchmarks.mutants.spaces import SPACES
from benchmarks.mutants.starts import STARTS
from benchmarks.mutants.study import STUDY
from benchmarks.mutants.surrogate import SURROGATE

MUTANTS = (*CORE, *SPACES, *GENERATOR, *SURROGATE, *SEARCH, *STARTS, *STUDY, *MODELS)

__all__ = ["MUTANTS", "Mutant"]
