"""The scores of codes against parameters, by what they ask; `benchmarks.scores` has them all."""
